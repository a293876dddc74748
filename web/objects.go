package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"gatehouse/store"
)

// objectStore is what the pages of all kinds of objects need.
type objectStore interface {
	Objects(ctx context.Context, kind, contains string, offset, limit int) ([]store.Row, int, error)
	Object(ctx context.Context, kind, name string) (store.Object, error)
	PutObject(ctx context.Context, kind, oldName, tag string, in store.Input) (string, error)
	DeleteObject(ctx context.Context, kind, name string) error
	PlaceObject(ctx context.Context, kind, name string, position int) error
	ShiftObject(ctx context.Context, kind, name string, by int) error
	Entries(ctx context.Context, list, holding string, offset, limit int) ([]store.AddressRange, int, error)
	ChangeEntries(ctx context.Context, list string, add, remove []store.AddressRange) error
}

// rowsOnPage is how many objects a list shows at once.
const rowsOnPage = 50

// kindOf finds the kind that the address names by its plural.
func (s *server) kindOf(w http.ResponseWriter, r *http.Request) (store.KindInfo, bool) {
	k, err := kindIn(r)
	if err != nil {
		s.notFound(w, r)
	}
	return k, err == nil
}

func kindIn(r *http.Request) (store.KindInfo, error) {
	for _, k := range store.Kinds() {
		if k.Plural == chi.URLParam(r, "kind") {
			return k, nil
		}
	}
	return store.KindInfo{}, store.ErrUnknownKind
}

// area is a heading of the page of all kinds.
type area struct {
	Name  store.Area
	Kinds []store.KindInfo
}

func (s *server) kinds(w http.ResponseWriter, r *http.Request) {
	var areas []area
	for _, k := range store.Kinds() {
		at := slices.IndexFunc(areas, func(a area) bool { return a.Name == k.Area })
		if at < 0 {
			at = len(areas)
			areas = append(areas, area{Name: k.Area})
		}
		areas[at].Kinds = append(areas[at].Kinds, k)
	}
	s.render(w, r, http.StatusOK, "objects_all", view{Title: "Configuration", Page: areas})
}

// listing is one page of a list.
type listing struct {
	Kind       store.KindInfo
	Rows       []store.Row
	Query      string
	Offset     int // of the first row
	First      int // number of the first row, from 1
	Last       int
	Total      int
	All        int    // how many there are whatever was searched for
	Back, More string // addresses of the pages around; empty if there is none
	// Counts says what each object decided, as a sentence; nil for kinds that
	// decide nothing.
	Counts map[string]string
	// Live says how objects are that are in force, for kinds that have a state.
	Live map[string]liveState
	// Idle is for how many days nothing matched what is shown; 0 for all.
	Idle int
	// Whole and Idles are the addresses of other choices.
	Whole string
	Idles []idleChoice
	// Whences are the lists that come from elsewhere; nil for other kinds.
	Whences map[string]whence
}

// part reads which part of a list is asked for.
func part(r *http.Request) (offset int, query string) {
	n, err := strconv.Atoi(r.URL.Query().Get("from"))
	if err != nil || n < 0 || n > 1<<30 {
		n = 0
	}
	return n, r.URL.Query().Get("q")
}

// around gives the addresses of the neighbouring pages.
func around(r *http.Request, offset, shown, total int) (back, more string) {
	at := func(n int) string {
		q := r.URL.Query()
		q.Set("from", strconv.Itoa(n))
		return r.URL.Path + "?" + q.Encode()
	}
	if offset > 0 {
		back = at(max(0, offset-rowsOnPage))
	}
	if offset+shown < total {
		more = at(offset + shown)
	}
	return back, more
}

func (s *server) objects(w http.ResponseWriter, r *http.Request) {
	k, ok := s.kindOf(w, r)
	if !ok {
		return
	}
	if k.Single {
		http.Redirect(w, r, "/objects/"+k.Plural+"/edit?name="+k.Name, http.StatusSeeOther)
		return
	}
	offset, query := part(r)
	l := listing{Kind: k, Query: query, Idle: idleDays(r.URL.Query())}
	var counted map[string]store.RuleCounter
	var err error
	if decides(k.Name) {
		if counted, err = s.Gateway.Counted(r.Context()); err != nil {
			s.Log.Error("cannot read the counters", "err", err)
		}
		l.Counts = s.counts(counted)
		l.Whole, l.Idles = r.URL.Path, idleChoices(r.URL.Path, l.Idle)
	} else {
		l.Idle = 0
	}
	if k.Name == "manual-sa" {
		l.Live = s.manualStates()
	}
	l.Rows, l.Total, err = s.listed(r.Context(), k.Name, query, l.Idle, counted, offset, rowsOnPage)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	l.Offset, l.All = offset, l.Total
	l.First, l.Last = offset+1, offset+len(l.Rows)
	l.Whences = s.whences(k, l.Rows)
	l.Back, l.More = around(r, offset, len(l.Rows), l.Total)
	if k.Ordered && (query != "" || l.Idle > 0) {
		if _, l.All, err = s.Store.Objects(r.Context(), k.Name, "", 0, 1); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	s.render(w, r, http.StatusOK, "objects", view{Title: k.Heading, Page: l})
}

func (s *server) newObject(w http.ResponseWriter, r *http.Request) {
	k, ok := s.kindOf(w, r)
	if !ok {
		return
	}
	if k.Single {
		s.notFound(w, r)
		return
	}
	f := objectForm{Kind: k, Values: map[string]string{}}
	for _, field := range k.Fields {
		if field.Name == "enabled" && k.Idle == "" {
			f.Values["enabled"] = "on"
		}
	}
	s.objectForm(w, r, http.StatusOK, f, nil)
}

func (s *server) editObject(w http.ResponseWriter, r *http.Request) {
	k, ok := s.kindOf(w, r)
	if !ok {
		return
	}
	o, err := s.Store.Object(r.Context(), k.Name, r.URL.Query().Get("name"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	f := objectForm{Kind: k, OldName: o.Name, Values: o.Form, Tag: o.Tag, Base: baseOf(o)}
	f.Position, f.Total = o.Position, o.Of
	s.objectForm(w, r, http.StatusOK, f, nil)
}

// baseOf is an object as a form was opened with it, for the browser to keep.
func baseOf(o store.Object) url.Values {
	out := url.Values{}
	for name, value := range o.Form {
		out.Set(name, value)
	}
	return out
}

func (s *server) saveObject(w http.ResponseWriter, r *http.Request) {
	k, ok := s.kindOf(w, r)
	if !ok {
		return
	}
	f := objectForm{Kind: k, OldName: r.URL.Query().Get("name"), Tag: r.PostFormValue("tag"), Values: map[string]string{}}
	f.Base, _ = url.ParseQuery(r.PostFormValue("base")) // which also reads the form
	for _, field := range f.Fields() {
		// Boxes send a value each.
		f.Values[field.Name] = strings.Join(r.PostForm[field.Name], "\n")
	}
	name, err := s.Store.PutObject(r.Context(), k.Name, f.OldName, f.Tag, store.Input{Form: f.Values})
	var found store.ValidationError
	switch {
	case errors.As(err, &found):
		s.objectForm(w, r, http.StatusUnprocessableEntity, f, formErrors(found))
	case errors.Is(err, store.ErrSingle):
		s.notFound(w, r)
	case errors.Is(err, store.ErrChanged) || errors.Is(err, store.ErrNotFound):
		s.objectConflict(w, r, f)
	case err != nil:
		s.fail(w, r, err)
	default:
		s.flash(r, saidOf(k, name, "saved"))
		back := "/objects/" + k.Plural
		if k.Single {
			back = "/objects"
		}
		http.Redirect(w, r, back, http.StatusSeeOther)
	}
}

// saidOf is the sentence on the next page.
func saidOf(k store.KindInfo, name, what string) string {
	if k.Single {
		return k.Title + " are " + what + ", but not applied yet."
	}
	if k.Drafted {
		return fmt.Sprintf("%s %s is %s, but not applied yet.", k.Title, name, what)
	}
	return fmt.Sprintf("%s %s is %s.", k.Title, name, what)
}

// objectConflict shows the form again, as it was typed, with what somebody else
// changed meanwhile.
func (s *server) objectConflict(w http.ResponseWriter, r *http.Request, f objectForm) {
	present, err := s.Store.Object(r.Context(), f.Kind.Name, f.OldName)
	switch {
	case errors.Is(err, store.ErrNotFound):
		f.Meanwhile = []string{f.Kind.Title + " " + f.OldName + " was deleted. Save to add it again."}
		f.OldName, f.Tag = "", ""
	case err != nil:
		s.fail(w, r, err)
		return
	default:
		for _, field := range f.Kind.Fields {
			was, is := f.Base.Get(field.Name), present.Form[field.Name]
			if was != is && field.Type != "secret" {
				f.Meanwhile = append(f.Meanwhile, fmt.Sprintf("%s is now %s (was %s).", labelOf(field), orNothing(is), orNothing(was)))
			}
		}
		if f.Meanwhile == nil {
			f.Meanwhile = []string{"A secret or the entries were changed."}
		}
		f.Tag, f.Base = present.Tag, baseOf(present)
	}
	s.objectForm(w, r, http.StatusConflict, f, nil)
}

func orNothing(s string) string {
	if s == "" {
		return "not set"
	}
	return strings.ReplaceAll(s, "\n", ", ")
}

// deletion is what the page asks before it deletes.
type deletion struct {
	Kind store.KindInfo
	Name string
	// Users still name the object; while there are any, it stays.
	Users string
}

func (s *server) deleteObjectPage(w http.ResponseWriter, r *http.Request) {
	k, ok := s.kindOf(w, r)
	if !ok {
		return
	}
	o, err := s.Store.Object(r.Context(), k.Name, r.URL.Query().Get("name"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "object_delete", view{Title: "Delete " + o.Name + "?", Page: deletion{Kind: k, Name: o.Name}})
}

func (s *server) deleteObject(w http.ResponseWriter, r *http.Request) {
	k, ok := s.kindOf(w, r)
	if !ok {
		return
	}
	name := r.URL.Query().Get("name")
	err := s.Store.DeleteObject(r.Context(), k.Name, name)
	var used store.InUseError
	var found store.ValidationError
	switch {
	case errors.Is(err, store.ErrSingle) || errors.As(err, &used) || errors.As(err, &found):
		s.render(w, r, http.StatusConflict, "object_delete",
			view{Title: name + " cannot be deleted", Page: deletion{Kind: k, Name: name, Users: capital(err.Error())}})
	case err != nil:
		s.fail(w, r, err)
	default:
		s.flash(r, saidOf(k, name, "deleted"))
		http.Redirect(w, r, "/objects/"+k.Plural, http.StatusSeeOther)
	}
}
