package esp

import (
	"net/netip"
	"testing"

	"gatehouse/ipsec/sad"
)

func TestInboundObeysTheSPDToo(t *testing.T) {
	a, b, _, in := pair(t, "aes256gcm16")
	protect := sad.Policy{ID: 1, Action: sad.Protect, LocalTS: in.LocalTS, RemoteTS: in.RemoteTS}
	other := func(action sad.Action) sad.Policy {
		return sad.Policy{ID: 2, Action: action, LocalTS: in.LocalTS, RemoteTS: in.RemoteTS}
	}
	for _, row := range []struct {
		name     string
		policies []sad.Policy
		pass     bool
	}{
		{"its own policy decides", []sad.Policy{protect}, true},
		{"its own policy comes first", []sad.Policy{protect, other(sad.Discard)}, true},
		{"a discarding policy comes first", []sad.Policy{other(sad.Discard), protect}, false},
		{"a bypassing policy comes first", []sad.Policy{other(sad.Bypass), protect}, false},
		{"another policy's protection comes first", []sad.Policy{other(sad.Protect), protect}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := b.SetPolicies(row.policies); err != nil {
				t.Fatal(err)
			}
			// Twice, so that the second finds what the first left in the cache.
			for range 2 {
				before := in.read()
				passed := b.unprotectOne(a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))) != nil
				if passed != row.pass {
					t.Errorf("passed: %v", passed)
				}
				if refused := in.read().Refused - before.Refused; (refused == 1) == row.pass {
					t.Errorf("%d refused", refused)
				}
			}
		})
	}
}

func TestOtherFamilyNeverTouchesTheSA(t *testing.T) {
	a, b, _, in := pair(t, "aes256-sha256")
	sealed := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))
	if b.unprotectFrom(netip.MustParseAddrPort("[2001:db8::2]:4500"), sealed) != nil {
		t.Error("a packet over IPv6 passed an SA between IPv4 addresses")
	}
	if got := b.Counters().UnknownSPI; got != 1 {
		t.Errorf("%d unknown SPIs", got)
	}
	if in.window.top != 0 {
		t.Error("it moved the window")
	}
	if b.unprotectOne(sealed) == nil {
		t.Error("the same packet over IPv4 was refused")
	}
}
