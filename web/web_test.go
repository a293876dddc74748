package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"gatehouse/store"
)

const testPassword = "a long enough password"

// testHash is made once: argon2id is slow on purpose.
var testHash = sync.OnceValues(func() (string, error) { return HashPassword(testPassword) })

// running is a gateway as the pages see it.
type running struct {
	mu     sync.Mutex
	status Status
	fail   error
	// reviewFails is what Review answers.
	reviewFails error
	applied     []Order
	confirmed   []int64
	// counted is what the rules decided; nil for that of office.json.
	counted map[string]store.RuleCounter
	databases
	packetLog
	flowTable
	keptLists
	banTable
}

func (g *running) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status
}

func (g *running) Brief() Brief {
	st := g.Status()
	return Brief{Name: st.Name, Revision: st.Revision, Trial: st.Trial}
}

func (g *running) Review(_ context.Context, client, server netip.Addr) (Review, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Review{
		Firewall: []DiffLine{{"removed", "-old <rule>"}, {"added", "+new <rule>"}},
		Risks:    []string{client.String() + " reviews at " + server.String()},
		Notes:    []string{"Rule idle can never match: rule busy decides all of it before."},
	}, g.reviewFails
}

func (g *running) Begin(_ context.Context, o Order) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.applied = append(g.applied, o)
	return g.fail
}

func (g *running) Confirm(_ context.Context, revision int64, _ string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.confirmed = append(g.confirmed, revision)
	g.status.Trial = Trial{}
	return nil
}

func (g *running) TakeBack(context.Context, string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status.Trial = Trial{Outcome: "Revision 7 was taken back: admin took it back."}
	return nil
}

func (g *running) Trace(_ context.Context, q Question) (Answer, error) {
	if q.Destination == "" {
		return Answer{}, store.ValidationError{{Field: "destination", Code: "required", Message: "An IP address is needed."}}
	}
	a := Answer{Verdict: "reject", Rule: "no-mail-from-office", Kind: "rule", From: "lan", To: "wan", Draft: q.Draft}
	return a.InWords(), nil
}

func (g *running) FirewallText(_ context.Context, draft bool) (string, error) {
	return fmt.Sprintf("table inet gatehouse # draft: %v\n", draft), nil
}

func (g *running) Counted(context.Context) (map[string]store.RuleCounter, error) {
	if g.counted != nil {
		return g.counted, nil
	}
	return map[string]store.RuleCounter{"no-mail-from-office": {Rule: "no-mail-from-office", Packets: 3, Hit: time.Now().Add(-61 * time.Minute)}}, nil
}

func (g *running) Reconnect(_ context.Context, branch string) error {
	if branch == "leeds" {
		return nil
	}
	return errors.New("no branch " + branch)
}

// site is the pages over a real database, served over TLS.
type site struct {
	*httptest.Server
	db      *store.DB
	gateway *running
	log     *bytes.Buffer
	mu      sync.Mutex
	now     time.Time
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) wait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func newSite(t *testing.T) *site {
	t.Helper()
	db, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f, err := os.Open("../docs/office.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := store.ParseDocument(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Import(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	hash, err := testHash()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{db: db, now: time.Now(), log: &bytes.Buffer{}, gateway: &running{status: Status{
		Name: "hq", Dataplane: "userspace", Revision: 1,
		Tunnels: []Tunnel{{Branch: "leeds", State: TunnelUp, BytesIn: 1234567}},
	}}}
	if err := db.PutAdmin(t.Context(), store.Admin{Name: "admin", Role: store.RoleOwner, Hash: hash, Changed: s.now}); err != nil {
		t.Fatal(err)
	}
	handler, err := New(Options{Store: db, Gateway: s.gateway, Now: s.clock,
		Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewUnstartedServer(handler)
	s.Config.ConnContext = ConnContext
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// browser is a client with cookies that does not follow redirects.
func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := *s.Client()
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{t: t, site: s, client: &c}
}

func (s *site) loggedIn(t *testing.T) *browser {
	t.Helper()
	b := s.browser(t)
	if a := b.post("/login", "name", "admin", "password", testPassword); a.code != http.StatusSeeOther {
		t.Fatalf("login: %d %s", a.code, a.body)
	}
	return b
}

type browser struct {
	t      *testing.T
	site   *site
	client *http.Client
}

// answer is a response that was read.
type answer struct {
	code   int
	header http.Header
	body   string
}

func (b *browser) do(req *http.Request) answer {
	b.t.Helper()
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.site.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

func (b *browser) request(path string, fields ...string) *http.Request {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	req, err := http.NewRequest(http.MethodPost, b.site.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func (b *browser) post(path string, fields ...string) answer {
	b.t.Helper()
	return b.do(b.request(path, fields...))
}

func (a answer) want(t *testing.T, code int, words ...string) {
	t.Helper()
	if a.code != code {
		t.Errorf("answered %d, not %d: %s", a.code, code, a.body)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			t.Errorf("the page does not say %q:\n%s", w, a.body)
		}
	}
}

// routes lists every route of the pages.
func routes(t *testing.T) (out []struct{ method, path string }) {
	t.Helper()
	s := newSite(t)
	mux, ok := s.Config.Handler.(chi.Routes)
	if !ok {
		t.Fatal("the pages are no chi router")
	}
	err := chi.Walk(mux, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		out = append(out, struct{ method, path string }{method, strings.NewReplacer("{name}", "leeds", "{id}", "1", "{kind}", "rules").Replace(route)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// open are the routes that need no login.
var openRoutes = map[string]bool{"GET /login": true, "POST /login": true, "GET /static/{file}": true}

func TestNothingWithoutALogin(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	seen := 0
	for _, r := range routes(t) {
		if openRoutes[r.method+" "+r.path] {
			continue
		}
		seen++
		req, err := http.NewRequest(r.method, s.URL+r.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := b.do(req)
		toLogin := a.code == http.StatusSeeOther && a.header.Get("Location") == "/login"
		if !toLogin && a.code != http.StatusUnauthorized {
			t.Errorf("%s %s answers a stranger with %d", r.method, r.path, a.code)
		}
	}
	if seen < 15 {
		t.Errorf("only %d routes were tried", seen)
	}
	if len(s.gateway.applied) > 0 {
		t.Error("a stranger applied the draft")
	}
	if changes, err := s.db.Draft(t.Context()); err != nil || len(changes.Branches) != 1 {
		t.Errorf("a stranger changed the draft: %v", err)
	}
}

func TestAOneTimePasswordOpensOnlyThePasswordPage(t *testing.T) {
	s := newSite(t)
	hash, err := testHash()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.PutAdmin(t.Context(), store.Admin{Name: "admin", Role: store.RoleOwner, Hash: hash, OneTime: true, Changed: s.now}); err != nil {
		t.Fatal(err)
	}
	b := s.loggedIn(t)
	for _, r := range routes(t) {
		if openRoutes[r.method+" "+r.path] || r.path == "/password" || r.path == "/logout" {
			continue
		}
		req, err := http.NewRequest(r.method, s.URL+r.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := b.do(req); a.code != http.StatusSeeOther || a.header.Get("Location") != "/password" {
			t.Errorf("%s %s: %d", r.method, r.path, a.code)
		}
	}
	b.post("/password", "password", "short", "again", "short").want(t, http.StatusUnprocessableEntity, "at least 12 characters")
	b.post("/password", "password", "quite long enough", "again", "but different").want(t, http.StatusUnprocessableEntity, "not the same")
	s.wait(time.Second)
	b.post("/password", "password", "quite long enough", "again", "quite long enough").want(t, http.StatusSeeOther)
	b.get("/").want(t, http.StatusOK, "leeds")
	s.browser(t).post("/login", "name", "admin", "password", testPassword).want(t, http.StatusUnauthorized)
}

func TestEveryAnswerForbidsForeignCode(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	for _, path := range []string{"/", "/login", "/branches/leeds", "/nothing", "/static/nothing", "/api/v1/status"} {
		h := b.get(path).header
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: policy %q lacks %s", path, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be sniffed", path)
		}
	}
}

func TestRequestsFromOtherSitesChangeNothing(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	for name, mark := range map[string]func(http.Header){
		"cross-site": func(h http.Header) { h.Set("Sec-Fetch-Site", "cross-site") },
		"same-site":  func(h http.Header) { h.Set("Sec-Fetch-Site", "same-site") },
		"origin":     func(h http.Header) { h.Set("Origin", "https://evil.example") },
	} {
		for _, path := range []string{"/changes/apply", "/changes/discard", "/branches/leeds/delete", "/login", "/logout", "/password"} {
			req := b.request(path)
			mark(req.Header)
			if a := b.do(req); a.code != http.StatusForbidden {
				t.Errorf("%s by %s: %d", path, name, a.code)
			}
		}
	}
	if len(s.gateway.applied) > 0 {
		t.Error("another site applied the draft")
	}
}

func TestTheCookieIsBoundToThisSite(t *testing.T) {
	s := newSite(t)
	a := s.browser(t).post("/login", "name", "admin", "password", testPassword)
	cookie := a.header.Get("Set-Cookie")
	for _, part := range []string{"__Host-gatehouse=", "Path=/", "HttpOnly", "Secure", "SameSite=Strict"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("cookie %q lacks %s", cookie, part)
		}
	}
}

func TestUnchangedPagesAreNotSentAgain(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	first := b.get("/branches")
	req, err := http.NewRequest(http.MethodGet, s.URL+"/branches", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If-None-Match", first.header.Get("ETag"))
	b.do(req).want(t, http.StatusNotModified)
	s.gateway.mu.Lock()
	s.gateway.status.Tunnels[0].State = TunnelDown
	s.gateway.mu.Unlock()
	b.do(req).want(t, http.StatusOK, "Down")
}

func TestAHugeFormIsRefused(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	a := b.post("/branches/new", "name", "x", "note", strings.Repeat("n", 2*maxBody))
	if a.code < 400 {
		t.Errorf("answered %d", a.code)
	}
	doc, err := s.db.Draft(t.Context())
	if err != nil || len(doc.Branches) != 1 {
		t.Errorf("%d branches, %v", len(doc.Branches), err)
	}
}

// prefix is short for tests.
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
