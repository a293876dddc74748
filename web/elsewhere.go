package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"gatehouse/store"
)

// elsewherePage is what of a list comes from elsewhere, and how that goes.
type elsewherePage struct {
	List    string
	Sources []sourceLine
	Entries []store.AddressRange
	Query   string
	First   int
	Last    int
	Total   int
	Back    string
	More    string
}

// sourceLine is a source in words.
type sourceLine struct {
	ListSource
	State freshness
}

// freshness is how a source or a whole list is, at one look.
type freshness struct{ Class, Shape, Word string }

func freshnessOf(s ListSource) freshness {
	switch {
	case s.Fetching && s.Fetched.IsZero():
		return freshness{"muted", "○", "Being fetched"}
	case s.Problem != "" && s.Entries == 0:
		return freshness{"bad", "■", "Nothing yet"}
	case s.Problem != "":
		return freshness{"warn", "▲", "Old"}
	case s.Fetched.IsZero():
		return freshness{"muted", "○", "Not fetched yet"}
	}
	return freshness{"ok", "●", "Fresh"}
}

// worst is the freshness of a list: that of its worst source.
func worst(all []ListSource) freshness {
	rank := map[string]int{"ok": 0, "muted": 1, "warn": 2, "bad": 3}
	out := freshness{"ok", "●", "Fresh"}
	for _, s := range all {
		if f := freshnessOf(s); rank[f.Class] > rank[out.Class] {
			out = f
		}
	}
	return out
}

// whence is a list's line in the list of lists.
type whence struct {
	State   freshness
	Entries int
	Fetched time.Time // of the source that was fetched longest ago
}

// whences are those lists of a page that come from elsewhere and are in force.
func (s *server) whences(k store.KindInfo, rows []store.Row) map[string]whence {
	if k.Name != "list" {
		return nil
	}
	out := map[string]whence{}
	for _, row := range rows {
		sources, ok := s.Gateway.ListSources(row.Name)
		if !ok || len(sources) == 0 {
			continue
		}
		w := whence{State: worst(sources)}
		for i, src := range sources {
			w.Entries += src.Entries
			if i == 0 || src.Fetched.Before(w.Fetched) {
				w.Fetched = src.Fetched
			}
		}
		if w.State.Class == "bad" && w.Entries > 0 {
			w.State = freshness{"warn", "▲", "In part"}
		}
		out[row.Name] = w
	}
	return out
}

func (s *server) elsewhere(w http.ResponseWriter, r *http.Request) {
	offset, query := part(r)
	p := elsewherePage{List: r.URL.Query().Get("name"), Query: query}
	sources, ok := s.Gateway.ListSources(p.List)
	if !ok {
		s.message(w, r, http.StatusNotFound, "List "+p.List+" is not in force", "What comes from elsewhere is fetched once the list is applied.")
		return
	}
	for _, src := range sources {
		p.Sources = append(p.Sources, sourceLine{src, freshnessOf(src)})
	}
	meets, err := holding(query)
	code := http.StatusOK
	var found store.ValidationError
	if errors.As(err, &found) {
		code = http.StatusUnprocessableEntity
	} else {
		p.Entries, p.Total = s.Gateway.FetchedEntries(p.List, meets, offset, rowsOnPage)
	}
	p.First, p.Last = offset+1, offset+len(p.Entries)
	p.Back, p.More = around(r, offset, len(p.Entries), p.Total)
	s.render(w, r, code, "elsewhere", view{Title: "List " + p.List + ": what comes from elsewhere", Page: p, Errors: formErrors(found)})
}

// holding reads what entries are looked for; the zero range for all.
func holding(query string) (store.AddressRange, error) {
	if query = strings.TrimSpace(query); query == "" {
		return store.AddressRange{}, nil
	}
	meets, err := store.ParseAddressRange(query)
	if err != nil {
		return meets, store.ValidationError{{Field: "q", Code: "format", Message: err.Error()}}
	}
	return meets, nil
}

func (s *server) fetchList(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if !s.Gateway.FetchList(name) {
		s.notFound(w, r)
		return
	}
	s.flash(r, fmt.Sprintf("List %s is being fetched.", name))
	http.Redirect(w, r, "/objects/lists/elsewhere?"+url.Values{"name": {name}}.Encode(), http.StatusSeeOther)
}

// apiList is a list in force that comes from elsewhere.
type apiList struct {
	Name    string       `json:"name"`
	Sources []ListSource `json:"sources"`
}

func (s *server) apiList(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "name")
	sources, ok := s.Gateway.ListSources(name)
	if !ok {
		s.refuse(w, r, fmt.Errorf("list %s: %w", name, store.ErrNotFound))
		return
	}
	if sources == nil {
		sources = []ListSource{}
	}
	s.answer(w, http.StatusOK, "application/json", apiList{name, sources})
}

// apiEntries is a part of what a list holds beside its entries.
type apiEntries struct {
	Items []store.AddressRange `json:"items"`
	Total int                  `json:"total"`
	Next  int                  `json:"next,omitempty"`
}

func (s *server) apiListEntries(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "name")
	offset, query := part(r)
	meets, err := holding(query)
	if _, ok := s.Gateway.ListSources(name); err == nil && !ok {
		err = fmt.Errorf("list %s: %w", name, store.ErrNotFound)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 || limit > 1000 {
		limit = 100
	}
	out := apiEntries{}
	out.Items, out.Total = s.Gateway.FetchedEntries(name, meets, offset, limit)
	if out.Items == nil {
		out.Items = []store.AddressRange{}
	}
	if offset+len(out.Items) < out.Total {
		out.Next = offset + len(out.Items)
	}
	s.answer(w, http.StatusOK, "application/json", out)
}

func (s *server) apiFetchList(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "name")
	if !s.Gateway.FetchList(name) {
		s.refuse(w, r, fmt.Errorf("list %s: %w", name, store.ErrNotFound))
		return
	}
	w.WriteHeader(http.StatusAccepted)
}
