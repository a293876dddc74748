package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gatehouse/store"
)

func TestWouldThisBeAllowed(t *testing.T) {
	s := newSite(t)
	b := s.account(t, "someone", store.RoleViewer)
	b.get("/").want(t, http.StatusOK, `href="/firewall/trace"`)
	form := b.get("/firewall/trace")
	form.want(t, http.StatusOK, `name="source"`, `name="user"`, `name="time"`, "<details>", `<option>wan</option>`)
	if strings.Contains(form.body, "There is a problem") {
		t.Error("nothing was asked yet")
	}
	b.get("/firewall/trace?source=10.1.0.5&destination=198.51.100.80&protocol=tcp&port=25&draft=on&from=lan").want(t, http.StatusOK,
		"It is rejected with an answer by rule no-mail-from-office (from the office to the internet).", "by the changes that are not applied yet",
		`name="source" value="10.1.0.5"`, `name="draft" value="on" checked`, "<details open>", "<option selected>lan</option>", `href="/objects/rules/edit?name=no-mail-from-office"`)
	b.get("/firewall/trace?source=x").want(t, http.StatusUnprocessableEntity, `id="destination-error"`, `href="#destination"`)
	b.get("/api/v1/firewall/trace?destination=192.0.2.1").want(t, http.StatusOK, `"verdict":"reject"`, `"words":["It is rejected`)
	b.get("/api/v1/firewall/trace").want(t, http.StatusUnprocessableEntity, `"field":"destination"`)
	b.get("/api/v1/firewall/export?draft=on").want(t, http.StatusOK, "table inet gatehouse # draft: true")
}

func TestQuestionsAndTheirAddressesAreInverses(t *testing.T) {
	q := Question{Source: "a", User: "b", Destination: "c", Protocol: "d", Port: "e", Message: "f", From: "g", MAC: "h", DSCP: "i", Time: "j", Draft: true}
	if again := ParseQuestion(q.Query()); again != q {
		t.Errorf("%+v", again)
	}
	if q := ParseQuestion((Question{}).Query()); q != (Question{}) {
		t.Errorf("%+v", q)
	}
}

func TestAnswersInWords(t *testing.T) {
	for name, c := range map[string]struct {
		answer Answer
		want   string
	}{
		"kept by an exemption": {Answer{Verdict: "allow", Kind: "default", From: "lan", To: "wan", Route: &RouteTaken{Device: "wan0"}, Seen: &Translation{By: "guests", Kept: true}},
			"NAT entry guests leaves its source as it is."},
		"from a zone of the admin's": {Answer{Verdict: "drop", Kind: "default", From: "cameras"}, "(from zone cameras to nowhere)"},
		"without a route":            {Answer{Verdict: "allow", Kind: "default", Destination: netip.MustParseAddr("192.0.2.1")}, "There is no route to 192.0.2.1"},
	} {
		if words := c.answer.InWords().Words; !slices.ContainsFunc(words, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("%s: %q", name, words)
		}
	}
}
