package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/store"
)

func TestRulesThatNothingMatches(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	for _, name := range []string{"new", "quiet", "busy", "unused", "ever-unused", "off"} {
		fields := []string{"name", name, "from", "lan", "to", "wan", "action", "drop"}
		if name == "off" {
			fields = append(fields, "disabled", "on")
		}
		b.post("/objects/rules/new", fields...).want(t, http.StatusSeeOther)
	}
	days := func(n int) time.Time { return s.clock().Add(-time.Duration(n) * day) }
	s.gateway.counted = map[string]store.RuleCounter{
		"new":         {Rule: "new", Since: days(5)},
		"quiet":       {Rule: "quiet", Since: days(300), Packets: 7, Hit: days(40)},
		"busy":        {Rule: "busy", Since: days(300), Packets: 7, Hit: days(1)},
		"unused":      {Rule: "unused", Since: days(200), Packets: 7, Hit: days(95)},
		"ever-unused": {Rule: "ever-unused", Since: days(91)},
		"off":         {Rule: "off", Since: days(300)},
	}
	link := func(name string) string { return `edit?name=` + name + `"` }
	has := func(a answer, names ...string) {
		t.Helper()
		for _, name := range []string{"new", "quiet", "busy", "unused", "ever-unused", "off", "no-mail-from-office"} {
			want := false
			for _, n := range names {
				want = want || n == name
			}
			if strings.Contains(a.body, link(name)) != want {
				t.Errorf("%s is there: %v", name, !want)
			}
		}
	}
	all := b.get("/objects/rules")
	all.want(t, http.StatusOK, "never, in 5 days", "7 times, last 40 days ago; nothing for 40 days", "never, in 91 days; nothing for 91 days",
		"/objects/rules?idle=30", "/objects/rules?idle=90")
	has(all, "new", "quiet", "busy", "unused", "ever-unused", "off", "no-mail-from-office")
	month := b.get("/objects/rules?idle=30")
	month.want(t, http.StatusOK, "matched by nothing in 30 days", "1 to 3 of 3")
	has(month, "quiet", "unused", "ever-unused")
	has(b.get("/objects/rules?idle=90"), "unused", "ever-unused")
	has(b.get("/objects/rules?idle=90&q=ever"), "ever-unused")
	has(b.get("/objects/rules?idle=90&from=1"), "ever-unused")
	b.get("/objects/forwards?idle=90").want(t, http.StatusOK, "newer than that")
	if page := b.get("/objects/lists?idle=90"); strings.Contains(page.body, "days") {
		t.Error("lists have no counters")
	}
	// The review of rules says so too.
	review := b.get("/changes")
	review.want(t, http.StatusOK, "nothing has matched in 90 days: 2", "7 times, last 95 days ago")
	has(review, "unused", "ever-unused")

	var got apiListing
	if err := json.Unmarshal([]byte(b.get("/api/v1/objects/rules?idle=90").body), &got); err != nil || got.Total != 2 {
		t.Fatalf("%v %+v", err, got)
	}
	if m := got.Items[0].Matched; got.Items[0].Name != "unused" || m == nil || m.IdleDays != 95 || m.Packets != 7 || m.Last.IsZero() {
		t.Errorf("%+v", got.Items[0])
	}
	if m := got.Items[1].Matched; m == nil || m.IdleDays != 91 || !m.Last.IsZero() || m.Since.IsZero() {
		t.Errorf("%+v", got.Items[1])
	}
}
