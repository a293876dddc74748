package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/store"
)

// forYork is a form for keys that is right.
var forYork = []string{"name", "york", "here", "203.0.113.2", "there", "198.51.100.9", "mode", "tunnel", "near", "10.1.0.0/24", "far", "10.99.0.0/24", "protocol", "esp"}

func with(fields []string, name, value string) []string {
	out := append([]string{}, fields...)
	for i := 0; i < len(out); i += 2 {
		if out[i] == name {
			out[i+1] = value
			return out
		}
	}
	return append(out, name, value)
}

// tokenFor is one for a program.
func tokenFor(t *testing.T, s *site, role store.Role) string {
	t.Helper()
	text, err := s.db.AddToken(t.Context(), store.Token{Name: "program-" + string(role), Admin: "admin", Role: role, Created: s.clock(), Expires: s.clock().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// keyOf reads a key of the draft, which no page shows.
func keyOf(t *testing.T, s *site, sa string) string {
	t.Helper()
	doc, err := s.db.Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range doc.ManualSAs {
		if m.Name == sa {
			return m.EncryptionKey.Reveal()
		}
	}
	t.Fatalf("there is no SA %s", sa)
	return ""
}

func TestKeysAreShownOnceAndThenOnlyToWhoProvesHimself(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.get("/ipsec/keys").want(t, http.StatusOK, `<option value="203.0.113.2"`, "Make keys")
	made := b.post("/ipsec/keys", forYork...)
	key := keyOf(t, s, "york-esp-out")
	made.want(t, http.StatusOK, "shown only now", "<strong>york-out</strong>, <strong>york-in</strong>", "ip xfrm state add src 203.0.113.2", "0x"+key, "york-esp-in")
	if made.header.Get("Cache-Control") != "no-store" || made.header.Get("ETag") != "" {
		t.Errorf("a cache may keep the keys: %v", made.header)
	}
	// The same form once more makes no second pair, and shows nothing.
	b.post("/ipsec/keys", forYork...).want(t, http.StatusUnprocessableEntity, `href="#name"`, "Name: &#34;york-esp-out&#34; is used twice")
	for _, path := range []string{
		"/objects/manual-sas", "/objects/manual-sas/edit?name=york-esp-out", "/api/v1/objects/manual-sas/item?name=york-esp-out",
		"/changes", "/audit", "/ipsec/keys/export?policy=york-out", "/api/v1/status",
	} {
		if a := b.get(path); strings.Contains(a.body, key) {
			t.Errorf("%s shows the key", path)
		}
	}

	// Later it takes a choice, a confirmation and the password.
	b.get("/ipsec/keys/export?policy=york-out").want(t, http.StatusOK, `value="york-out" checked`)
	const export = "/ipsec/keys/export"
	for name, row := range map[string]struct {
		fields []string
		says   string
	}{
		"nothing chosen":     {[]string{"keys", "on", "password", testPassword}, `href="#policies"`},
		"not confirmed":      {[]string{"policies", "york-out", "password", testPassword}, `href="#keys"`},
		"no password":        {[]string{"policies", "york-out", "keys", "on"}, `href="#password"`},
		"another password":   {[]string{"policies", "york-out", "keys", "on", "password", "not this one"}, "This is not your password."},
		"a policy of nobody": {[]string{"policies", "nobody", "keys", "on", "password", testPassword}, "There is no such policy any more: policy nobody"},
	} {
		a := b.post(export, row.fields...)
		if a.code == http.StatusOK || strings.Contains(a.body, key) || !strings.Contains(a.body, row.says) {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
	b.post(export, "policies", "york-out", "policies", "york-in", "keys", "on", "password", testPassword).
		want(t, http.StatusOK, "0x"+key, "For the other side")
	b.get("/audit").want(t, http.StatusOK, "show-keys", "york-out, york-in")
	operator := s.account(t, "op", store.RoleOperator)
	operator.post(export, "policies", "york-out", "keys", "on", "password", testPassword).want(t, http.StatusForbidden)
	operator.post("/ipsec/keys", with(forYork, "name", "hull")...).want(t, http.StatusForbidden)
	// Who guesses passwords here is slowed down as at the login.
	for range freeTries {
		b.post(export, "policies", "york-out", "keys", "on", "password", "a guess")
	}
	b.post(export, "policies", "york-out", "keys", "on", "password", testPassword).want(t, http.StatusUnprocessableEntity, "Too many tries")
}

func TestProgramsMakeKeysAndExportThem(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	post := func(path, body, token string) answer {
		req, err := http.NewRequest(http.MethodPost, s.URL+"/api/v1/ipsec/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
			return s.browser(t).do(req)
		}
		return b.do(req)
	}
	const ask = `{"name":"york","here":"203.0.113.2","there":"198.51.100.9","near":["10.1.0.0/24"],"far":["10.99.0.0/24"],"protocol":"esp+ah"`
	post("keys", "[]", "").want(t, http.StatusBadRequest)
	post("keys", ask+`,"encryption":"aes256-gcm"}`, "").want(t, http.StatusUnprocessableEntity, `"field":"encryption"`, "RFC 8221")
	made := post("keys", ask+"}", "")
	var out store.OtherSide
	if err := json.Unmarshal([]byte(made.body), &out); err != nil || made.code != http.StatusCreated || len(out.Settings.ManualSAs) != 4 {
		t.Fatalf("%d %s %v", made.code, made.body, err)
	}
	key := keyOf(t, s, "york-esp-out")
	if !strings.Contains(out.IPXfrm, key) {
		t.Error("the commands have another key")
	}
	// In a browser the password is asked for here too; a token proves itself.
	post("keys/export", `{"policies":["york-out"],"keys":true}`, "").want(t, http.StatusUnprocessableEntity, `"field":"password"`)
	post("keys/export", `{"policies":["york-out"],"keys":true,"password":"`+testPassword+`"}`, "").want(t, http.StatusOK, key)
	admin := tokenFor(t, s, store.RoleAdmin)
	post("keys/export", `{"policies":["york-out"]}`, admin).want(t, http.StatusUnprocessableEntity, `"field":"keys"`)
	post("keys/export", `{"policies":["york-out"],"keys":true}`, admin).want(t, http.StatusOK, key)
	post("keys/export", `{"policies":["york-out"],"keys":true}`, tokenFor(t, s, store.RoleOperator)).want(t, http.StatusForbidden)
}

// TestWhatHandsShouldNotDoIsRefusedAtItsField is what the pages say to keys and
// algorithms that people type.
func TestWhatHandsShouldNotDoIsRefusedAtItsField(t *testing.T) {
	b := newSite(t).loggedIn(t)
	good := []string{"name", "x", "direction", "out", "protocol", "esp", "mode", "tunnel", "source", "203.0.113.2", "destination", "198.51.100.9", "spi", "4096",
		"encryption", "aes256-cbc", "encryption_key", "c0ffee15600d5eed", "integrity", "hmac-sha256", "integrity_key", strings.Repeat("c0ffee15600d5ee", 4) + "1234"}
	good = with(good, "encryption_key", strings.Repeat("600d5eedc0ffee1", 4)+"5678")
	for _, row := range []struct{ field, value, says string }{
		{"encryption", "aes256-gcm16", "RFC 8221"},
		{"encryption", "aes128-ctr", "a nonce twice under one key"},
		{"encryption", "chacha20poly1305", "RFC 8221"},
		{"integrity", "aes128-gmac", "RFC 8221"},
		{"spi", "255", "must be 256 or more"},
		{"encryption_key", "c0ffee", "must have 64 hexadecimal digits (256 bits)"},
		{"encryption_key", strings.Repeat("600d5eedc0ffee15", 6), "must have 64 hexadecimal digits"},
		{"encryption_key", strings.Repeat("00", 32), "all zeros"},
		{"integrity_key", "not hexadecimal", "must be hexadecimal"},
		{"encryption", "3des-cbc", "can be broken"},
		{"integrity", "hmac-md5", "can be broken"},
	} {
		a := b.post("/objects/manual-sas/new", with(good, row.field, row.value)...)
		a.want(t, http.StatusUnprocessableEntity, `id="`+row.field+`-error"`, `href="#`+row.field+`"`, row.says)
	}
	b.post("/objects/manual-sas/new", good...).want(t, http.StatusSeeOther)
}
