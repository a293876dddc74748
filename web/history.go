package web

import (
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"gatehouse/store"
)

// historyPage lists revisions, the newest first.
type historyPage struct {
	Revisions []store.Revision
	Older     int64 // to page on; 0 at the end
}

// revisionsShown on one page.
const revisionsShown = 50

func (s *server) history(w http.ResponseWriter, r *http.Request) {
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	all, err := s.Store.Revisions(r.Context(), max(before, 0), revisionsShown+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p := historyPage{Revisions: all}
	if len(all) > revisionsShown {
		p.Revisions = all[:revisionsShown]
		p.Older = p.Revisions[revisionsShown-1].ID
	}
	s.render(w, r, http.StatusOK, "history", view{Title: "History", Page: p})
}

// revisionPage is one revision beside another.
type revisionPage struct {
	store.Revision
	With    int64 // compared with; 0 for nothing
	Changes []string
	Others  []store.Revision
}

// revision shows what a revision changed, or how it differs from the one that
// ?with= names.
func (s *server) revision(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	rev, ok := s.findRevision(w, r, chi.URLParam(r, "id"))
	if !ok {
		return
	}
	p := revisionPage{Revision: rev}
	var err error
	if p.Others, err = s.Store.Revisions(ctx, 0, revisionsShown); err != nil {
		s.fail(w, r, err)
		return
	}
	old := store.Empty()
	if with := r.URL.Query().Get("with"); with != "" {
		other, ok := s.findRevision(w, r, with)
		if !ok {
			return
		}
		p.With, old = other.ID, other.Document
	} else if p.With, err = s.Store.Predecessor(ctx, rev.ID); err != nil {
		s.fail(w, r, err)
		return
	} else if p.With != 0 {
		other, err := s.Store.Revision(ctx, p.With)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		old = other.Document
	}
	p.Changes = store.Differences(old, rev.Document)
	s.render(w, r, http.StatusOK, "revision", view{Title: "Revision " + strconv.FormatInt(rev.ID, 10), Page: p})
}

// findRevision reads a revision by the number in an address.
func (s *server) findRevision(w http.ResponseWriter, r *http.Request, text string) (store.Revision, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		s.notFound(w, r)
		return store.Revision{}, false
	}
	rev, err := s.Store.Revision(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return rev, false
	}
	return rev, true
}

// restore makes the draft what a revision was, to be reviewed and applied.
func (s *server) restore(w http.ResponseWriter, r *http.Request) {
	rev, ok := s.findRevision(w, r, chi.URLParam(r, "id"))
	if !ok {
		return
	}
	if err := s.Store.Restore(r.Context(), rev.ID); err != nil {
		s.fail(w, r, err)
		return
	}
	s.flash(r, "Revision "+strconv.FormatInt(rev.ID, 10)+" is restored as a draft. Review and apply it.")
	http.Redirect(w, r, "/changes", http.StatusSeeOther)
}
