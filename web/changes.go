package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// changesPage reviews the draft.
type changesPage struct {
	Changes []string
	Review  Review
	// Refused is why the draft cannot be applied as it is.
	Refused string
	// First is set while nothing is in force that one could go back to.
	First   bool
	Outcome string
	Windows []window
	// Idle are rules that nothing matched for long.
	Idle []idleRule
}

// window is a choice of how long changes are on trial.
type window struct {
	Length time.Duration
	Words  string
}

// DefaultWindow is how long changes are on trial unless somebody chooses.
const DefaultWindow = 90 * time.Second

var windows = []window{
	{30 * time.Second, "30 seconds"}, {DefaultWindow, "90 seconds"}, {5 * time.Minute, "5 minutes"}, {10 * time.Minute, "10 minutes"},
}

// Value is the window in a form: its seconds.
func (w window) Value() string { return strconv.Itoa(int(w.Length.Seconds())) }

// Chosen says whether the form begins with it.
func (w window) Chosen() bool { return w.Length == DefaultWindow }

func (s *server) changes(w http.ResponseWriter, r *http.Request) {
	changes, err := s.Store.Changes(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	now := s.Gateway.Brief()
	p := changesPage{Changes: changes, First: now.Revision == 0, Outcome: now.Trial.Outcome, Windows: windows}
	if len(changes) > 0 {
		if p.Review, err = s.Gateway.Review(r.Context(), clientAddr(r), serverAddr(r)); err != nil {
			p.Refused = err.Error()
		}
	}
	p.Idle = s.idleRules(r)
	s.render(w, r, http.StatusOK, "changes", view{Title: "Changes", Page: p})
}

func (s *server) apply(w http.ResponseWriter, r *http.Request) {
	o := Order{Author: adminOf(r).Name, Message: truncate(r.PostFormValue("message"), maxMessage), Window: DefaultWindow}
	for _, c := range windows {
		if r.PostFormValue("window") == c.Value() {
			o.Window = c.Length
		}
	}
	err := s.Gateway.Begin(r.Context(), o)
	if err != nil {
		s.flash(r, err.Error())
	}
	// The browser must not come back by a connection that the new rules would
	// not have let in.
	w.Header().Set("Connection", "close")
	http.Redirect(w, r, "/changes", http.StatusSeeOther)
}

// maxMessage bounds the words for the history, in bytes.
const maxMessage = 500

func truncate(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// pulse is the answer to a heartbeat.
type pulse struct {
	// State is beginning, stale (come again by a new connection), confirmed or
	// none.
	State string `json:"state"`
}

// heartbeat confirms what is on trial: an admin has got through to the gateway
// while it is in force. Only a connection that was accepted since proves that;
// one from before passes the firewall as established.
func (s *server) heartbeat(w http.ResponseWriter, r *http.Request) {
	state, err := s.keep(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(pulse{state}); err != nil {
		s.Log.Debug("the answer to a heartbeat was not read", "err", err)
	}
}

// confirm is the heartbeat of a browser without JavaScript: a button.
func (s *server) confirm(w http.ResponseWriter, r *http.Request) {
	switch state, err := s.keep(w, r); {
	case err != nil:
		s.flash(r, err.Error())
	case state == "stale":
		s.flash(r, "Press Keep once more: this came by a connection from before the change, which proves nothing.")
	case state == "confirmed":
		s.flash(r, "The changes are in force and kept.")
	}
	http.Redirect(w, r, "/changes", http.StatusSeeOther)
}

func (s *server) keep(w http.ResponseWriter, r *http.Request) (state string, err error) {
	t := s.Gateway.Brief().Trial
	switch {
	case t.Beginning:
		return "beginning", nil
	case t.Revision == 0:
		return "none", nil
	case !acceptedAt(r).After(t.Since):
		w.Header().Set("Connection", "close")
		return "stale", nil
	}
	// Who asked may close the page; what is confirmed is confirmed.
	return "confirmed", s.Gateway.Confirm(context.WithoutCancel(r.Context()), t.Revision, adminOf(r).Name)
}

func (s *server) takeBack(w http.ResponseWriter, r *http.Request) {
	if err := s.Gateway.TakeBack(context.WithoutCancel(r.Context()), adminOf(r).Name); err != nil {
		s.flash(r, err.Error())
	}
	http.Redirect(w, r, "/changes", http.StatusSeeOther)
}

func (s *server) discard(w http.ResponseWriter, r *http.Request) {
	if err := s.Store.Discard(r.Context()); err != nil {
		s.fail(w, r, err)
		return
	}
	s.flash(r, "The changes were discarded.")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
