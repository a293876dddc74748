package main

import (
	"net/netip"
	"testing"
	"time"

	"gatehouse/store"
)

func TestBansGrowAndAreForgiven(t *testing.T) {
	b := newBans()
	now := time.Unix(1_800_000_000, 0)
	source := netip.MustParsePrefix("192.0.2.7/32")
	for i, want := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute, 80 * time.Minute, 160 * time.Minute,
		320 * time.Minute, 640 * time.Minute, 1280 * time.Minute, 24 * time.Hour, 24 * time.Hour} {
		ban := b.next(source, 10*time.Minute, "test", now)
		if got := ban.Until.Sub(now); got != want || ban.Times != i+1 {
			t.Errorf("ban %d lasts %s, want %s; %d times", i+1, got, want, ban.Times)
		}
		b.note(ban)
	}
	if got := b.changed(); len(got) != 1 || got[0].Times != 10 {
		t.Errorf("to be written: %+v", got)
	}
	b.lifted(source, now)
	if got := b.next(source, 10*time.Minute, "test", now).Until.Sub(now); got != 10*time.Minute {
		t.Errorf("after it was lifted the next lasts %s", got)
	}
}

func TestFailuresLeadToABanOnlyWhenTheyAreMany(t *testing.T) {
	b := newBans()
	now := time.Unix(1_800_000_000, 0)
	source := netip.MustParsePrefix("192.0.2.7/32")
	for i := range 9 {
		if b.fail(source, 10, now) {
			t.Fatalf("banned after %d failures", i+1)
		}
	}
	if !b.fail(source, 10, now) {
		t.Error("not banned after 10")
	}
	for i := range 200 {
		if b.fail(source, 10, now.Add(time.Duration(i)*2*time.Minute)) {
			t.Fatal("a failure each two minutes is banned")
		}
	}
	for i := range 2 * maxFailing {
		b.fail(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32), 10, now.Add(time.Hour*24))
	}
	if len(b.failing) > maxFailing {
		t.Errorf("%d sources are remembered", len(b.failing))
	}
}

func TestOnlyWhatIsOutsideIsBanned(t *testing.T) {
	prefixes := func(all ...string) (out []netip.Prefix) {
		for _, s := range all {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	doc := store.Document{
		Interfaces: []store.Interface{{Zone: store.ZoneWAN, Addresses: prefixes("203.0.113.2/24")}, {Zone: "guest", Addresses: prefixes("10.1.0.1/24", "fd00:1::1/64")}},
		Routes:     []store.Route{{Destination: prefixes("10.50.0.0/16")[0]}},
		Branches:   []store.Branch{{RemoteNetworks: prefixes("10.2.0.0/24")}},
	}
	for a, want := range map[string]bool{"203.0.113.9": true, "198.51.100.7": true, "2001:db8::1": true, "10.1.0.7": false, "fd00:1::7": false,
		"10.50.3.3": false, "10.2.0.5": false, "127.0.0.1": false, "fe80::1": false} {
		if got := outside(doc, netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
	if outside(doc, netip.Addr{}) {
		t.Error("an unknown address is banned")
	}
}
