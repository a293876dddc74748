package web

import (
	"context"
	"net/http"
)

// changesPage reviews the draft.
type changesPage struct {
	Changes []string
	// First says that nothing is in force yet, so nothing can be discarded.
	First bool
	// Failed is why the last apply did not go through.
	Failed string
}

func (s *server) changesPage(r *http.Request) (changesPage, error) {
	changes, err := s.Store.Changes(r.Context())
	return changesPage{Changes: changes, First: s.Gateway.Status().Revision == 0}, err
}

func (s *server) changes(w http.ResponseWriter, r *http.Request) {
	p, err := s.changesPage(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "changes", view{Title: "Changes", Page: p})
}

func (s *server) apply(w http.ResponseWriter, r *http.Request) {
	// Who asked may close the page; the apply goes on to its end.
	if err := s.Gateway.Apply(context.WithoutCancel(r.Context()), adminOf(r).Name); err != nil {
		p, listErr := s.changesPage(r)
		if listErr != nil {
			s.fail(w, r, listErr)
			return
		}
		p.Failed = err.Error()
		s.render(w, r, http.StatusConflict, "changes", view{Title: "Changes", Page: p})
		return
	}
	s.flash(r, "The changes are in force.")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *server) discard(w http.ResponseWriter, r *http.Request) {
	if err := s.Store.Discard(r.Context()); err != nil {
		s.fail(w, r, err)
		return
	}
	s.flash(r, "The changes were discarded.")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
