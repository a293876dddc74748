package web

import (
	"net/http"
	"strings"
	"testing"
)

func TestTheAuditLogNamesTheAdminAndTheirAddress(t *testing.T) {
	s := newSite(t)
	s.browser(t).post("/login", "name", "a password typed into the wrong field", "password", "x").want(t, http.StatusUnauthorized)
	b := s.loggedIn(t)
	b.post("/branches/new", york()...).want(t, http.StatusSeeOther)
	a := b.get("/audit")
	a.want(t, http.StatusOK, "Branch york was added", "login-failed", "somebody", "127.0.0.1", "admin")
	for _, secret := range []string{"another-key-of-york", "typed into the wrong field", testPassword} {
		if strings.Contains(a.body, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	entries, err := s.db.Audit(t.Context(), 0, 1)
	if err != nil || entries[0].Who != "admin" || entries[0].From != "127.0.0.1" || entries[0].Action != "edit" {
		t.Errorf("%+v %v", entries, err)
	}
	if n, err := s.db.VerifyAudit(t.Context()); err != nil || n < 4 {
		t.Errorf("%d %v", n, err)
	}
}

func TestTheAuditLogIsPaged(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	for range entriesShown {
		if err := s.db.Record(t.Context(), "edit", "<i>a line</i>"); err != nil {
			t.Fatal(err)
		}
	}
	a := b.get("/audit")
	a.want(t, http.StatusOK, "Older", "&lt;i&gt;a line")
	_, rest, _ := strings.Cut(a.body, `href="/audit?before=`)
	number, _, _ := strings.Cut(rest, `"`)
	if a := b.get("/audit?before=" + number); strings.Contains(a.body, "Older") || !strings.Contains(a.body, "import") {
		t.Error(a.body)
	}
}
