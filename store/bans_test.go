package store

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBansAreRememberedForAWhile(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	now := time.UnixMilli(1_800_000_000_000).UTC()
	prefix := netip.MustParsePrefix
	ban := func(source string, until time.Time, times int) Ban {
		return Ban{prefix(source), "failed logins", now.Add(-time.Hour), until, times}
	}
	first := []Ban{ban("192.0.2.1/32", now.Add(time.Hour), 1), ban("2001:db8:1::/64", now.Add(-24*time.Hour), 3), ban("192.0.2.9/32", now.Add(-100*24*time.Hour), 2)}
	if err := db.PutBans(t.Context(), first, now.Add(-99*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	again := ban("192.0.2.1/32", now.Add(2*time.Hour), 2)
	if err := db.PutBans(t.Context(), []Ban{again}, now); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, dir).Bans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Ban{again, first[1]}, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(time.Time.Equal)); d != "" {
		t.Error(d)
	}
}
