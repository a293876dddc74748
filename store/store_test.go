package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compare = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func open(t testing.TB, dir string) *DB {
	t.Helper()
	db, err := Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func example(t testing.TB) Document {
	t.Helper()
	f, err := os.Open("../docs/office.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := ParseDocument(f)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

const testKey = "replace-me-with-32-random-bytes"

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// generated is a valid document made of a seed.
func generated(seed uint64) Document {
	r := rand.New(rand.NewPCG(seed, 1))
	doc := Document{Version: 1, System: System{Name: fmt.Sprintf("gw%d", seed)}}
	doc.Firewall.Masquerade = r.IntN(2) == 0
	for i := range r.IntN(5) {
		n := Interface{Name: fmt.Sprintf("port-%d", i), Device: fmt.Sprintf("eth%d", i), Zone: ZoneLAN}
		n.Addresses = append(n.Addresses, netip.MustParsePrefix(fmt.Sprintf("10.%d.0.1/24", i)))
		if r.IntN(2) == 0 {
			n.Addresses = append(n.Addresses, netip.MustParsePrefix(fmt.Sprintf("fd00:%x::1/64", i)))
		}
		if r.IntN(3) == 0 {
			n.Zone, n.MTU = ZoneWAN, 1280+r.IntN(1000)
			n.Gateways = []netip.Addr{netip.MustParseAddr(fmt.Sprintf("10.%d.0.254", i))}
		}
		doc.Interfaces = append(doc.Interfaces, n)
		doc.Routes = append(doc.Routes, Route{netip.MustParsePrefix(fmt.Sprintf("172.16.%d.0/24", i)), netip.MustParseAddr(fmt.Sprintf("10.%d.0.9", i))})
	}
	actions := []Action{Allow, Reject, Drop}
	for _, from := range []Zone{ZoneLAN, ZoneVPN} {
		for _, to := range []Zone{ZoneLAN, ZoneVPN, ZoneWAN, ZoneGateway} {
			if r.IntN(2) == 0 {
				doc.Firewall.Defaults = append(doc.Firewall.Defaults, ZoneDefault{from, to, actions[r.IntN(3)]})
			}
		}
	}
	for i := range r.IntN(6) {
		rule := Rule{Name: fmt.Sprintf("rule-%d", i), From: ZoneWAN, To: ZoneGateway, Action: actions[r.IntN(3)], Log: r.IntN(2) == 0, Note: "ü \"quoted\""}
		if r.IntN(2) == 0 {
			rule.Protocol, rule.Ports = "tcp", []PortRange{{80, 80}, {8000, uint16(8000 + r.IntN(100))}}
		}
		if r.IntN(2) == 0 {
			rule.Sources = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
		}
		doc.Firewall.Rules = append(doc.Firewall.Rules, rule)
	}
	ike, esp := SuiteNames()
	for i := range r.IntN(5) {
		b := Branch{
			Name: fmt.Sprintf("branch-%d", i), Enabled: r.IntN(2) == 0, Start: StartAlways, Peer: fmt.Sprintf("198.51.100.%d", i+1),
			LocalNetworks:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
			RemoteNetworks: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/24", 100+i))},
			PSK:            Secret(fmt.Sprintf("key number %d of %d", i, seed)), RekeySeconds: r.IntN(2) * 60, DPDSeconds: r.IntN(2) * 9,
		}
		if r.IntN(2) == 0 {
			b.Peer, b.Start, b.RemoteID = "", StartAnswer, fmt.Sprintf("branch%d@example.org", i)
		}
		if r.IntN(2) == 0 {
			b.IKEProposals, b.ESPProposals = ike[:1+r.IntN(3)], esp[:1+r.IntN(3)]
		}
		doc.Branches = append(doc.Branches, b)
	}
	return doc
}
