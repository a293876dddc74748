package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5"

	"gatehouse/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Store is what the pages need of the database; *store.DB does it.
type Store interface {
	adminStore
	draftStore
	objectStore
	keyStore
	Events(ctx context.Context, limit int) ([]store.Event, error)
	AppendEvents(ctx context.Context, all ...store.Event) error
	Record(ctx context.Context, action, detail string) error
	Audit(ctx context.Context, before int64, limit int) ([]store.AuditEntry, error)
}

type adminStore interface {
	Admin(ctx context.Context, name string) (store.Admin, error)
	PutAdmin(ctx context.Context, a store.Admin) error
	Bearer(ctx context.Context, text string, now time.Time) (store.Admin, error)
}

type draftStore interface {
	Draft(ctx context.Context) (store.Document, error)
	Branch(ctx context.Context, name string) (store.Branch, error)
	Tag(b store.Branch) (string, error)
	PutBranch(ctx context.Context, oldName, tag string, b store.Branch) error
	DeleteBranch(ctx context.Context, name string) error
	Changes(ctx context.Context) ([]string, error)
	Discard(ctx context.Context) error
	Revisions(ctx context.Context, before int64, limit int) ([]store.Revision, error)
	Revision(ctx context.Context, id int64) (store.Revision, error)
	Predecessor(ctx context.Context, id int64) (int64, error)
	Restore(ctx context.Context, id int64) error
}

// Options are what the page is made of; all are required.
type Options struct {
	Store   Store
	Gateway Gateway
	Log     *slog.Logger
	Now     func() time.Time
}

// server answers requests.
type server struct {
	Options
	pages    map[string]*template.Template
	assets   *assets
	sessions *scs.SessionManager
	guard    *guard
	streams  chan struct{} // a place for each
}

// sessionIdle and sessionLife end a session that is not used or is old.
const (
	sessionIdle = 30 * time.Minute
	sessionLife = 12 * time.Hour
)

// New makes the page. It must be served over TLS: its cookie is not sent
// otherwise.
func New(o Options) (http.Handler, error) {
	s := &server{Options: o, guard: newGuard(o.Now), streams: make(chan struct{}, maxStreams)}
	var err error
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if s.pages, err = loadPages(s.assets); err != nil {
		return nil, err
	}
	s.sessions = scs.New()
	s.sessions.IdleTimeout, s.sessions.Lifetime = sessionIdle, sessionLife
	s.sessions.HashTokenInStore = true
	s.sessions.Cookie = scs.SessionCookie{
		Name: "__Host-gatehouse", Path: "/", HttpOnly: true, Secure: true,
		SameSite: http.SameSiteStrictMode, Persist: false,
	}
	s.sessions.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) { s.fail(w, r, err) }
	return s.routes(), nil
}

func (s *server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(securityHeaders, http.NewCrossOriginProtection().Handler, limitBody)
	r.Get("/static/{file}", s.assets.serve)
	r.Group(func(r chi.Router) {
		r.Use(s.sessions.LoadAndSave)
		r.Get("/login", s.loginPage)
		r.Post("/login", s.login)
		r.Group(func(r chi.Router) {
			r.Use(s.authenticated)
			r.Post("/logout", s.logout)
			r.Get("/password", s.passwordPage)
			r.Post("/password", s.setPassword)
			r.Group(func(r chi.Router) {
				r.Use(s.passwordChosen, s.permitted)
				r.Get("/", s.overview)
				r.Get("/api/v1/status", s.status)
				r.Get("/branches", s.branches)
				r.Get("/branches/new", s.newBranch)
				r.Post("/branches/new", s.addBranch)
				r.Get("/branches/{name}", s.branch)
				r.Get("/branches/{name}/edit", s.editBranch)
				r.Post("/branches/{name}/edit", s.changeBranch)
				r.Get("/branches/{name}/delete", s.deletePage)
				r.Post("/branches/{name}/delete", s.deleteBranch)
				r.Post("/branches/{name}/reconnect", s.reconnect)
				r.Get("/objects", s.kinds)
				r.Get("/objects/{kind}", s.objects)
				r.Get("/objects/{kind}/new", s.newObject)
				r.Post("/objects/{kind}/new", s.saveObject)
				r.Get("/objects/{kind}/edit", s.editObject)
				r.Post("/objects/{kind}/edit", s.saveObject)
				r.Get("/objects/{kind}/delete", s.deleteObjectPage)
				r.Post("/objects/{kind}/delete", s.deleteObject)
				r.Post("/objects/{kind}/move", s.moveObject)
				r.Get("/objects/lists/entries", s.entries)
				r.Post("/objects/lists/entries", s.changeEntries)
				r.Get("/api/v1/objects/{kind}", s.apiObjects)
				r.Post("/api/v1/objects/{kind}", s.apiPut)
				r.Get("/api/v1/objects/{kind}/item", s.apiObject)
				r.Put("/api/v1/objects/{kind}/item", s.apiPut)
				r.Delete("/api/v1/objects/{kind}/item", s.apiDelete)
				r.Put("/api/v1/objects/{kind}/position", s.apiMove)
				r.Get("/objects/lists/elsewhere", s.elsewhere)
				r.Post("/objects/lists/fetch", s.fetchList)
				r.Get("/api/v1/firewall/lists/{name}", s.apiList)
				r.Get("/api/v1/firewall/lists/{name}/entries", s.apiListEntries)
				r.Post("/api/v1/firewall/lists/{name}/fetch", s.apiFetchList)
				r.Get("/firewall/countries", s.countries)
				r.Post("/firewall/countries", s.giveCountries)
				r.Get("/api/v1/firewall/country-file", s.apiCountries)
				r.Put("/api/v1/firewall/country-file", s.apiGiveCountries)
				r.Get("/firewall/log", s.packets)
				r.Get("/firewall/connections", s.connections)
				r.Get("/firewall/connections/end", s.endConnectionsPage)
				r.Post("/firewall/connections/end", s.endConnections)
				r.Get("/api/v1/firewall/connections", s.apiConnections)
				r.Post("/api/v1/firewall/connections/end", s.apiEndConnections)
				r.Get("/api/v1/firewall/talkers", s.apiTalkers)
				r.Get("/api/v1/firewall/log", s.apiPackets)
				r.Get("/api/v1/firewall/log/stream", s.streamPackets)
				r.Get("/firewall/trace", s.trace)
				r.Get("/api/v1/firewall/trace", s.apiTrace)
				r.Get("/api/v1/firewall/export", s.apiFirewall)
				r.Get("/firewall/bans", s.bans)
				r.Post("/firewall/bans", s.ban)
				r.Post("/firewall/bans/lift", s.liftBan)
				r.Get("/api/v1/firewall/bans", s.apiBans)
				r.Post("/api/v1/firewall/bans", s.apiBan)
				r.Delete("/api/v1/firewall/bans", s.apiLiftBan)
				r.Get("/ipsec/sas", s.associations)
				r.Get("/ipsec/policies", s.policies)
				r.Get("/api/v1/ipsec/sas", s.apiAssociations)
				r.Get("/api/v1/ipsec/policies", s.apiPolicies)
				r.Get("/api/v1/ipsec/refused", s.apiRefused)
				r.Get("/ipsec/keys", s.newKeys)
				r.Post("/ipsec/keys", s.makeKeys)
				r.Get("/ipsec/keys/export", s.exportKeysPage)
				r.Post("/ipsec/keys/export", s.exportKeys)
				r.Post("/api/v1/ipsec/keys", s.apiMakeKeys)
				r.Post("/api/v1/ipsec/keys/export", s.apiExportKeys)
				r.Get("/changes", s.changes)
				r.Post("/changes/apply", s.apply)
				r.Post("/changes/heartbeat", s.heartbeat)
				r.Post("/changes/confirm", s.confirm)
				r.Post("/changes/take-back", s.takeBack)
				r.Post("/changes/discard", s.discard)
				r.Get("/audit", s.audit)
				r.Get("/history", s.history)
				r.Get("/history/{id}", s.revision)
				r.Post("/history/{id}/restore", s.restore)
			})
		})
		r.NotFound(s.authenticated(http.HandlerFunc(s.notFound)).ServeHTTP)
	})
	return r
}

// maxBody bounds every request in bytes; maxList the ones that may carry a
// list of addresses. Those are read only behind a login.
const (
	maxBody = 64 << 10
	maxList = 8 << 20
)

func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := int64(maxBody)
		if strings.HasPrefix(r.URL.Path, "/objects/lists/") || strings.HasPrefix(r.URL.Path, "/api/v1/objects/lists") {
			limit = maxList
		}
		if r.URL.Path == "/firewall/countries" || r.URL.Path == "/api/v1/firewall/country-file" {
			limit = maxCountryFile
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}

// securityHeaders allow this site's own files and nothing else.
func securityHeaders(next http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// fail answers an error that is not the admin's, and logs it.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, store.ErrNotFound) {
		s.notFound(w, r)
		return
	}
	if errors.Is(err, context.Canceled) {
		return
	}
	s.Log.Error("page failed", "path", r.URL.Path, "err", err)
	var disk store.DiskError
	if errors.As(err, &disk) {
		s.message(w, r, http.StatusInsufficientStorage, disk.Message+".", "The gateway goes on working as it was. See to its disk, then try again.")
		return
	}
	s.message(w, r, http.StatusInternalServerError, "Something went wrong",
		fmt.Sprintf("The gateway goes on working. The error is in its log, at %s.", s.Now().Format(time.TimeOnly)))
}

func (s *server) notFound(w http.ResponseWriter, r *http.Request) {
	s.message(w, r, http.StatusNotFound, "There is no such page", "It may have been renamed or deleted.")
}
