package web

import (
	"net/http"
	"strconv"
	"strings"

	"gatehouse/store"
)

// auditPage lists who did what, the newest first.
type auditPage struct {
	Entries []auditLine
	Older   int64 // to page on; 0 at the end
}

type auditLine struct {
	store.AuditEntry
	Sentences []string
}

// entriesShown on one page.
const entriesShown = 100

func (s *server) audit(w http.ResponseWriter, r *http.Request) {
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	all, err := s.Store.Audit(r.Context(), max(before, 0), entriesShown+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var p auditPage
	for i, e := range all {
		if i == entriesShown {
			p.Older = p.Entries[i-1].ID
			break
		}
		p.Entries = append(p.Entries, auditLine{e, strings.Split(e.Detail, "\n")})
	}
	s.render(w, r, http.StatusOK, "audit", view{Title: "Audit log", Page: p})
}
