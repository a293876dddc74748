package main

import (
	"net/netip"
	"slices"
	"testing"

	"gatehouse/ipsec/sad"
	"gatehouse/store"
)

func TestChildrenOfABranch(t *testing.T) {
	doc := office(t)
	b := doc.Branches[0]
	doc.Children = []store.Child{
		{Name: "voice", Enabled: true, Branch: b.Name, Protocol: "esp", Mode: "tunnel", LocalNetworks: b.LocalNetworks[:1],
			RemoteNetworks: []netip.Prefix{netip.MustParsePrefix("10.2.9.0/24")}, Proposals: []string{"aes256-sha256-ecp256"}, RekeySeconds: 60},
		{Name: "gateways", Enabled: true, Branch: b.Name, Protocol: "ah", Mode: "transport"},
		{Name: "off", Branch: b.Name, Protocol: "esp", Mode: "tunnel", LocalNetworks: b.LocalNetworks[:1], RemoteNetworks: []netip.Prefix{netip.MustParsePrefix("10.2.8.0/24")}},
	}
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	d, err := compile(doc, world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	got := d.ipsec[0].Children
	if len(got) != 3 || got[0].Name != b.Name || got[1].Name != b.Name+"/voice" || got[1].Suites[0].String() != "aes256-sha256-ecp256" ||
		got[2].Protocol != sad.AH || got[2].Mode != sad.Transport || len(got[2].Suites) == 0 {
		t.Errorf("children %+v", got)
	}
	into := func(to string, table int) bool {
		for _, r := range d.network.Routes {
			if r.Destination.String() == to && r.Device == tunnelDevice && r.Table == table {
				return true
			}
		}
		return false
	}
	if !into("10.2.9.0/24", 0) || into("10.2.8.0/24", 0) {
		t.Errorf("routes %+v", d.network.Routes)
	}
	// What is between the gateways themselves goes round by a table of its own.
	if peer := netip.MustParseAddr(b.Peer); !into(netip.PrefixFrom(peer, peer.BitLen()).String(), peerTable) {
		t.Errorf("routes %+v", d.network.Routes)
	}
	// A child that is off is guarded all the same.
	var guarded []string
	for _, g := range d.firewall.Tunnels {
		for _, n := range g.Remote {
			guarded = append(guarded, n.String())
		}
	}
	if !slices.Contains(guarded, "10.2.9.0/24") || !slices.Contains(guarded, "10.2.8.0/24") {
		t.Errorf("guarded %v", guarded)
	}

	doc.Branches[0].LocalNetworks, doc.Branches[0].RemoteNetworks = nil, nil
	if err := doc.Validate(); err != nil {
		t.Errorf("a branch of children alone: %v", err)
	}
	if d, err = compile(doc, world{}, 8443); err != nil || len(d.ipsec[0].Children) != 2 {
		t.Errorf("%v %+v", err, d.ipsec)
	}
}
