package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"gatehouse/store"
)

// view is what every page gets; Page is its own.
type view struct {
	Title  string
	Page   any
	Form   any
	Errors formErrors
	// Filled in by render.
	Admin string
	// MayChange says that the account may keep or take back what is on trial.
	MayChange bool
	Here      string // path, for the navigation
	Gateway   string // host name
	Pending   int    // changes not applied yet, for the bar
	Trial     Trial
	Flash     string
	Now       time.Time
}

// formErrors are shown in a summary that links to the fields, and beside each
// field in the same words.
type formErrors []store.FieldError

// For is the message of a field, or of one of its elements.
func (e formErrors) For(field string) string {
	for _, f := range e {
		if f.Field == field || strings.HasPrefix(f.Field, field+"[") {
			return f.Message
		}
	}
	return ""
}

// loadPages parses each page together with the layout.
func loadPages(a *assets) (map[string]*template.Template, error) {
	funcs := template.FuncMap{
		"asset": a.url, "bytes": humanBytes, "ago": ago, "clock": clock, "state": stateWords, "revisionState": revisionWords,
		"sentence": sentence, "fix": nextStep, "lines": lines, "field": newField, "base": fieldBase,
		"join": strings.Join, "within": within, "label": labelOf,
		"minutes": minutesText, "few": few,
		"words": func(all ...string) []string { return all },
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	out := map[string]*template.Template{}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "layout" || base == "parts" {
			continue
		}
		t, err := template.New("layout.html").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", name)
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", base, err)
		}
		out[base] = t
	}
	return out, nil
}

// render answers with a page. It is rendered whole before the first byte goes
// out, so that an error never leaves half a page.
func (s *server) render(w http.ResponseWriter, r *http.Request, code int, page string, v view) {
	v.Here, v.Now = r.URL.Path, s.Now()
	v.Gateway = "Gatehouse"
	if admin := adminOf(r); admin.Name != "" {
		v.Admin, v.MayChange = admin.Name, admin.Role.May(store.RoleAdmin)
		now := s.Gateway.Brief()
		if now.Name != "" {
			v.Gateway = now.Name
		}
		v.Trial = now.Trial
		v.Pending = s.pending(r)
		v.Flash = s.sessions.PopString(r.Context(), sessionFlash)
	}
	var body bytes.Buffer
	if err := s.pages[page].Execute(&body, v); err != nil {
		s.Log.Error("cannot render a page", "page", page, "err", err)
		http.Error(w, "The page could not be made; the gateway's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if code == http.StatusOK && r.Method == http.MethodGet {
		// The page asks again every few seconds; mostly nothing has changed.
		sum := sha256.Sum256(body.Bytes())
		tag := `"` + hex.EncodeToString(sum[:12]) + `"`
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "no-cache, private")
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(code)
	if _, err := body.WriteTo(w); err != nil {
		s.Log.Debug("the page was not read", "err", err)
	}
}

// pending counts the changes for the bar above a page. The page of the changes
// itself has none, nor has the one that must be done first.
func (s *server) pending(r *http.Request) int {
	if r.URL.Path == "/changes" || r.URL.Path == "/password" {
		return 0
	}
	changes, err := s.Store.Changes(r.Context())
	if err != nil {
		s.Log.Error("cannot compare the draft", "err", err)
	}
	return len(changes)
}

// message is a page that says one thing.
func (s *server) message(w http.ResponseWriter, r *http.Request, code int, title, text string) {
	s.render(w, r, code, "message", view{Title: title, Page: text})
}

// flash is said on the next page.
func (s *server) flash(r *http.Request, text string) { s.sessions.Put(r.Context(), sessionFlash, text) }

type adminKey struct{}

func withAdmin(ctx context.Context, a store.Admin) context.Context {
	return context.WithValue(ctx, adminKey{}, a)
}

func adminOf(r *http.Request) store.Admin {
	a, _ := r.Context().Value(adminKey{}).(store.Admin)
	return a
}

func humanBytes(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// ago is coarse on purpose: a page that says "3 seconds ago" changes with each
// look.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return plural(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour")
	}
	return plural(int(d.Hours()/24), "day")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func lines(values []string) string { return strings.Join(values, "\n") }

// field is what the form parts of parts.html need.
type field struct {
	Name, Label, Hint, Value, Error string
}

func newField(name, label, hint, value string, errs formErrors) field {
	return field{Name: name, Label: label, Hint: hint, Value: value, Error: errs.For(name)}
}

// fieldBase turns remote_networks[1] into the name of its input.
func fieldBase(name string) string {
	base, _, _ := strings.Cut(name, "[")
	return base
}

// within is the aria-current of a navigation entry: "page" on the page itself,
// "true" on the pages below it.
func within(here, entry string) string {
	switch {
	case here == entry:
		return "page"
	case strings.HasPrefix(here, entry+"/"):
		return "true"
	}
	return ""
}
