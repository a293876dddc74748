package main

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/network"
	"gatehouse/store"
)

func TestSeveralUplinksAreMarkedAndRoutedByMark(t *testing.T) {
	doc := office(t)
	d, err := compile(doc, world{}, 8443)
	if err != nil || len(d.network.Rules) != 0 || d.firewall.Interfaces[0].Mark != 0 {
		t.Errorf("one uplink: %+v, %v", d.network.Rules, err)
	}
	doc.Interfaces = append(doc.Interfaces, store.Interface{Name: "fibre", Device: "wan1", Zone: store.ZoneWAN,
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24")}, Gateways: []netip.Addr{netip.MustParseAddr("192.0.2.1")}})
	if d, err = compile(doc, world{}, 8443); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]network.Rule{{Mark: 1, Table: 10301}, {Mark: 2, Table: 10302}}, d.network.Rules); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, r := range d.network.Routes {
		if r.Device == "wan1" {
			got = append(got, r.String())
		}
	}
	if diff := cmp.Diff([]string{"0.0.0.0/0 via 192.0.2.1 dev wan1", "0.0.0.0/0 via 192.0.2.1 dev wan1 table 10302", "192.0.2.0/24 dev wan1 table 10302"}, got); diff != "" {
		t.Error(diff)
	}
	for _, i := range d.firewall.Interfaces {
		if want := map[string]uint32{doc.Interfaces[0].Device: 1, "wan1": 2}[i.Device]; i.Mark != want {
			t.Errorf("%s has the mark %d, want %d", i.Device, i.Mark, want)
		}
	}
}
