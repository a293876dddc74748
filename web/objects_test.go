package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/store"
)

func TestEveryKindHasItsPages(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	all := b.get("/objects")
	all.want(t, http.StatusOK, "Firewall", "Remote users")
	for _, k := range store.Kinds() {
		if k.Name != "branch" && !strings.Contains(all.body, `href="/objects/`+k.Plural+`"`) {
			t.Errorf("%s are not on the page of all", k.Plural)
		}
		if k.Single {
			continue // TestSettings
		}
		b.get("/objects/"+k.Plural).want(t, http.StatusOK, "<h1>"+k.Heading, template.HTMLEscapeString(k.Help))
		form := b.get("/objects/" + k.Plural + "/new")
		form.want(t, http.StatusOK)
		for _, f := range k.Fields {
			if !strings.Contains(form.body, `name="`+f.Name+`"`) {
				t.Errorf("%s: no input for %s", k.Name, f.Name)
			}
		}
		// Nothing filled in is refused, with the required fields named.
		b.post("/objects/"+k.Plural+"/new").want(t, http.StatusUnprocessableEntity, "There is a problem")
	}
	b.get("/objects/unicorns").want(t, http.StatusNotFound)
	b.get("/objects/rules/edit?name=nobody").want(t, http.StatusNotFound)
}

func TestAnObjectIsAddedUsedRenamedAndDeleted(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.post("/objects/lists/new", "name", "blocked", "entries", "192.0.2.7\r\n198.51.100.0/24\r\n", "note", "of last week").want(t, http.StatusSeeOther)
	b.get("/objects/lists").want(t, http.StatusOK, "List blocked is saved, but not applied yet.", "with 2 entries")
	b.post("/objects/services/new", "name", "web", "protocol", "tcp", "ports", "80\n443").want(t, http.StatusSeeOther)
	b.post("/objects/rules/new", "name", "no-entry", "from", "wan", "to", "lan", "source_lists", "blocked", "services", "web", "action", "drop", "log", "on").
		want(t, http.StatusSeeOther)
	b.get("/objects/rules/edit?name=no-entry").want(t, http.StatusOK, `<option value="wan" selected>`, `name="log" value="on" checked`, `name="source_lists" value="blocked" checked`, `name="destination_lists" value="blocked">`)
	b.post("/objects/lists/delete?name=blocked").want(t, http.StatusConflict, "List blocked is used by rule no-entry")
	// A new name is followed, and the entries stay although the form has none.
	edit := b.get("/objects/lists/edit?name=blocked")
	if strings.Contains(edit.body, `name="entries"`) {
		t.Error("the form has the entries")
	}
	b.post("/objects/lists/edit?name=blocked", "name", "unwanted", "tag", hidden(t, edit.body, "tag")).want(t, http.StatusSeeOther)
	b.get("/objects/rules/edit?name=no-entry").want(t, http.StatusOK, `name="source_lists" value="unwanted" checked`)
	b.get("/objects/lists").want(t, http.StatusOK, "with 2 entries")
	b.post("/objects/rules/delete?name=no-entry").want(t, http.StatusSeeOther)
	b.post("/objects/lists/delete?name=unwanted").want(t, http.StatusSeeOther)
	b.get("/objects/lists").want(t, http.StatusOK, "There is none yet")
}

func TestFaultsOfAnObjectStandBesideItsFields(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.post("/objects/forwards/new", "name", "Web", "protocol", "tcp", "ports", "80", "to", "192.0.2.1", "sources", "10.0.0.0/8\nnonsense", "note", "kept <b>").
		want(t, http.StatusUnprocessableEntity, `href="#sources"`, `&#34;nonsense&#34; is not a valid network`, "kept &lt;b&gt;")
	b.post("/objects/forwards/new", "name", "Web", "protocol", "tcp", "ports", "80", "to", "192.0.2.1").
		want(t, http.StatusUnprocessableEntity, `id="name-error"`, "192.0.2.1 is in no network behind this gateway")
}

func TestTheSecondAdminIsToldOnEveryForm(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.post("/objects/services/new", "name", "web", "protocol", "tcp", "ports", "80").want(t, http.StatusSeeOther)
	mine := b.get("/objects/services/edit?name=web")
	base, err := url.QueryUnescape(hidden(t, mine.body, "base"))
	if err != nil || !strings.Contains(base, "tcp") {
		t.Fatalf("%q %v", base, err)
	}
	fields := []string{"name", "web", "protocol", "tcp", "tag", hidden(t, mine.body, "tag"), "base", hidden(t, mine.body, "base")}
	b.post("/objects/services/edit?name=web", append(fields, "ports", "8080")...).want(t, http.StatusSeeOther)
	conflict := b.post("/objects/services/edit?name=web", append(fields, "ports", "8888", "note", "typed")...)
	conflict.want(t, http.StatusConflict, "Somebody else changed this meanwhile", "Ports is now 8080 (was 80).", ">8888</textarea>", "typed")
	b.post("/objects/services/edit?name=web", "name", "web", "protocol", "tcp", "ports", "8888", "tag", hidden(t, conflict.body, "tag")).want(t, http.StatusSeeOther)
	b.post("/objects/services/delete?name=web").want(t, http.StatusSeeOther)
	b.post("/objects/services/edit?name=web", append(fields, "ports", "1")...).want(t, http.StatusConflict, "was deleted. Save to add it again.")
}

func TestUsersActAtOnce(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	before, err := s.db.Changes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.post("/objects/users/new", "name", "alice", "full_name", "Alice", "enabled", "on", "password", "correct horse battery").want(t, http.StatusSeeOther)
	b.get("/objects/users").want(t, http.StatusOK, "User alice is saved.", "nobody can connect from outside with them yet")
	form := b.get("/objects/users/edit?name=alice")
	form.want(t, http.StatusOK, "Leave it empty to keep the present one")
	if strings.Contains(form.body, "nthash") || strings.Contains(form.body, "correct horse") {
		t.Error("the page shows the password")
	}
	after, err := s.db.Changes(t.Context())
	if err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the draft changed: %q %v", after, err)
	}
}

func TestRulesSayWhatTheyMatched(t *testing.T) {
	b := newSite(t).loggedIn(t)
	b.post("/objects/rules/new", "name", "quiet", "from", "wan", "to", "lan", "action", "drop").want(t, http.StatusSeeOther)
	b.get("/objects/rules").want(t, http.StatusOK, "3 times, last 1 hour ago", `data-label="Matched">never`)
	if page := b.get("/objects/lists"); strings.Contains(page.body, "Matched") {
		t.Error("lists match nothing by themselves")
	}
}

func TestSettings(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.get("/objects/settings").want(t, http.StatusSeeOther)
	form := b.get("/objects/settings/edit?name=settings")
	form.want(t, http.StatusOK, `name="name" value="hq"`, `name="masquerade" value="on" checked`)
	b.post("/objects/settings/edit?name=settings", "name", "two words", "dns_upstreams", "9.9.9.9\n0.0.0.0").
		want(t, http.StatusUnprocessableEntity, `id="name-error"`, `id="dns_upstreams-error"`)
	b.post("/objects/settings/edit?name=settings", "name", "main", "dns_domain", "office.example", "tag", hidden(t, form.body, "tag")).want(t, http.StatusSeeOther)
	b.get("/changes").want(t, http.StatusOK, "The gateway is now called main (was gatehouse).", "domain is now office.example")
	b.get("/objects/settings/new").want(t, http.StatusNotFound)
	b.post("/objects/settings/new", "name", "second").want(t, http.StatusNotFound)
	b.post("/objects/settings/delete?name=settings").want(t, http.StatusConflict, "exactly one")
}

func TestAKeyOfManyLinesHasRoom(t *testing.T) {
	form := newSite(t).loggedIn(t).get("/objects/certificates/new")
	form.want(t, http.StatusOK, `<textarea id="key" name="key"`, `<textarea id="certificate" name="certificate"`)
}

func TestEntriesOfAList(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	var many strings.Builder
	for i := range 120 {
		fmt.Fprintf(&many, "192.0.2.%d\n", i)
	}
	b.post("/objects/lists/new", "name", "blocked", "entries", many.String()).want(t, http.StatusSeeOther)
	const page = "/objects/lists/entries?name=blocked"
	b.get(page).want(t, http.StatusOK, "1 to 50 of 120", "192.0.2.49")
	b.get(page+"&from=100").want(t, http.StatusOK, "101 to 120 of 120", "192.0.2.119", "from=50")
	b.get(page+"&q=192.0.2.77").want(t, http.StatusOK, "1 to 1 of 1", "192.0.2.77")
	b.get(page+"&q=nonsense").want(t, http.StatusUnprocessableEntity, "is not an address")
	b.post(page, "add", "10.0.0.0/8 # ours\n10.0.0.1/24").want(t, http.StatusUnprocessableEntity, "Line 2: ", "did you mean 10.0.0.0/24?", "# ours")
	b.post(page, "add", "10.0.0.0/8", "remove", "192.0.2.7", "remove", "192.0.2.8").want(t, http.StatusSeeOther)
	b.get(page).want(t, http.StatusOK, "of 119", "10.0.0.0/8")
	b.get("/objects/lists/entries?name=nobody").want(t, http.StatusNotFound)
	// More than a form may hold elsewhere.
	var large strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&large, "10.%d.%d.%d\n", 9, i/250, i%250)
	}
	b.post(page, "add", large.String()).want(t, http.StatusSeeOther)
	b.get(page).want(t, http.StatusOK, "of 20119")
}

func TestTheAPISaysAndRefusesTheSame(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	call := func(method, path, body string, header ...string) answer {
		req, err := http.NewRequest(method, s.URL+"/api/v1/objects/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		return b.do(req)
	}
	added := call("POST", "services", `{"name":"web","protocol":"tcp","ports":[{"first":80,"last":80}]}`)
	added.want(t, http.StatusCreated, `"name":"web"`)
	if added.header.Get("Location") != "/api/v1/objects/services/item?name=web" {
		t.Errorf("%v", added.header)
	}
	got := call("GET", "services/item?name=web", "")
	got.want(t, http.StatusOK, `"ports":[{"first":80,"last":80}]`)
	tag := got.header.Get("ETag")
	call("PUT", "services/item?name=web", `{"name":"web","protocol":"udp"}`, "If-Match", tag).want(t, http.StatusOK, `"udp"`)
	call("PUT", "services/item?name=web", `{"name":"web","protocol":"icmp"}`, "If-Match", tag).want(t, http.StatusPreconditionFailed, "changed meanwhile")
	refused := call("POST", "services", `{"name":"Web","protocol":"tcp","ports":[{"first":9,"last":1}]}`)
	refused.want(t, http.StatusUnprocessableEntity)
	var p problem
	if err := json.Unmarshal([]byte(refused.body), &p); err != nil || len(p.Fields) != 2 || p.Fields[0].Field != "name" || p.Fields[1].Field != "ports[0]" || p.Fields[1].Code != "range" {
		t.Errorf("%+v %v", p, err)
	}
	if kind := refused.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Error(kind)
	}
	call("POST", "rules", `{"name":"r","from":"wan","to":"lan","services":["web"],"action":"drop"}`).want(t, http.StatusCreated)
	call("DELETE", "services/item?name=web", "").want(t, http.StatusConflict, `"users":["rule r"]`)
	call("DELETE", "rules/item?name=r", "").want(t, http.StatusNoContent)
	call("DELETE", "services/item?name=web", "").want(t, http.StatusNoContent)
	call("GET", "services/item?name=web", "").want(t, http.StatusNotFound)
	call("GET", "unicorns", "").want(t, http.StatusNotFound)
	for _, bad := range []string{"", "null", "[]", "{", `{"name":"x","name":"x"}`, `{"unknown":1}`, "{}\xff"} {
		if a := call("POST", "services", bad); a.code != http.StatusBadRequest && a.code != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d %s", bad, a.code, a.body)
		}
	}
	call("POST", "services", `{"name":"`+strings.Repeat("x", maxBody)+`"}`).want(t, http.StatusRequestEntityTooLarge)
	call("GET", "interfaces?limit=1", "").want(t, http.StatusOK, `"total":2`, `"next":1`)
	// From another site nothing can be written.
	call("POST", "services", `{"name":"evil","protocol":"tcp"}`, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site").want(t, http.StatusForbidden)
}
