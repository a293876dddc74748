package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/network"
	"gatehouse/store"
)

func ranges(t *testing.T, texts ...string) (out []store.AddressRange) {
	t.Helper()
	for _, text := range texts {
		r, err := store.ParseAddressRange(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// byHandOffice joins the office with a network behind 198.51.100.9, by hand.
func byHandOffice(t *testing.T) store.Document {
	t.Helper()
	doc := office(t)
	doc.Branches = nil
	wan := netip.Addr{}
	for _, i := range doc.Interfaces {
		if i.Zone == store.ZoneWAN {
			wan = i.Addresses[0].Addr()
		}
	}
	peer := netip.MustParseAddr("198.51.100.9")
	key := func(b string) store.Secret { return store.Secret(strings.Repeat("0f1e2d3c4b5a6978", 4)[2:] + b) }
	out := store.ManualSA{Name: "out", Enabled: true, Direction: store.Out, Protocol: "esp", Mode: "tunnel", Source: wan, Destination: peer,
		SPI: 0x1001, Encryption: "aes256-cbc", EncryptionKey: key("01"), Integrity: "hmac-sha256", IntegrityKey: key("02"), HardHours: 48}
	in := out
	in.Name, in.Direction, in.Source, in.Destination, in.SPI = "in", store.In, peer, wan, 0x1002
	in.EncryptionKey, in.IntegrityKey, in.HardHours = key("03"), key("04"), 0
	doc.ManualSAs = []store.ManualSA{out, in}
	doc.Policies = []store.Policy{
		{Name: "past", Enabled: true, Direction: store.Out, Protection: store.Bypass, Destinations: ranges(t, "10.77.5.0/24")},
		{Name: "out", Enabled: true, Direction: store.Out, Protection: store.Protect, Sources: ranges(t, "10.1.0.0/24"),
			Destinations: ranges(t, "10.77.0.0/16"), SAs: []string{"out"}},
		{Name: "in", Enabled: true, Direction: store.In, Protection: store.Protect, Sources: ranges(t, "10.77.0.0/16"),
			Destinations: ranges(t, "10.1.0.0/24"), SAs: []string{"in"}},
	}
	return doc
}

func TestWhatIsMadeByHandIsTranslated(t *testing.T) {
	doc := byHandOffice(t)
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	d, err := compile(doc, world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	p := d.manual.Policies
	if len(p) != 3 || p[0].Action != sad.Bypass || p[1].Way != sad.Outward || p[2].Way != sad.Inward {
		t.Fatalf("%+v", p)
	}
	out, in := p[1].SAs[0], p[2].SAs[0]
	if out.Remote != netip.MustParseAddr("198.51.100.9") || in.Remote != out.Remote || in.Local != out.Local ||
		in.ReplayWindow != 64 || out.Lifetime.Hard.Time != 48*time.Hour || !out.Lifetime.Terminate || out.Suite.String() != "aes256-sha256" {
		t.Errorf("%s %s %+v", out, in, out.Lifetime)
	}
	if got := p[2].LocalTS[0].String(); got != "10.1.0.0/24" {
		t.Errorf("inward, this side is %s", got)
	}
	// The peer may send ESP and AH, and what is protected cannot go otherwise.
	if len(d.firewall.IKE) != 1 || d.firewall.IKE[0].Peer != out.Remote || len(d.firewall.Tunnels) != 2 {
		t.Errorf("%+v %+v", d.firewall.IKE, d.firewall.Tunnels)
	}
	through := 0
	for _, r := range d.network.Routes {
		if r.Destination.Contains(netip.MustParseAddr("10.77.9.9")) && r.Device == tunnelDevice && r.Table == 0 {
			through++
		}
	}
	if through == 0 || len(d.network.Rules) != 0 {
		t.Errorf("%d routes, rules %+v", through, d.network.Rules)
	}
}

func TestAHostItselfIsReachedThroughATableOfItsOwn(t *testing.T) {
	doc := byHandOffice(t)
	peer, wan := doc.ManualSAs[0].Destination, doc.ManualSAs[0].Source
	doc.ManualSAs[0].Mode, doc.ManualSAs[1].Mode = "transport", "transport"
	doc.Policies = doc.Policies[1:]
	doc.Policies[0].Sources, doc.Policies[0].Destinations = ranges(t, wan.String()), ranges(t, peer.String())
	doc.Policies[1].Sources, doc.Policies[1].Destinations = doc.Policies[0].Destinations, doc.Policies[0].Sources
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	d, err := compile(doc, world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.network.Rules) != 1 || !d.network.Rules[0].Not || d.network.Rules[0].Mark != engineMark {
		t.Errorf("%+v", d.network.Rules)
	}
	if !slices.ContainsFunc(d.network.Routes, func(r network.Route) bool {
		return r.Table == peerTable && r.Device == tunnelDevice && r.Source == wan && r.Destination == netip.PrefixFrom(peer, 32)
	}) {
		t.Errorf("%+v", d.network.Routes)
	}
}

// TestTheStoreKnowsTheAlgorithms compares its names and lengths with those of
// the package that does the work.
func TestTheStoreKnowsTheAlgorithms(t *testing.T) {
	encryption, integrity := store.AlgorithmsByHand()
	for _, e := range crypto.Encryptions() {
		for _, name := range []string{e.Name, e.Name + "-cbc"} {
			length, known := encryption[name]
			if known && (e.Counter || length != e.Key) {
				t.Errorf("%s: %d bytes, %+v", name, length, e)
			}
			delete(encryption, name)
			if known {
				break
			}
			if name == e.Name+"-cbc" && !e.Counter {
				t.Errorf("%s is not known to the store", e.Name)
			}
		}
	}
	for _, i := range crypto.Integrities() {
		length, known := integrity["hmac-"+i.Name]
		if known == i.Counter || known && length != i.Key {
			t.Errorf("%s: %v, %d bytes, %+v", i.Name, known, length, i)
		}
		delete(integrity, "hmac-"+i.Name)
	}
	if len(encryption)+len(integrity) > 0 {
		t.Errorf("only the store knows %v %v", encryption, integrity)
	}
}

func TestSelectorsSayAllThatAPolicyDoes(t *testing.T) {
	doc := byHandOffice(t)
	doc.Services = []store.Service{
		{Name: "web", Protocol: "tcp", Ports: []store.PortRange{{First: 80, Last: 80}, {First: 443, Last: 444}}},
		{Name: "gre", Protocol: "47,50-51"}, {Name: "ping", Protocol: "icmp", Messages: []string{"echo-request"}},
	}
	p := &doc.Policies[1]
	p.Services, p.SourcePorts, p.Opaque = []string{"web", "gre", "ping"}, []store.PortRange{{First: 1024, Last: 65535}}, true
	p.DSCP, p.FlowLabels = []string{"ef"}, []uint32{7}
	p.Destinations = ranges(t, "10.77.0.1", "10.77.0.5-10.77.0.9")
	d, err := compile(doc, world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	got := d.manual.Policies[1]
	var text []string
	for _, s := range append(got.LocalTS, got.RemoteTS...) {
		text = append(text, s.String())
	}
	all := strings.Join(text, "\n")
	for _, want := range []string{"10.1.0.0/24 protocol 6 ports 1024-65535", "10.1.0.0/24 protocol 6 ports 65535-0", "10.77.0.1/32 protocol 6 ports 80-80",
		"10.77.0.5-10.77.0.9 protocol 6 ports 443-444", "10.77.0.1/32 protocol 50", "10.77.0.1/32 protocol 1 ports 2048-2303"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if strings.Contains(all, "protocol 58") || !slices.Equal(got.Class.DSCP, []uint8{46}) || !slices.Equal(got.Class.FlowLabels, []uint32{7}) {
		t.Errorf("%s %+v", all, got.Class)
	}
}
