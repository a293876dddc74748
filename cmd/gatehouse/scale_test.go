package main

import (
	"fmt"
	"net/netip"
	"testing"

	"gatehouse/store"
)

// BenchmarkPlan1000Branches compiles and compares a large office, as the
// review page does.
func BenchmarkPlan1000Branches(b *testing.B) {
	doc := office(b)
	for i := range 1000 {
		doc.Branches = append(doc.Branches, store.Branch{
			Name: fmt.Sprintf("branch-%04d", i), Enabled: true, Start: store.StartAlways,
			Peer:           netip.AddrFrom4([4]byte{192, 0, byte(i / 250), byte(1 + i%250)}).String(),
			LocalNetworks:  []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")},
			RemoteNetworks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(16 + i/256), byte(i % 256), 0}), 24)},
			PSK:            "a key of a branch",
		})
	}
	for b.Loop() {
		d, err := compile(doc, world{}, 8443)
		if err != nil {
			b.Fatal(err)
		}
		diffLines("", d.ruleset.String())
	}
}
