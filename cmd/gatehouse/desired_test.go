package main

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall"
	"gatehouse/network"
	"gatehouse/store"
)

func office(t testing.TB) store.Document {
	t.Helper()
	f, err := os.Open("../../docs/office.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := store.ParseDocument(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestAnOfficeBecomesInputsOfEachPackage(t *testing.T) {
	d, err := compile(office(t), world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.ipsec) != 1 || !d.ipsec[0].Initiate || d.ipsec[0].DPD != defaultDPD ||
		d.ipsec[0].Children[0].Lifetime != time.Hour || len(d.ipsec[0].IKE) == 0 || len(d.ipsec[0].Children[0].Suites) == 0 {
		t.Errorf("connections %+v", d.ipsec)
	}
	if got := d.firewall.IKE; len(got) != 1 || got[0].Peer != netip.MustParseAddr("198.51.100.2") {
		t.Errorf("IKE is open to %+v", got)
	}
	if !slices.Equal(d.firewall.AdminPorts, []uint16{8443, 22}) {
		t.Errorf("admin ports %v", d.firewall.AdminPorts)
	}
	// A network behind the tunnel has two routes: into the tunnel, and nowhere
	// if the tunnel's device is gone. Never the internet.
	remote := netip.MustParsePrefix("10.2.0.0/24")
	var into, nowhere bool
	for _, r := range d.network.Routes {
		if r.Destination != remote {
			continue
		}
		into = into || r.Device == tunnelDevice && r.Source == netip.MustParseAddr("10.1.0.1")
		nowhere = nowhere || r.Unreachable && r.Metric == fallbackMetric
	}
	if !into || !nowhere {
		t.Errorf("routes %+v", d.network.Routes)
	}
}

func TestASwitchedOffBranchKeepsItsGuard(t *testing.T) {
	doc := office(t)
	doc.Branches[0].Enabled = false
	d, err := compile(doc, world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.ipsec) != 0 || len(d.firewall.IKE) != 0 {
		t.Errorf("still open: %+v %+v", d.ipsec, d.firewall.IKE)
	}
	if len(d.firewall.Tunnels) != 1 {
		t.Error("its networks may leave in clear")
	}
	unreachable := slices.ContainsFunc(d.network.Routes, func(r network.Route) bool {
		return r.Unreachable && r.Destination == netip.MustParsePrefix("10.2.0.0/24")
	})
	into := slices.ContainsFunc(d.network.Routes, func(r network.Route) bool { return r.Device == tunnelDevice })
	if !unreachable || into {
		t.Errorf("routes %+v", d.network.Routes)
	}
}

func TestPeersByName(t *testing.T) {
	doc := office(t)
	doc.Branches[0].Peer = "leeds.example.net"
	known := resolved{"leeds.example.net": {netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:2::7")}}
	for name, c := range map[string]struct {
		peers resolved
		want  []firewall.IKEPeer
	}{
		"unknown opens nothing": {resolved{}, nil},
		"known opens those":     {known, []firewall.IKEPeer{{Peer: known["leeds.example.net"][0]}, {Peer: known["leeds.example.net"][1]}}},
	} {
		d, err := compile(doc, world{peers: c.peers}, 8443)
		if err != nil || !slices.Equal(d.firewall.IKE, c.want) {
			t.Errorf("%s: %+v %v", name, d.firewall.IKE, err)
		}
	}
	doc.Branches[0].Peer, doc.Branches[0].Start, doc.Branches[0].RemoteID = "", store.StartAnswer, "leeds.example.net"
	d, err := compile(doc, world{}, 8443)
	if err != nil || len(d.firewall.IKE) != 1 || d.firewall.IKE[0].Peer.IsValid() {
		t.Errorf("a caller from anywhere: %+v %v", d.firewall.IKE, err)
	}
}

func TestWhatCannotBeCompiledIsNamed(t *testing.T) {
	doc := office(t)
	doc.Branches[0].ESPProposals = []string{"rot13"}
	if _, err := compile(doc, world{}, 8443); err == nil || !strings.Contains(err.Error(), "branch leeds") || !strings.Contains(err.Error(), "rot13") {
		t.Errorf("%v", err)
	}
	doc = office(t)
	doc.Branches[0].RemoteID = "what is this"
	if _, err := compile(doc, world{}, 8443); err == nil || !strings.Contains(err.Error(), "remote identity") {
		t.Errorf("%v", err)
	}
}

// The store refuses what the firewall would refuse, before anything is applied.
func TestTheFirewallsOwnNamesAreRefusedEarly(t *testing.T) {
	counted := map[string]bool{}
	d, err := compile(office(t), world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"invalid", "unknown-device", "spoof-wan", "wan-default", "forward-default", "input-default",
		"leak", "admin-access", "ike", "allowed-lan-wan", "bogon", "bogon-out", "icmp-refused", "banned", "flood", "dhcp", "bogons", "no-mail-from-office", "spoofed", "ike-2"} {
		counted[id] = strings.Contains(d.ruleset.String(), "count_"+id)
		doc := office(t)
		doc.Firewall.Rules[0].Name = id
		if refused := doc.Validate() != nil; refused != firewall.Reserved(id) {
			t.Errorf("rule %s: the store refuses it %v, the firewall %v", id, refused, firewall.Reserved(id))
		}
	}
	for _, id := range []string{"wan-default", "leak", "ike", "no-mail-from-office"} {
		if !counted[id] {
			t.Errorf("%s is not counted", id)
		}
	}
}

func TestOnlyWhatWasRefusedIsBlocked(t *testing.T) {
	doc := office(t)
	doc.Firewall.Rules = append(doc.Firewall.Rules, store.Rule{Name: "let-in", Action: store.Allow})
	n := blocked([]firewall.Counter{
		{Rule: "wan-default", Packets: 1}, {Rule: "spoof-wan", Packets: 20}, {Rule: "no-mail-from-office", Packets: 300},
		{Rule: "ike", Packets: 4000}, {Rule: "allowed-lan-wan", Packets: 4000}, {Rule: "admin-access", Packets: 4000}, {Rule: "let-in", Packets: 4000},
	}, doc)
	if n != 321 {
		t.Errorf("%d", n)
	}
}

func TestNamedObjectsReachTheFirewall(t *testing.T) {
	doc := office(t)
	addr := netip.MustParseAddr
	doc.Zones = []store.NamedZone{{Name: "guest", Manage: true}, {Name: "cameras"}}
	doc.Interfaces = append(doc.Interfaces, store.Interface{Name: "guests", Device: "lan0.20", Zone: "guest", Addresses: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}})
	doc.Lists = []store.List{{Name: "blocked", Entries: []store.AddressRange{{First: addr("192.0.2.7"), Last: addr("192.0.2.9")}}}}
	doc.Services = []store.Service{{Name: "dns", Protocol: "tcp+udp", Ports: []store.PortRange{{First: 53, Last: 53}}}, {Name: "gre", Protocol: "47"}}
	doc.Firewall.Rules = append(doc.Firewall.Rules,
		store.Rule{Name: "named", From: "guest", To: store.ZoneWAN, DestinationLists: []string{"blocked"}, Services: []string{"dns", "gre"}, Action: store.Drop},
		store.Rule{Name: "switched-off", From: "guest", To: store.ZoneWAN, Action: store.Allow, Disabled: true})
	doc.Firewall.Forwards = []store.Forward{
		{Name: "web", Enabled: true, Protocol: "tcp", Ports: store.PortRange{First: 443, Last: 443}, To: store.Target{Addr: addr("10.9.0.7")}, ToPort: 8443},
		{Name: "sleeping", Protocol: "tcp", Ports: store.PortRange{First: 444, Last: 444}, To: store.Target{Addr: addr("10.9.0.7")}}}
	doc.Firewall.NAT = []store.NAT{
		{Name: "mail", Enabled: true, Action: store.NATSource, Sources: []store.Network{store.Fixed(netip.MustParsePrefix("10.1.0.25/32"))}, Address: addr("203.0.113.2")}}
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	d, err := compile(doc, world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	text := d.ruleset.String()
	for _, want := range []string{
		`ip daddr @list_blocked_4 tcp dport 53 `, `ip daddr @list_blocked_4 udp dport 53 `, `ip daddr @list_blocked_4 meta l4proto 47 `,
		`tcp dport 443 dnat ip to 10.9.0.7:8443 comment "web"`, `ip saddr 10.1.0.25 snat ip to 203.0.113.2 comment "mail"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the ruleset", want)
		}
	}
	for _, never := range []string{"switched-off", "sleeping"} {
		if strings.Contains(text, never) {
			t.Errorf("%s is in the ruleset", never)
		}
	}
	if !slices.Equal(d.firewall.AdminZones, []string{"guest"}) {
		t.Errorf("admin zones %v", d.firewall.AdminZones)
	}
}

func TestWhatIsNotCarriedOutIsRefused(t *testing.T) {
	for want, change := range map[string]func(*store.Document){
		"handing out addresses on interface office": func(d *store.Document) { d.DHCP = []store.DHCP{{Interface: "office", Enabled: true}} },
		"the name server of hq":                     func(d *store.Document) { d.DNS.Enabled = true },
	} {
		doc := office(t)
		change(&doc)
		if _, err := compile(doc, world{}, 8443); err == nil || !strings.HasPrefix(err.Error(), want+" is switched on") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
