package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/store"
)

func TestGuessingIsSlow(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	for range freeTries {
		b.post("/login", "name", "admin", "password", "a guess").want(t, http.StatusUnauthorized, "wrong")
	}
	a := b.post("/login", "name", "admin", "password", testPassword)
	a.want(t, http.StatusTooManyRequests, "Too many tries")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.wait(forgetTry + time.Second)
	b.post("/login", "name", "admin", "password", testPassword).want(t, http.StatusSeeOther)
	// A success is forgiven at once.
	for range freeTries {
		s.browser(t).post("/login", "name", "admin", "password", "a guess").want(t, http.StatusUnauthorized)
	}
	events, err := s.db.Events(t.Context(), 100)
	if err != nil || len(events) < 2*freeTries {
		t.Errorf("%d events, %v", len(events), err)
	}
	if strings.Contains(s.log.String(), testPassword) || strings.Contains(s.log.String(), "a guess") {
		t.Error("a password is in the log")
	}
}

func TestUnknownAccountsLookLikeWrongPasswords(t *testing.T) {
	s := newSite(t)
	known := s.browser(t).post("/login", "name", "admin", "password", "wrong")
	unknown := s.browser(t).post("/login", "name", "nobody", "password", "wrong")
	if known.code != unknown.code || strings.ReplaceAll(known.body, "admin", "nobody") != unknown.body {
		t.Errorf("told apart: %d %s\n%d %s", known.code, known.body, unknown.code, unknown.body)
	}
	s.browser(t).post("/login", "name", "nobody", "password", "no account has this password").want(t, http.StatusUnauthorized)
	s.browser(t).post("/login", "name", "admin", "password", strings.Repeat("x", maxPassword+1)).want(t, http.StatusUnauthorized)
}

func TestANewPasswordEndsOtherSessions(t *testing.T) {
	s := newSite(t)
	mine, other := s.loggedIn(t), s.loggedIn(t)
	other.get("/").want(t, http.StatusOK)
	mine.post("/password", "current", "wrong", "password", "the next password", "again", "the next password").
		want(t, http.StatusUnprocessableEntity, "not your present password")
	s.wait(time.Second)
	mine.post("/password", "current", testPassword, "password", "the next password", "again", "the next password").
		want(t, http.StatusSeeOther)
	mine.get("/").want(t, http.StatusOK)
	other.get("/").want(t, http.StatusSeeOther)
}

func TestResetAdminEndsSessions(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	admin, err := s.db.Admin(t.Context(), "admin")
	if err != nil {
		t.Fatal(err)
	}
	admin.OneTime, admin.Changed = true, s.now.Add(time.Minute)
	if err := s.db.PutAdmin(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	b.get("/").want(t, http.StatusSeeOther)
}

func TestALogInMakesANewToken(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	first := b.get("/").header
	again := b.post("/login", "name", "admin", "password", testPassword).header.Get("Set-Cookie")
	if again == "" || again == first.Get("Set-Cookie") {
		t.Error("the token was kept")
	}
	b.post("/logout").want(t, http.StatusSeeOther)
	b.get("/").want(t, http.StatusSeeOther)
}

func TestTheGuardsMemoryIsBounded(t *testing.T) {
	now := time.Now()
	g := newGuard(func() time.Time { return now })
	for i := range 3 * maxSources {
		g.allow(fmt.Sprint(i))
	}
	if len(g.sources) > maxSources+1 {
		t.Errorf("%d sources", len(g.sources))
	}
	if g.allow("one more") {
		t.Error("a stranger among thousands still has free tries")
	}
	now = now.Add(time.Hour)
	if !g.allow("later") {
		t.Error("nothing is forgotten")
	}
}

func TestOneIPv6HostIsOneSource(t *testing.T) {
	a := source(&http.Request{RemoteAddr: "[2001:db8::1]:1000"})
	b := source(&http.Request{RemoteAddr: "[2001:db8::ffff:1]:2000"})
	c := source(&http.Request{RemoteAddr: "[2001:db8:0:1::1]:1000"})
	if a != b || a == c {
		t.Errorf("%s %s %s", a, b, c)
	}
	if source(&http.Request{RemoteAddr: "192.0.2.1:9"}) != "192.0.2.1" {
		t.Error("an IPv4 address is not itself")
	}
}

func TestDamagedHashesAreErrors(t *testing.T) {
	good, err := testHash()
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := verifyPassword(good, testPassword); !ok || err != nil {
		t.Errorf("the right password: %v %v", ok, err)
	}
	if ok, err := verifyPassword(good, testPassword+"x"); ok || err != nil {
		t.Errorf("a wrong password: %v %v", ok, err)
	}
	for _, hash := range []string{
		"", "$", "$argon2id$v=19$m=65536,t=3,p=1$AAAA", "$argon2i$v=19$m=65536,t=3,p=1$c2FsdA$c2FsdA",
		"$argon2id$v=19$m=99999999,t=3,p=1$c2FsdHNhbHQ$" + strings.Repeat("A", 43),
		"$argon2id$v=19$m=65536,t=0,p=1$c2FsdHNhbHQ$" + strings.Repeat("A", 43),
		"$argon2id$v=19$m=65536,t=3,p=0$c2FsdHNhbHQ$" + strings.Repeat("A", 43),
		"$argon2id$v=19$m=65536,t=3,p=1$!$" + strings.Repeat("A", 43),
		"$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHQ$AA",
	} {
		if ok, err := verifyPassword(hash, testPassword); ok || err == nil {
			t.Errorf("%q: %v %v", hash, ok, err)
		}
	}
}

func TestOneTimePasswords(t *testing.T) {
	a, err := NewOneTimePassword(strings.NewReader("0123456789"))
	if err != nil || len(a) != 19 || strings.Count(a, "-") != 3 {
		t.Errorf("%q %v", a, err)
	}
	if _, err := NewOneTimePassword(strings.NewReader("short")); err == nil {
		t.Error("a short random source made a password")
	}
}

func TestDamagedAccountFailsClosed(t *testing.T) {
	s := newSite(t)
	if err := s.db.PutAdmin(t.Context(), store.Admin{Name: "admin", Role: store.RoleOwner, Hash: "nonsense", Changed: s.now}); err != nil {
		t.Fatal(err)
	}
	s.browser(t).post("/login", "name", "admin", "password", testPassword).want(t, http.StatusInternalServerError, "Something went wrong")
}
