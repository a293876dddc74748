package main

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/web"
)

// inUse is an SA as the manager shows it.
func inUse(t *testing.T) ipsec.Association {
	t.Helper()
	suite, err := crypto.ParseESPSuite("aes256gcm16")
	if err != nil {
		t.Fatal(err)
	}
	net := func(s string) []sad.Selector { return []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix(s))} }
	return ipsec.Association{
		SA: sad.SA{SPI: 0xc0ffee01, Protocol: sad.ESP, Direction: sad.In, Local: netip.MustParseAddr("203.0.113.2"), Remote: netip.MustParseAddr("198.51.100.3"),
			Encap: &sad.Encap{LocalPort: 4500, RemotePort: 61000}, Suite: suite, ESN: true, ReplayWindow: 1024,
			Lifetime: sad.Lifetime{Hard: sad.Bound{Time: time.Hour, Packets: 1000}}, LocalTS: net("10.1.0.0/24"), RemoteTS: net("fd00:2::/64")},
		Owner: "leeds", Entry: "leeds", Since: time.Now().Add(-10 * time.Minute),
		Usage: sad.Usage{Packets: 7, Bytes: 700, Sequence: 9, Replayed: 1, Invalid: 2, Refused: 3},
	}
}

func TestAnSAIsShownAsItIs(t *testing.T) {
	a := association(inUse(t))
	// What is received comes from the peer, also in UDP.
	if a.Source != "198.51.100.3" || a.Destination != "203.0.113.2" || a.UDP != "61000 to 4500" || a.Direction != "in" || a.Mode != "tunnel" || a.Protocol != "esp" {
		t.Errorf("%+v", a)
	}
	if a.Hard != (web.Bound{Seconds: 3600, Packets: 1000}) || a.Soft != (web.Bound{}) || a.Then != "another takes its place" || a.Window != 1024 || !a.ESN {
		t.Errorf("%+v", a)
	}
	var out bytes.Buffer
	if err := printSAs(&out, []web.Association{a}, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"c0ffee01", "leeds", "in", "esp tunnel in UDP 61000 to 4500", "aes256gcm16", "9 esn", "1024", "10 min of 60 min, 7 packets of 1000 packets"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestAPolicyIsShownWithAllItsSelectors(t *testing.T) {
	sa := inUse(t)
	p := policyInForce(ipsec.Entry{Place: 2, ByHand: true, Policy: sad.Policy{Name: "voice", Action: sad.Protect, Way: sad.Outward,
		LocalTS: sa.LocalTS, RemoteTS: sa.RemoteTS, Class: sad.Class{DSCP: []uint8{46}, FlowLabels: []uint32{7}}, Labels: []string{"secret"},
		Needs: []sad.Need{{Protocol: sad.ESP}, {Protocol: sad.AH, Mode: sad.Transport}}},
		Refused: 5, Received: sad.Usage{Replayed: 1, Invalid: 1}})
	if p.Direction != "out" || p.Refused != 7 || strings.Join(p.Further, "; ") != "code point 46; flow label 7; label secret" {
		t.Errorf("%+v", p)
	}
	var out bytes.Buffer
	if err := printPolicies(&out, []web.PolicyInForce{p}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "protect esp tunnel in ah transport") || !strings.Contains(out.String(), "fd00:2::/64; code point 46") {
		t.Error(out.String())
	}
}

func TestSAsAreFoundByNameSPIAndAddress(t *testing.T) {
	a := inUse(t)
	for text, want := range map[string]bool{"": true, "LEEDS": true, "c0ffee": true, "10.1.0.77": true, "fd00:2::9": true, "10.9.0.1": false, "york": false} {
		if holds(text, append(a.LocalTS, a.RemoteTS...), a.Owner, a.SPI.String()) != want {
			t.Errorf("%q: not %v", text, want)
		}
	}
}
