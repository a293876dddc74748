package web

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"gatehouse/store"
)

// Keys of a session.
const (
	sessionAdmin   = "admin"
	sessionChanged = "changed" // of the password it was opened with, Unix milliseconds
	sessionFlash   = "flash"
)

func (s *server) loginPage(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "login", view{Title: "Log in"})
}

// decoy is compared with when there is no such account, so that the time
// taken does not tell.
var decoy = sync.OnceValues(func() (string, error) { return HashPassword("no account has this password") })

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	name, password := strings.ToLower(strings.TrimSpace(r.PostFormValue("name"))), r.PostFormValue("password")
	from := source(r)
	if !s.guard.allow(from) {
		s.Log.Warn("login refused: too many tries", "remote", from)
		s.Gateway.LoginFailed(clientAddr(r))
		w.Header().Set("Retry-After", "60")
		s.render(w, r, http.StatusTooManyRequests, "login", view{Title: "Log in", Form: name,
			Errors: formErrors{{Field: "password", Message: "Too many tries. Wait a minute."}}})
		return
	}
	admin, ok, err := s.check(r, name, password)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !ok {
		s.Log.Warn("login failed", "remote", from)
		s.Gateway.LoginFailed(clientAddr(r))
		s.event(r, "warn", "login", "", "A login from "+from+" failed.")
		// Not the name: people type their password there.
		s.record(r, "", "login-failed")
		s.render(w, r, http.StatusUnauthorized, "login", view{Title: "Log in", Form: name,
			Errors: formErrors{{Field: "password", Message: "The name or the password is wrong."}}})
		return
	}
	s.guard.succeeded(from)
	s.event(r, "info", "login", admin.Name, "Logged in from "+from+".")
	s.record(r, admin.Name, "login")
	if err := s.open(r, admin); err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// record puts a login into the audit log; a failure to do so is only logged.
func (s *server) record(r *http.Request, name, action string) {
	ctx := store.WithActor(r.Context(), store.Actor{Name: name, From: clientAddr(r).String()})
	if err := s.Store.Record(ctx, action, ""); err != nil {
		s.Log.Error("cannot write the audit log", "err", err)
	}
}

// check verifies a password, one at a time.
func (s *server) check(r *http.Request, name, password string) (store.Admin, bool, error) {
	if len(password) > maxPassword {
		return store.Admin{}, false, nil
	}
	admin, err := s.Store.Admin(r.Context(), name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return admin, false, err
	}
	known := err == nil
	hash := admin.Hash
	if !known {
		if hash, err = decoy(); err != nil {
			return admin, false, err
		}
	}
	select {
	case s.guard.hashing <- struct{}{}:
		defer func() { <-s.guard.hashing }()
	case <-r.Context().Done():
		return admin, false, r.Context().Err()
	}
	ok, err := verifyPassword(hash, password)
	return admin, ok && known, err
}

// open gives the browser a session of its own, with a new token.
func (s *server) open(r *http.Request, a store.Admin) error {
	ctx := r.Context()
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	s.sessions.Put(ctx, sessionAdmin, a.Name)
	s.sessions.Put(ctx, sessionChanged, a.Changed.UnixMilli())
	return nil
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// authenticated lets only admins through. A session ends when its admin's
// password changes.
func (s *server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && strings.HasPrefix(r.URL.Path, "/api/") {
			s.bearer(w, r, token, next)
			return
		}
		name := s.sessions.GetString(ctx, sessionAdmin)
		admin, err := s.Store.Admin(ctx, name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			s.fail(w, r, err)
			return
		}
		if name == "" || err != nil || admin.Changed.UnixMilli() != s.sessions.GetInt64(ctx, sessionChanged) {
			if strings.HasPrefix(r.URL.Path, "/api/") {
				http.Error(w, "log in first", http.StatusUnauthorized)
				return
			}
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, as(r, admin))
	})
}

// as is the request of an account that proved who it is.
func as(r *http.Request, admin store.Admin) *http.Request {
	return r.WithContext(store.WithActor(withAdmin(r.Context(), admin), store.Actor{Name: admin.Name, From: clientAddr(r).String()}))
}

// bearer lets a program through that has a token. Nobody guesses 256 bits; only
// what wrong ones may fill into the logs is limited.
func (s *server) bearer(w http.ResponseWriter, r *http.Request, token string, next http.Handler) {
	admin, err := s.Store.Bearer(r.Context(), token, s.Now())
	from := source(r)
	switch {
	case err == nil:
		next.ServeHTTP(w, as(r, admin))
	case !errors.Is(err, store.ErrNotFound):
		s.refuse(w, r, err)
	case !s.guard.allow(from):
		s.Gateway.LoginFailed(clientAddr(r))
		w.Header().Set("Retry-After", "60")
		http.Error(w, "too many wrong tokens; wait a minute", http.StatusTooManyRequests)
	default:
		s.Log.Warn("a wrong token was sent", "remote", from)
		s.Gateway.LoginFailed(clientAddr(r))
		s.record(r, "", "login-failed")
		http.Error(w, "this token is wrong or over", http.StatusUnauthorized)
	}
}

// passwordChosen sends an admin with a one-time password to choose one before
// anything else.
func (s *server) passwordChosen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if adminOf(r).OneTime {
			http.Redirect(w, r, "/password", http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) passwordPage(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "password", view{Title: "Choose a password"})
}

func (s *server) setPassword(w http.ResponseWriter, r *http.Request) {
	admin := adminOf(r)
	password := r.PostFormValue("password")
	var errs formErrors
	switch {
	case len(password) < minPassword || len(password) > maxPassword:
		errs = formErrors{{Field: "password", Message: "Use at least 12 characters. A few words in a row are good."}}
	case password != r.PostFormValue("again"):
		errs = formErrors{{Field: "again", Message: "This is not the same password."}}
	}
	if !admin.OneTime && errs == nil {
		_, ok, err := s.check(r, admin.Name, r.PostFormValue("current"))
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if !ok {
			errs = formErrors{{Field: "current", Message: "This is not your present password."}}
		}
	}
	if errs != nil {
		s.render(w, r, http.StatusUnprocessableEntity, "password", view{Title: "Choose a password", Errors: errs})
		return
	}
	hash, err := HashPassword(password)
	if err == nil {
		admin.Hash, admin.OneTime, admin.Changed = hash, false, s.Now().Truncate(time.Millisecond)
		err = s.Store.PutAdmin(r.Context(), admin)
	}
	if err == nil {
		err = s.open(r, admin)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.event(r, "info", "login", admin.Name, "Chose a new password.")
	s.flash(r, "Your password is set.")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// event files something for later; a failure to do so is only logged.
func (s *server) event(r *http.Request, severity, kind, subject, message string) {
	e := store.Event{Time: s.Now(), Severity: severity, Kind: kind, Subject: subject, Message: message}
	if err := s.Store.AppendEvents(r.Context(), e); err != nil {
		s.Log.Error("cannot store an event", "err", err)
	}
}
