package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"gatehouse/store"
)

// entriesPage is a part of a list's entries.
type entriesPage struct {
	List       string
	Entries    []store.AddressRange
	Query      string
	First      int
	Last       int
	Total      int
	Back, More string
	Typed      string // what could not be added, to be corrected
	Elsewhere  bool   // there is more than these
}

func (s *server) entries(w http.ResponseWriter, r *http.Request) {
	s.entriesPage(w, r, http.StatusOK, "", nil)
}

func (s *server) entriesPage(w http.ResponseWriter, r *http.Request, code int, typed string, errs formErrors) {
	offset, query := part(r)
	p := entriesPage{List: r.URL.Query().Get("name"), Query: query, Typed: typed}
	var err error
	p.Entries, p.Total, err = s.Store.Entries(r.Context(), p.List, query, offset, rowsOnPage)
	var found store.ValidationError
	if errors.As(err, &found) {
		found[0].Field, code = "q", http.StatusUnprocessableEntity
		errs, err = append(errs, found...), nil
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	sources, _ := s.Gateway.ListSources(p.List)
	p.Elsewhere = len(sources) > 0
	p.First, p.Last = offset+1, offset+len(p.Entries)
	p.Back, p.More = around(r, offset, len(p.Entries), p.Total)
	s.render(w, r, code, "entries", view{Title: "List " + p.List, Page: p, Errors: errs})
}

// changeEntries adds what was typed or removes what was ticked.
func (s *server) changeEntries(w http.ResponseWriter, r *http.Request) {
	list := r.URL.Query().Get("name")
	add, err := store.ParseEntries(r.PostFormValue("add"))
	var found store.ValidationError
	if errors.As(err, &found) {
		var errs formErrors
		for _, f := range found {
			errs = append(errs, store.FieldError{Field: "add", Code: f.Code, Message: capital(f.Field) + ": " + f.Message})
		}
		s.entriesPage(w, r, http.StatusUnprocessableEntity, r.PostFormValue("add"), errs)
		return
	}
	var remove []store.AddressRange
	for _, text := range r.PostForm["remove"] {
		e, parseErr := store.ParseAddressRange(text)
		err = errors.Join(err, parseErr)
		remove = append(remove, e)
	}
	if err == nil {
		err = s.Store.ChangeEntries(r.Context(), list, add, remove)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.flash(r, fmt.Sprintf("List %s is changed, but not applied yet.", list))
	http.Redirect(w, r, "/objects/lists/entries?"+url.Values{"name": {list}}.Encode(), http.StatusSeeOther)
}
