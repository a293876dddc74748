package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/store"
)

// account adds one with the test's password and logs it in.
func (s *site) account(t *testing.T, name string, role store.Role) *browser {
	t.Helper()
	hash, err := testHash()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.PutAdmin(t.Context(), store.Admin{Name: name, Role: role, Hash: hash, Changed: s.clock().Truncate(time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	b := s.browser(t)
	b.post("/login", "name", name, "password", testPassword).want(t, http.StatusSeeOther)
	return b
}

// What each role may send that changes something; a route that is not here is
// for admins.
var lesser = map[string]store.Role{
	"POST /logout": store.RoleViewer, "POST /password": store.RoleViewer, "POST /login": "",
	"POST /branches/leeds/reconnect": store.RoleOperator,
	"POST /firewall/bans":            store.RoleOperator, "POST /firewall/bans/lift": store.RoleOperator,
	"POST /api/v1/firewall/bans": store.RoleOperator, "DELETE /api/v1/firewall/bans": store.RoleOperator,
	"POST /firewall/connections/end": store.RoleOperator, "POST /api/v1/firewall/connections/end": store.RoleOperator,
	"POST /objects/lists/fetch": store.RoleOperator, "POST /api/v1/firewall/lists/leeds/fetch": store.RoleOperator,
}

func TestEveryRouteWithEveryRole(t *testing.T) {
	for _, role := range store.Roles() {
		s := newSite(t)
		b := s.account(t, "someone", role)
		for _, r := range routes(t) {
			if r.path == "/logout" || r.path == "/login" || strings.HasPrefix(r.path, "/static") {
				continue
			}
			need := store.RoleViewer
			if r.method != http.MethodGet {
				need = store.RoleAdmin
				if least, ok := lesser[r.method+" "+r.path]; ok {
					need = least
				}
			}
			req, err := http.NewRequest(r.method, s.URL+strings.TrimSuffix(r.path, "*"), strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			a := b.do(req)
			if refused := a.code == http.StatusForbidden; refused == role.May(need) {
				t.Errorf("%s %s as %s: %d", r.method, r.path, role, a.code)
			}
		}
	}
}

// The heartbeat of a page that may not keep a change would be refused, and the
// page would load itself again for ever.
func TestOnlyAdminsHaveAHeartbeat(t *testing.T) {
	s := newSite(t)
	s.gateway.status.Trial = Trial{Revision: 7, Deadline: s.clock().Add(time.Minute)}
	for role, beats := range map[store.Role]bool{store.RoleOwner: true, store.RoleAdmin: true, store.RoleOperator: false, store.RoleViewer: false} {
		page := s.account(t, "a-"+string(role), role).get("/branches")
		page.want(t, http.StatusOK, "on trial until")
		if strings.Contains(page.body, "data-trial ") != beats || strings.Contains(page.body, "/changes/confirm") != beats {
			t.Errorf("%s: heartbeat %v", role, !beats)
		}
	}
}

func TestOperatorsEnrolDevicesOnly(t *testing.T) {
	s := newSite(t)
	s.loggedIn(t).post("/objects/users/new", "name", "alice", "enabled", "on").want(t, http.StatusSeeOther)
	b := s.account(t, "oscar", store.RoleOperator)
	b.post("/objects/devices/new", "name", "phone", "user", "alice", "enabled", "on").want(t, http.StatusSeeOther)
	b.post("/objects/users/new", "name", "eve", "enabled", "on").want(t, http.StatusForbidden, "this takes admin")
	b.post("/objects/rules/delete?name=no-mail-from-office").want(t, http.StatusForbidden)
}

func TestTokensOpenTheAPIAndNothingElse(t *testing.T) {
	s := newSite(t)
	now := s.clock()
	make := func(name string, role store.Role, days int) string {
		text, err := s.db.AddToken(t.Context(), store.Token{Name: name, Admin: "admin", Role: role, Created: now, Expires: now.AddDate(0, 0, days)})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	viewer, admin := make("viewer", store.RoleViewer, 1), make("admin", store.RoleAdmin, 30)
	call := func(method, path, token string) answer {
		req, err := http.NewRequest(method, s.URL+path, strings.NewReader(`{"name":"web","protocol":"tcp"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		return s.browser(t).do(req)
	}
	call("GET", "/api/v1/objects/branches", viewer).want(t, http.StatusOK, "leeds")
	call("GET", "/api/v1/status", viewer).want(t, http.StatusOK, "hq")
	call("POST", "/api/v1/objects/services", viewer).want(t, http.StatusForbidden, "this takes admin")
	call("POST", "/api/v1/objects/services", admin).want(t, http.StatusCreated)
	call("GET", "/branches", admin).want(t, http.StatusSeeOther) // to the login
	// An account that may less limits its tokens.
	if err := s.db.PutAdmin(t.Context(), store.Admin{Name: "boss", Role: store.RoleOwner, Hash: "x", Changed: now}); err != nil {
		t.Fatal(err)
	}
	if err := s.db.SetRole(t.Context(), "admin", store.RoleViewer); err != nil {
		t.Fatal(err)
	}
	call("DELETE", "/api/v1/objects/services/item?name=web", admin).want(t, http.StatusForbidden)
	s.wait(25 * time.Hour)
	call("GET", "/api/v1/objects/branches", viewer).want(t, http.StatusUnauthorized)
	call("GET", "/api/v1/objects/branches", admin).want(t, http.StatusOK)
	for i := range freeTries {
		if a := call("GET", "/api/v1/objects/branches", fmt.Sprint("gatehouse_guess", i)); a.code == http.StatusOK {
			t.Errorf("guess %d was right", i)
		}
	}
	call("GET", "/api/v1/objects/branches", "gatehouse_again").want(t, http.StatusTooManyRequests)
	if log := s.log.String(); strings.Contains(log, viewer) || strings.Contains(log, admin) || strings.Contains(log, "gatehouse_guess") {
		t.Error("a token is in the log")
	}
}
