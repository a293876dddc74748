package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/store"
)

func TestFewNamesAreTickedAndManyAreTyped(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.get("/objects/rules/new").want(t, http.StatusOK, `There are no <a href="/objects/schedules">schedules</a> yet.`, `name="source_branches" value="leeds">`)
	for i := range maxBoxes + 1 {
		if _, err := s.db.PutObject(t.Context(), "user", "", "", store.Input{JSON: fmt.Appendf(nil, `{"name":"user-%02d","enabled":true}`, i)}); err != nil {
			t.Fatal(err)
		}
	}
	b.get("/objects/rules/new").want(t, http.StatusOK, `<textarea id="source_users" name="source_users"`, "Names of users, one a line.")
	// Several ticked boxes are several values of one name.
	b.post("/objects/schedules/new", "name", "weekend", "days", "sat", "days", "sun", "from", "00:00", "to", "24:00").want(t, http.StatusSeeOther)
	b.get("/objects/schedules/edit?name=weekend").want(t, http.StatusOK, `name="days" value="sun" checked`, `name="days" value="mon">`)
	b.get("/objects/schedules").want(t, http.StatusOK, "sat, sun, 00:00 to 24:00")
	b.post("/objects/rules/new", "name", "x", "from", "lan", "to", "wan", "action", "allow", "source_users", "user-01\r\nuser-02", "schedules", "weekend").want(t, http.StatusSeeOther)
	b.get("/objects/rules/edit?name=x").want(t, http.StatusOK, ">user-01\nuser-02</textarea>", `name="schedules" value="weekend" checked`)
	b.post("/objects/users/delete?name=user-01").want(t, http.StatusConflict, "User user-01 is used by rule x")
}

func TestSeldomNeededFieldsAreClosedUnlessTheySaySomething(t *testing.T) {
	b := newSite(t).loggedIn(t)
	const closed, opened = "<details>\n    <summary>Users, branches, hardware", "<details open>\n    <summary>Users, branches, hardware"
	b.get("/objects/rules/new").want(t, http.StatusOK, closed)
	b.post("/objects/rules/new", "name", "x", "from", "lan", "to", "wan", "action", "drop", "dscp", "high").
		want(t, http.StatusUnprocessableEntity, opened, `id="dscp-error"`, `href="#dscp"`, "is not a number from 0 to 63")
	b.post("/objects/rules/new", "name", "x", "from", "lan", "to", "wan", "action", "allow", "limit_open", "5").want(t, http.StatusSeeOther)
	b.get("/objects/rules/edit?name=x").want(t, http.StatusOK, opened, `name="limit_open" value="5"`)
	b.get("/objects/rules/edit?name=no-mail-from-office").want(t, http.StatusOK, closed)
	b.post("/objects/rules/new", "name", "y", "from", "lan", "to", "wan", "action", "drop", "limit_per_source", "on").
		want(t, http.StatusUnprocessableEntity, `id="limit_per_source-error"`)
}

// The order of a list that is ticked stays, so that a form that is saved as it
// was changes nothing.
func TestATickedListKeepsItsOrder(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	for _, name := range []string{"a", "b", "c"} {
		b.post("/objects/lists/new", "name", name).want(t, http.StatusSeeOther)
	}
	b.post("/objects/rules/new", "name", "x", "from", "wan", "to", "lan", "action", "drop", "source_lists", "c", "source_lists", "a").want(t, http.StatusSeeOther)
	page := b.get("/objects/rules/edit?name=x").body
	at := func(name string) int { return strings.Index(page, `name="source_lists" value="`+name+`"`) }
	if at("c") < 0 || at("c") > at("a") || at("a") > at("b") {
		t.Error("not c, a, b")
	}
}

func TestRulesAreMovedByButtonsByNumberAndByProgram(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	for _, name := range []string{"a", "b", "c"} {
		b.post("/objects/rules/new", "name", name, "from", "wan", "to", "lan", "action", "drop").want(t, http.StatusSeeOther)
	}
	order := func(want ...string) {
		t.Helper()
		rows, _, err := s.db.Objects(t.Context(), "rule", "", 0, 10)
		var got []string
		for _, r := range rows {
			got = append(got, r.Name)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	const first = "no-mail-from-office"
	moved := b.post("/objects/rules/move?name=b", "to", "up")
	moved.want(t, http.StatusSeeOther)
	if at := moved.header.Get("Location"); at != "/objects/rules#row-b" {
		t.Errorf("back at %s", at)
	}
	order(first, "b", "a", "c")
	page := b.get("/objects/rules")
	page.want(t, http.StatusOK, "Rule b is moved, but not applied yet.", `id="row-b"`, `Up<span class="hidden"> b</span>`)
	if strings.Contains(page.body, "Up<span class=\"hidden\"> "+first) || strings.Contains(page.body, "Down<span class=\"hidden\"> c") {
		t.Error("the first can go up, or the last down")
	}
	b.post("/objects/rules/move?name=b", "to", "down").want(t, http.StatusSeeOther)
	order(first, "a", "b", "c")
	b.get("/objects/rules/edit?name=c").want(t, http.StatusOK, "Place, of 4", `value="4" required`)
	b.post("/objects/rules/move?name=c", "to", "1").want(t, http.StatusSeeOther)
	order("c", first, "a", "b")
	entries, err := s.db.Audit(t.Context(), 0, 1)
	if err != nil || entries[0].Detail != "Rule c now comes first." {
		t.Errorf("%+v %v", entries, err)
	}
	b.post("/objects/rules/move?name=c", "to", "sideways").want(t, http.StatusSeeOther)
	b.get("/objects/rules").want(t, http.StatusOK, "is not a place")
	b.post("/objects/rules/move?name=nobody", "to", "up").want(t, http.StatusNotFound)
	b.post("/objects/lists/move?name=x", "to", "up").want(t, http.StatusNotFound)
	call := func(path, body string) answer {
		req, err := http.NewRequest(http.MethodPut, s.URL+"/api/v1/objects/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return b.do(req)
	}
	call("rules/position?name=c", `{"position":3}`).want(t, http.StatusNoContent)
	order(first, "a", "c", "b")
	call("rules/position?name=c", `{"position":99}`).want(t, http.StatusNoContent)
	order(first, "a", "b", "c")
	b.get("/api/v1/objects/rules").want(t, http.StatusOK, `"name":"c","summary":"drop, from the internet to the office","position":4`)
	call("rules/position?name=c", `{"position":0}`).want(t, http.StatusUnprocessableEntity, `"field":"position"`)
	call("rules/position?name=c", `{"place":1}`).want(t, http.StatusBadRequest)
	call("rules/position?name=nobody", `{"position":1}`).want(t, http.StatusNotFound)
	call("lists/position?name=c", `{"position":1}`).want(t, http.StatusConflict, "They have no places")
}
