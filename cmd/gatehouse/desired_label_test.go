package main

import (
	"net/netip"
	"slices"
	"testing"

	"gatehouse/ipsec/sad"
	"gatehouse/network"
	"gatehouse/store"
)

func TestEveryAlgorithmOfALabelIsKnown(t *testing.T) {
	for _, name := range store.LabelAlgorithms() {
		if a, err := protectionNamed(name); err != nil || a.Protocol == sad.ESP && !a.Suite.ForESP() || a.Protocol == sad.AH && !a.Suite.ForAH() || a.Suite.Legacy() {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
}

func TestLabelsAreDemandsOfBothSides(t *testing.T) {
	doc := byHandOffice(t)
	doc.Services = append(doc.Services, store.Service{Name: "ledger", Protocol: "tcp", Ports: []store.PortRange{{First: 5432, Last: 5432}}})
	doc.Labels = []store.Label{
		{Name: "secret", Enabled: true, Networks: ranges(t, "10.77.9.0/24"), Services: []string{"ledger"}, Algorithms: []string{"aes256-sha256", "ah-sha512"}},
		{Name: "off", Networks: ranges(t, "10.77.8.0/24"), Algorithms: []string{"aes256gcm16"}},
	}
	doc.Policies[1].Labels = []string{"secret"}
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	d, err := compile(doc, world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	p := d.manual.Policies
	if len(p) != 5 || p[0].Action != sad.Demand || p[1].Action != sad.Demand || p[0].Name == p[1].Name || len(p[0].Admits) != 2 || p[3].Labels[0] != "secret" {
		t.Fatalf("%+v", p)
	}
	request := sad.Selector{First: netip.MustParseAddr("10.77.9.0"), Last: netip.MustParseAddr("10.77.9.255"), Protocol: 6, FirstPort: 5432, LastPort: 5432}
	opaque := request
	opaque.FirstPort, opaque.LastPort = 65535, 0
	for _, labelled := range [][]sad.Selector{p[0].LocalTS, p[1].RemoteTS} {
		if !slices.Equal(labelled, []sad.Selector{request, opaque}) {
			t.Errorf("labelled: %v", labelled)
		}
	}
	for i := range d.manual.Policies {
		d.manual.Policies[i].ID = uint32(i + 1)
	}
	var spd []sad.Policy
	for _, mp := range d.manual.Policies {
		spd = append(spd, mp.Policy)
	}
	if err := sad.ValidatePolicies(spd); err != nil {
		t.Error(err)
	}
}

func TestPoliciesAreForWhomUsersAreNow(t *testing.T) {
	doc := byHandOffice(t)
	doc.Policies = doc.Policies[1:] // without what goes past
	doc.Groups = []store.Group{{Name: "sales", Pools: []netip.Prefix{netip.MustParsePrefix("10.200.1.0/24")}}}
	doc.Policies[0].Destinations, doc.Policies[0].DestinationUsers = nil, []string{"alice"}
	doc.Policies[1].SourceGroups = []string{"sales"}
	phone := netip.MustParseAddr("10.200.0.7")
	d, err := compile(doc, world{holders: []store.Holder{{User: "alice", Address: phone}, {User: "bob", Group: "sales", Address: netip.MustParseAddr("10.200.0.8")}}}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	p := d.manual.Policies
	if len(p) != 2 || len(p[0].RemoteTS) != 1 || p[0].RemoteTS[0].First != phone || p[0].RemoteTS[0].Last != phone {
		t.Fatalf("%+v", p)
	}
	var far []string
	for _, s := range p[1].RemoteTS {
		far = append(far, s.String())
	}
	if !slices.Equal(far, []string{"10.77.0.0/16", "10.200.1.0/24", "10.200.0.8/32"}) {
		t.Errorf("the group is %v", far)
	}
	// What is for alice goes by the tunnel.
	if !slices.ContainsFunc(d.network.Routes, func(r network.Route) bool {
		return r.Device == tunnelDevice && r.Destination == netip.PrefixFrom(phone, 32)
	}) {
		t.Errorf("%+v", d.network.Routes)
	}
	// While she has no address there is no policy for her: none is not any.
	if d, err = compile(doc, world{}, 8443); err != nil || len(d.manual.Policies) != 1 || d.manual.Policies[0].Name != "in" {
		t.Errorf("%v %+v", err, d.manual.Policies)
	}
	if !namesPeople(doc) {
		t.Error("nobody would follow alice")
	}
}
