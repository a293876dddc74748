package store

import (
	"testing"
	"time"
)

func TestCountersAreWrittenWhenTheyCount(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db := open(t, dir)
	now := time.UnixMilli(1_000_000)
	put := func(want int, all ...RuleCounter) {
		t.Helper()
		now = now.Add(time.Hour)
		if n, err := db.PutRuleCounters(ctx, all, now); err != nil || n != want {
			t.Errorf("%d were written, want %d, %v", n, want, err)
		}
	}
	put(1, RuleCounter{Rule: "web", Packets: 5, Bytes: 500}, RuleCounter{Rule: "never"})
	hit := now
	put(0, RuleCounter{Rule: "web", Packets: 5, Bytes: 500}, RuleCounter{Rule: "never"})
	got, err := open(t, dir).RuleCounters(ctx)
	if err != nil || len(got) != 1 || got["web"] != (RuleCounter{Rule: "web", Packets: 5, Bytes: 500, Hit: hit}) {
		t.Errorf("%v %v", got, err)
	}
	// What counts nothing for more than a year is forgotten.
	now = now.Add(keepCounters)
	put(1, RuleCounter{Rule: "other", Packets: 1})
	if got, err := db.RuleCounters(ctx); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
}
