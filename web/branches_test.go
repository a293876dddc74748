package web

import (
	"html"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gatehouse/store"
)

const officeKey = "replace-me-with-32-random-bytes"

func york() []string {
	return []string{"name", "york", "peer", "198.51.100.3", "start", "answer", "enabled", "1",
		"local_networks", "10.1.0.0/24", "remote_networks", "10.3.0.0/24\r\n10.4.0.0/24", "psk", "another-key-of-york"}
}

func TestABranchIsAddedChangedAndDeleted(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.post("/branches/new", york()...).want(t, http.StatusSeeOther)
	b.get("/branches/york").want(t, http.StatusOK, "not applied yet")
	got, err := s.db.Branch(t.Context(), "york")
	if err != nil || got.PSK != "another-key-of-york" || got.Start != store.StartAnswer ||
		!slices.Equal(got.RemoteNetworks, []netip.Prefix{prefix("10.3.0.0/24"), prefix("10.4.0.0/24")}) {
		t.Fatalf("%+v %v", got, err)
	}
	// An empty key keeps the stored one, also when the name changes.
	changed := append(york()[:12:12], "psk", "", "dpd_seconds", "10")
	changed[1] = "yorkshire"
	b.post("/branches/york/edit", changed...).want(t, http.StatusSeeOther)
	got, err = s.db.Branch(t.Context(), "yorkshire")
	if err != nil || got.PSK != "another-key-of-york" || got.DPDSeconds != 10 {
		t.Fatalf("%+v %v", got, err)
	}
	b.get("/branches/york").want(t, http.StatusNotFound)
	b.get("/branches/yorkshire/delete").want(t, http.StatusOK, "Delete yorkshire")
	b.post("/branches/yorkshire/delete").want(t, http.StatusSeeOther)
	b.get("/branches").want(t, http.StatusOK, "Branch yorkshire is deleted")
	b.get("/branches/yorkshire").want(t, http.StatusNotFound)
}

func TestFaultsStandBesideTheirFieldsAndNothingIsLost(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	fields := append(york(), "rekey_seconds", "soon", "note", "kept <b>as typed</b>")
	fields[11] = "10.3.0.0/24 nonsense"
	a := b.post("/branches/new", fields...)
	a.want(t, http.StatusUnprocessableEntity, "There is a problem", `href="#remote_networks"`, `id="remote_networks-error"`,
		`&#34;nonsense&#34; is not a network`, `id="rekey_seconds-error"`, "198.51.100.3", "kept &lt;b&gt;as typed&lt;/b&gt;", `aria-invalid="true"`)
	if strings.Contains(a.body, "another-key-of-york") {
		t.Error("the key was sent back")
	}
	// What only the store can judge is shown the same way.
	fields = york()
	fields[1] = "leeds"
	b.post("/branches/new", fields...).want(t, http.StatusUnprocessableEntity, `href="#name"`)
	fields = york()
	fields[11] = "10.1.0.0/24"
	b.post("/branches/new", fields...).want(t, http.StatusUnprocessableEntity, `id="remote_networks-error"`)
	fields = append(york(), "esp_proposals", "des")
	b.post("/branches/new", fields...).want(t, http.StatusUnprocessableEntity, `id="esp_proposals-error"`)
	doc, err := s.db.Draft(t.Context())
	if err != nil || len(doc.Branches) != 1 {
		t.Errorf("%d branches, %v", len(doc.Branches), err)
	}
}

func TestNoPageShowsAKey(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	for _, path := range []string{"/", "/branches", "/branches/leeds", "/branches/leeds/edit", "/branches/leeds/delete", "/changes", "/api/v1/status"} {
		a := b.get(path)
		a.want(t, http.StatusOK)
		if strings.Contains(a.body, officeKey) {
			t.Errorf("%s shows the key", path)
		}
	}
	b.post("/branches/leeds/edit", york()...)
	if strings.Contains(s.log.String(), "another-key-of-york") || strings.Contains(s.log.String(), officeKey) {
		t.Error("a key is in the log")
	}
}

func TestForeignTextIsEscaped(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	const evil = `<script>alert("1")</script>`
	s.gateway.status.Name = evil
	s.gateway.status.Tunnels[0] = Tunnel{Branch: "leeds", State: TunnelDown, RemoteID: evil, Remote: evil,
		Problem: &Problem{Code: "wrong_identity", Ours: []string{evil}, Theirs: []string{evil}, Detail: evil}}
	if err := s.db.AppendEvents(t.Context(), store.Event{Time: s.now, Severity: "warn", Kind: "tunnel", Subject: evil, Message: evil}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/branches", "/branches/leeds"} {
		if a := b.get(path); strings.Contains(a.body, "<script>alert") {
			t.Errorf("%s runs foreign text", path)
		}
	}
}

func TestReconnect(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.post("/branches/leeds/reconnect").want(t, http.StatusSeeOther)
	b.get("/branches/leeds").want(t, http.StatusOK, "is being connected anew")
	// Whatever the name is, it stays on this site.
	a := b.post("/branches/" + "%2F%2Fevil.example/reconnect")
	if to := a.header.Get("Location"); strings.HasPrefix(to, "//") || strings.Contains(to, "evil.example") && !strings.HasPrefix(to, "/branches/") {
		t.Errorf("sent to %s", to)
	}
}

// hidden reads a hidden field out of a form.
func hidden(t *testing.T, page, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, `name="`+name+`" value="`)
	value, _, end := strings.Cut(rest, `"`)
	if !ok || !end {
		t.Fatalf("no hidden field %s", name)
	}
	return html.UnescapeString(value)
}

func TestWhoSavesSecondIsToldAndLosesNothing(t *testing.T) {
	s := newSite(t)
	mine, theirs := s.loggedIn(t), s.loggedIn(t)
	opened := mine.get("/branches/leeds/edit")
	edit := func(page answer, fields ...string) []string {
		return append(fields, "name", "leeds", "start", "always", "enabled", "1", "local_networks", "10.1.0.0/24",
			"remote_networks", "10.2.0.0/24", "tag", hidden(t, page.body, "tag"), "base", hidden(t, page.body, "base"))
	}
	other := theirs.get("/branches/leeds/edit")
	theirs.post("/branches/leeds/edit", edit(other, "peer", "198.51.100.9")...).want(t, http.StatusSeeOther)
	said := mine.post("/branches/leeds/edit", edit(opened, "peer", "198.51.100.2", "note", "typed for a long time")...)
	said.want(t, http.StatusConflict, "Somebody else changed", "their address is now 198.51.100.9 (was 198.51.100.2)", "typed for a long time")
	if strings.Contains(said.body, officeKey) {
		t.Error("the key is shown")
	}
	mine.post("/branches/leeds/edit", edit(said, "peer", "198.51.100.2", "note", "typed for a long time")...).want(t, http.StatusSeeOther)
	got, err := s.db.Branch(t.Context(), "leeds")
	if err != nil || got.Peer != "198.51.100.2" || got.Note != "typed for a long time" || got.PSK != officeKey {
		t.Errorf("%+v %v", got, err)
	}
	// A key alone, and a base that was made up.
	opened = mine.get("/branches/leeds/edit")
	theirs.post("/branches/leeds/edit", edit(opened, "peer", "198.51.100.2", "note", "typed for a long time", "psk", "quite another key")...).want(t, http.StatusSeeOther)
	mine.post("/branches/leeds/edit", edit(opened, "peer", "198.51.100.2", "note", "typed for a long time")...).
		want(t, http.StatusConflict, "The shared key was changed")
	theirs.post("/branches/leeds/delete").want(t, http.StatusSeeOther)
	mine.post("/branches/leeds/edit", edit(opened, "peer", "198.51.100.2", "note", "typed for a long time")...).
		want(t, http.StatusConflict, "leeds was deleted", "typed for a long time", `action="/branches/new"`)
	theirs.post("/branches/new", york()...).want(t, http.StatusSeeOther)
	fields := edit(opened, "peer", "198.51.100.2")
	fields[len(fields)-1] = "{"
	mine.post("/branches/york/edit", fields...).want(t, http.StatusConflict)
}

// TestBrokenAlgorithmsTakeAChoiceThatIsRed is the switch of one connection.
func TestBrokenAlgorithmsTakeAChoiceThatIsRed(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.get("/branches/leeds/edit").want(t, http.StatusOK, `name="algorithms" value="legacy"`, `<p class="hint danger" id="legacy-hint">`)
	if a := b.get("/branches"); strings.Contains(a.body, "can be broken") {
		t.Error("a branch with good algorithms is red")
	}
	weak := append(york(), "esp_proposals", "aes256gcm16 3des-sha1 cast128-sha256 blowfish128-sha256 des-md5")
	b.post("/branches/new", weak...).want(t, http.StatusUnprocessableEntity, `href="#esp_proposals"`, "3des can be broken")
	b.post("/branches/new", append(weak, "algorithms", "legacy")...).want(t, http.StatusSeeOther)
	b.get("/branches/york").want(t, http.StatusOK, `<p class="callout bad"><strong>Its algorithms can be broken.</strong>`)
	b.get("/branches").want(t, http.StatusOK, `<span class="status bad wraps"><span aria-hidden="true">▲</span> Its algorithms can be broken</span>`)
	b.get("/objects/branches").want(t, http.StatusOK, `<span class="status bad">Its algorithms can be broken</span>`)
	// A program that takes the choice away again meets the same refusal.
	req, err := http.NewRequest(http.MethodPut, s.URL+"/api/v1/objects/branches/item?name=york", strings.NewReader(
		`{"name":"york","enabled":true,"start":"answer","peer":"198.51.100.3","local_networks":["10.1.0.0/24"],"remote_networks":["10.3.0.0/24"],"esp_proposals":["aes256-md5"]}`))
	if err != nil {
		t.Fatal(err)
	}
	b.do(req).want(t, http.StatusUnprocessableEntity, `"field":"esp_proposals[0]"`, "md5 can be broken")
}

// What a form does not send must not be lost, and what is secret must not be
// sent: neither key, nor in what the form remembers of the branch.
func TestAPostQuantumKeyStaysAndIsNeverShown(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	const key = "a-post-quantum-key-of-thirty-two-bytes"
	fields := func(page answer, more ...string) []string {
		return append(more, "name", "leeds", "peer", "198.51.100.2", "start", "always", "enabled", "1", "local_networks", "10.1.0.0/24",
			"remote_networks", "10.2.0.0/24", "tag", hidden(t, page.body, "tag"), "base", hidden(t, page.body, "base"))
	}
	b.post("/branches/leeds/edit", fields(b.get("/branches/leeds/edit"), "ppk_id", "vault-1", "ppk", key)...).want(t, http.StatusSeeOther)
	page := b.get("/branches/leeds/edit")
	page.want(t, http.StatusOK, `name="ppk_id"`, "vault-1")
	if strings.Contains(page.body, key) {
		t.Error("the key is shown")
	}
	b.post("/branches/leeds/edit", fields(page, "ppk_id", "vault-1", "ppk_optional", "on")...).want(t, http.StatusSeeOther)
	got, err := s.db.Branch(t.Context(), "leeds")
	if err != nil || got.PPK != key || got.PPKID != "vault-1" || !got.PPKOptional || got.PSK != officeKey {
		t.Errorf("%+v %v", got, err)
	}
	b.post("/branches/leeds/edit", fields(b.get("/branches/leeds/edit"), "ppk", "short", "ppk_id", "vault-1")...).
		want(t, http.StatusUnprocessableEntity, "must have 32 to 128 bytes")
}
