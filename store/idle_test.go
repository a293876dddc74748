package store

import (
	"testing"
	"time"
)

func TestARuleIsIdleSinceItWasHitOrChanged(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db := open(t, dir)
	doc := example(t)
	web := Rule{Name: "web", From: ZoneWAN, To: ZoneLAN, Action: Allow}
	doc.Firewall.Rules = append(doc.Firewall.Rules, web)
	doc.Firewall.Forwards = []Forward{{Name: "door", Protocol: "tcp"}}
	const day = 24 * time.Hour
	start := time.UnixMilli(1_800_000_000_000)
	note := func(days int) {
		t.Helper()
		if err := db.NoteRules(ctx, doc, start.Add(time.Duration(days)*day)); err != nil {
			t.Fatal(err)
		}
	}
	idle := func(days int, rule string, want int) {
		t.Helper()
		all, err := open(t, dir).RuleCounters(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got := all[rule].Idle(start.Add(time.Duration(days) * day)); got != time.Duration(want)*day {
			t.Errorf("on day %d %s is idle for %s, not for %d days", days, rule, got, want)
		}
	}
	note(0)
	for _, rule := range []string{"no-mail-from-office", "web", "door"} {
		idle(100, rule, 100)
	}
	idle(100, "spoof-wan", 0) // the firewall's own have no age
	// A hit on day 10; notes and logs change nothing; what it matches does.
	if _, err := db.PutRuleCounters(ctx, []RuleCounter{{Rule: "web", Packets: 1}}, start.Add(10*day)); err != nil {
		t.Fatal(err)
	}
	idle(100, "web", 90)
	last := &doc.Firewall.Rules[len(doc.Firewall.Rules)-1]
	last.Note, last.Log = "for customers", true
	note(20)
	idle(100, "web", 90)
	last.To = ZoneVPN
	note(40)
	idle(100, "web", 60)
	idle(30, "web", 0) // a clock that was set back is no reason for a negative age
	// Again the same: it is as new as the change back.
	last.To = ZoneLAN
	note(70)
	idle(100, "web", 30)
	idle(100, "door", 100)
	// A rule that is gone and comes back is new.
	rules := doc.Firewall.Rules
	doc.Firewall.Rules = nil
	note(80)
	idle(100, "web", 0)
	doc.Firewall.Rules = rules
	note(90)
	idle(100, "web", 10)
	idle(100, "no-mail-from-office", 10)
}

func TestTheAgeOfRulesIsWrittenWhenItChanges(t *testing.T) {
	db := open(t, t.TempDir())
	doc := example(t)
	for i := range 3 {
		if err := db.NoteRules(t.Context(), doc, time.UnixMilli(int64(1000+i))); err != nil {
			t.Fatal(err)
		}
	}
	all, err := db.rulesSince(t.Context())
	if err != nil || len(all) != len(doc.Firewall.Rules) || all["no-mail-from-office"].since.UnixMilli() != 1000 {
		t.Errorf("%v %+v", err, all)
	}
}
