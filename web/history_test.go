package web

import (
	"net/http"
	"strings"
	"testing"
)

func TestHistoryComparesAndRestores(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.get("/history").want(t, http.StatusOK, "Nothing has been applied yet")
	keep := func(message string) int64 {
		t.Helper()
		rev, err := s.db.Commit(t.Context(), "admin", message)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.db.Confirm(t.Context(), rev.ID); err != nil {
			t.Fatal(err)
		}
		return rev.ID
	}
	if id := keep("the first <b>one</b>"); id != 1 {
		t.Fatalf("revision %d", id)
	}
	b.post("/branches/new", york()...).want(t, http.StatusSeeOther)
	keep("york joins")
	if err := s.db.DeleteBranch(t.Context(), "leeds"); err != nil {
		t.Fatal(err)
	}
	keep("leeds closes")
	b.get("/history").want(t, http.StatusOK, "york joins", "leeds closes", "&lt;b&gt;one", "In force", "Replaced")
	b.get("/history/2").want(t, http.StatusOK, "Compared with revision 1", "Branch york was added")
	b.get("/history/3?with=1").want(t, http.StatusOK, "Branch york was added", "Branch leeds was removed")
	b.get("/history/1?with=3").want(t, http.StatusOK, "Branch york was removed", "Branch leeds was added")
	b.get("/history/1").want(t, http.StatusOK, "Everything in it")
	for _, path := range []string{"/history/99", "/history/x", "/history/1?with=99", "/history/-1"} {
		b.get(path).want(t, http.StatusNotFound)
	}
	b.post("/history/1/restore").want(t, http.StatusSeeOther)
	b.get("/changes").want(t, http.StatusOK, "restored as a draft", "Branch leeds was added", "Branch york was removed")
	for _, path := range []string{"/history", "/history/1", "/history/3?with=1", "/changes"} {
		if a := b.get(path); strings.Contains(a.body, officeKey) || strings.Contains(a.body, "another-key-of-york") {
			t.Errorf("%s shows a key", path)
		}
	}
}

func TestHistoryIsPaged(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	for range revisionsShown + 5 {
		if _, err := s.db.Commit(t.Context(), "admin", ""); err != nil {
			t.Fatal(err)
		}
	}
	b.get("/history").want(t, http.StatusOK, `href="/history?before=6"`)
	if a := b.get("/history?before=6"); strings.Contains(a.body, "Older") || !strings.Contains(a.body, `href="/history/5"`) || strings.Contains(a.body, `href="/history/6"`) {
		t.Error(a.body)
	}
	b.get("/history?before=nonsense").want(t, http.StatusOK)
}
