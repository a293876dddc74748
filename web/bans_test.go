package web

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/store"
)

// banTable is the part of a gateway that bans, in memory.
type banTable struct {
	banned []Ban
	failed []netip.Addr
}

func (g *banTable) Bans(context.Context) ([]Ban, error) { return g.banned, nil }

func (g *banTable) Ban(_ context.Context, source netip.Prefix, d time.Duration, reason string) error {
	if source.Addr().IsLoopback() {
		return store.ValidationError{{Field: "source", Code: "overlap", Message: "overlaps another"}}
	}
	now := time.Now()
	g.banned = append(g.banned, Ban{Source: source, Reason: reason, Since: now, Until: now.Add(d)})
	return nil
}

func (g *banTable) LiftBan(_ context.Context, source netip.Prefix) error {
	for i, b := range g.banned {
		if b.Source == source {
			g.banned = append(g.banned[:i:i], g.banned[i+1:]...)
			return nil
		}
	}
	return errors.Join(errors.New("not banned"), store.ErrNotFound)
}

func (g *banTable) LoginFailed(from netip.Addr) { g.failed = append(g.failed, from) }

func TestBansAreShownMadeAndLifted(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	now := s.clock()
	s.gateway.banned = []Ban{{Source: prefix("192.0.2.7/32"), Reason: "failed logins at the page", Since: now, Until: now.Add(time.Hour), Packets: 77}}
	b.get("/firewall/bans").want(t, http.StatusOK, "192.0.2.7/32", "failed logins at the page", "77", "Lift the ban of 192.0.2.7/32")
	b.post("/firewall/bans", "source", "198.51.100.0/24", "minutes", "30", "reason", "a scanner").want(t, http.StatusSeeOther)
	if b := s.gateway.banned; len(b) != 2 || b[1].Source.String() != "198.51.100.0/24" || b[1].Until.Sub(b[1].Since) != 30*time.Minute || b[1].Reason != "a scanner" {
		t.Errorf("bans: %+v", b)
	}
	for _, wrong := range [][2]string{{"somebody", "30"}, {"192.0.2.1", "soon"}, {"192.0.2.1", "0"}, {"0.0.0.0/0", "30"}, {"127.0.0.1", "30"}} {
		b.post("/firewall/bans", "source", wrong[0], "minutes", wrong[1]).want(t, http.StatusUnprocessableEntity, "There is a problem", wrong[0])
	}
	viewer, operator := s.account(t, "vera", store.RoleViewer), s.account(t, "oscar", store.RoleOperator)
	viewer.post("/firewall/bans/lift", "source", "192.0.2.7/32").want(t, http.StatusForbidden)
	if page := viewer.get("/firewall/bans"); strings.Contains(page.body, "Lift") {
		t.Error("a viewer sees a button")
	}
	operator.post("/firewall/bans/lift", "source", "192.0.2.7/32").want(t, http.StatusSeeOther)
	operator.post("/firewall/bans/lift", "source", "192.0.2.7/32").want(t, http.StatusSeeOther) // over already
	operator.get("/firewall/bans").want(t, http.StatusOK, "There was no such ban any more.")
	if b := s.gateway.banned; len(b) != 1 {
		t.Errorf("bans: %+v", b)
	}
}

func TestBansByTheAPI(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	call := func(method, path, body string) answer {
		req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return b.do(req)
	}
	call("GET", "/api/v1/firewall/bans", "").want(t, http.StatusOK, `{"items":[]}`)
	call("POST", "/api/v1/firewall/bans", `{"source":"2001:db8::7","minutes":5,"reason":"test"}`).want(t, http.StatusNoContent)
	call("GET", "/api/v1/firewall/bans", "").want(t, http.StatusOK, `"source":"2001:db8::7/128"`, `"reason":"test"`)
	call("POST", "/api/v1/firewall/bans", `{"source":"x","minutes":5}`).want(t, http.StatusUnprocessableEntity, `"field":"source"`)
	call("POST", "/api/v1/firewall/bans", `nonsense`).want(t, http.StatusBadRequest)
	call("DELETE", "/api/v1/firewall/bans?source=2001:db8::7", "").want(t, http.StatusNoContent)
	call("DELETE", "/api/v1/firewall/bans?source=2001:db8::7", "").want(t, http.StatusNotFound)
	call("DELETE", "/api/v1/firewall/bans?source=x", "").want(t, http.StatusUnprocessableEntity)
}

func TestFailedLoginsAreCountedBySource(t *testing.T) {
	s := newSite(t)
	for range freeTries + 2 { // the last ones are not even looked at
		s.browser(t).post("/login", "name", "admin", "password", "wrong")
	}
	if got := s.gateway.failed; len(got) != freeTries+2 || !got[0].IsLoopback() {
		t.Errorf("counted: %v", got)
	}
	s = newSite(t)
	s.loggedIn(t)
	if got := s.gateway.failed; len(got) != 0 {
		t.Errorf("counted: %v", got)
	}
}
