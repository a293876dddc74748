package web

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"gatehouse/store"
)

// byOperators are the requests that change something and that an operator may
// send: routes as in routes(). Everything else that changes something takes an
// admin, also a route that somebody forgets to name here.
var byOperators = map[string]bool{
	"POST /branches/{name}/reconnect":          true,
	"POST /firewall/connections/end":           true,
	"POST /api/v1/firewall/connections/end":    true,
	"POST /objects/lists/fetch":                true,
	"POST /api/v1/firewall/lists/{name}/fetch": true,
	"POST /firewall/bans":                      true,
	"POST /firewall/bans/lift":                 true,
	"POST /api/v1/firewall/bans":               true,
	"DELETE /api/v1/firewall/bans":             true,
}

// enrolled are the kinds that operators look after.
var enrolled = map[string]bool{"devices": true}

// needs is the least role for a request.
func needs(r *http.Request) store.Role {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return store.RoleViewer
	}
	route := chi.RouteContext(r.Context())
	if byOperators[r.Method+" "+route.RoutePattern()] || enrolled[route.URLParam("kind")] {
		return store.RoleOperator
	}
	return store.RoleAdmin
}

// permitted refuses what an account's role does not include.
func (s *server) permitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if need := needs(r); !adminOf(r).Role.May(need) {
			s.Log.Warn("not permitted", "account", adminOf(r).Name, "path", r.URL.Path)
			text := "Your account is " + string(adminOf(r).Role) + ", and this takes " + string(need) + ". Ask an owner of this gateway."
			if strings.HasPrefix(r.URL.Path, "/api/") {
				s.answer(w, http.StatusForbidden, "application/problem+json", problem{Title: "Not permitted", Status: http.StatusForbidden, Detail: text})
				return
			}
			s.message(w, r, http.StatusForbidden, "You may not do this", text)
			return
		}
		next.ServeHTTP(w, r)
	})
}
