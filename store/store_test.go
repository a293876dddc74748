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

func networks(texts ...string) []Network {
	var out []Network
	for _, t := range texts {
		n, err := ParseNetwork(t)
		if err != nil {
			panic(err)
		}
		out = append(out, n)
	}
	return out
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func ranges(texts ...string) []AddressRange {
	var out []AddressRange
	for _, s := range texts {
		r, err := ParseAddressRange(s)
		if err != nil {
			panic(err)
		}
		out = append(out, r)
	}
	return out
}

// everything is the example with at least one of each kind.
func everything(t testing.TB) Document {
	doc := example(t)
	addThings(&doc, rand.New(rand.NewPCG(1, 2)), func() int { return 2 })
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	return doc
}

// addThings adds objects of the kinds that a document may be without. It needs
// an interface of the zone wan with 203.0.113.2 and one called office with
// 10.1.0.1/24 for some of them.
func addThings(doc *Document, r *rand.Rand, some func() int) {
	choose := func(all ...string) string { return all[r.IntN(len(all))] }
	addr, key := netip.MustParseAddr, func(n int) Secret { return Secret(fmt.Sprintf("%0*x", 2*n, r.Uint64())) }
	for range some() {
		doc.Firewall.Protection = Guards{BogonsOff: r.IntN(2) == 0, BogonExceptions: prefixes("192.0.2.0/24"), Ping4: r.IntN(2) == 0, Ping6Off: r.IntN(2) == 0,
			LimitsOff: r.IntN(2) == 0, NewPerSecond: 50, NewBurst: 60, Open: 70, SYNProxyOff: r.IntN(2) == 0, BansOff: r.IntN(2) == 0,
			BanAfter: 5, BanMinutes: 30, NeverBanned: prefixes("198.51.100.0/24", "2001:db8::/32")}
		for i := range doc.Interfaces {
			doc.Interfaces[i].ReversePath = choose("", ReversePathStrict, ReversePathLoose, ReversePathOff)
		}
	}
	for i := range some() {
		doc.Zones = append(doc.Zones, NamedZone{Name: Zone(fmt.Sprintf("zone-%d", i)), Manage: r.IntN(2) == 0, Note: "of guests"})
		s := Schedule{Name: fmt.Sprintf("schedule-%d", i), From: "22:00", To: choose("06:30", "24:00"), Note: "at night"}
		if r.IntN(2) == 0 {
			s.Days = []string{"mon", "sun"}
		}
		doc.Schedules = append(doc.Schedules, s)
	}
	doc.System.TimeZone = choose("", "Europe/London")
	for i, b := range doc.Branches {
		doc.Children = append(doc.Children, Child{Name: fmt.Sprintf("child-%d", i), Enabled: r.IntN(2) == 0, Branch: b.Name, Protocol: "esp", Mode: "tunnel",
			LocalNetworks: prefixes("10.0.1.0/24"), RemoteNetworks: prefixes(fmt.Sprintf("10.%d.7.0/24", 100+i)), Proposals: []string{"aes256gcm16-ecp256"}, RekeySeconds: 600, Note: "more"})
		if _, err := netip.ParseAddr(b.Peer); err == nil {
			doc.Children = append(doc.Children, Child{Name: fmt.Sprintf("hosts-%d", i), Branch: b.Name, Protocol: choose("esp", "ah"), Mode: "transport"})
		}
	}
	for i := range some() {
		l := List{Name: fmt.Sprintf("list-%d", i), Note: "ü", Entries: ranges("192.0.2.0/24", "192.0.3.7-192.0.3.9", "2001:db8::/32")}
		l.Entries = l.Entries[r.IntN(2):]
		if r.IntN(2) == 0 {
			l.Names, l.Countries = []string{"www.example.org", "mail.example.org"}, []string{"NL", "DE"}
			l.URLs, l.RefreshMinutes = []string{"https://lists.example/drop.txt?a=1"}, 60
		}
		doc.Lists = append(doc.Lists, l)
		s := Service{Name: fmt.Sprintf("service-%d", i), Protocol: "tcp+udp", Ports: []PortRange{{53, 53}, {8000, 8100}}}
		if r.IntN(2) == 0 {
			s.Protocol, s.Ports = choose("47", "50-51,103", "icmp"), nil
		}
		if s.Protocol == "icmp" {
			s.Messages = []string{"echo-request", "icmp 3/4"}
		}
		doc.Services = append(doc.Services, s)
		doc.Firewall.Rules = append(doc.Firewall.Rules, Rule{Name: fmt.Sprintf("named-%d", i), From: ZoneLAN, To: ZoneWAN,
			SourceLists: []string{l.Name}, DestinationLists: []string{l.Name}, Services: []string{s.Name}, Action: Drop, Disabled: i == 1})
		f := Forward{Name: fmt.Sprintf("forward-%d", i), Enabled: r.IntN(2) == 0,
			Protocol: choose("tcp", "udp", "tcp+udp"), Ports: PortRange{uint16(80 + i), uint16(80 + i)}, ToPort: uint16(8080 * r.IntN(2)),
			Sources: prefixes("198.51.100.0/24"), SourceLists: []string{l.Name}, Log: true}
		for _, n := range doc.Interfaces {
			if n.Zone == ZoneLAN {
				f.To.Addr = n.Addresses[0].Addr().Next().Next()
			}
		}
		if f.To.Addr.IsValid() {
			doc.Firewall.Forwards = append(doc.Firewall.Forwards, f)
		}
		sa := ManualSA{Name: fmt.Sprintf("sa-%d", i), Direction: Out, Protocol: "esp", Mode: choose("tunnel", "transport"),
			Source: addr("203.0.113.2"), Destination: addr("198.51.100.9"), SPI: uint32(256 + i), Encryption: "aes256-cbc", EncryptionKey: key(32),
			Integrity: "hmac-sha256", IntegrityKey: key(32), ReplayWindow: 64 * r.IntN(2), ESN: r.IntN(2) == 0, UDPPort: uint16(4500 * r.IntN(2)),
			SoftHours: 100, HardHours: 200, SoftMegabytes: 1000, HardMegabytes: 2000, SoftPackets: 1 << 20, HardPackets: 1 << 21}
		next := sa
		next.Name, next.SPI, next.EncryptionKey, next.IntegrityKey = sa.Name+"-next", sa.SPI+1000, key(32), key(32)
		sa.Successor = next.Name
		doc.ManualSAs = append(doc.ManualSAs, sa, next)
		p := Policy{Name: fmt.Sprintf("policy-%d", i), Direction: Out, Protection: Protect, Sources: ranges("10.1.0.0/24", "10.1.2.3-10.1.2.9"),
			Destinations: ranges("10.77.0.0/24"), Services: []string{s.Name}, SourcePorts: []PortRange{{1024, 65535}}, Opaque: true,
			DSCP: []string{"ef", "10"}, FlowLabels: []uint32{7, 0xfffff}, SAs: []string{sa.Name}}
		if sa.Mode == "transport" {
			p.Sources, p.Destinations = ranges("203.0.113.2"), ranges("198.51.100.9")
		}
		label := Label{Name: fmt.Sprintf("label-%d", i), Enabled: r.IntN(2) == 0, Networks: ranges("10.1.0.0/24", "fd00:9::1-fd00:9::7"), Services: []string{s.Name},
			Algorithms: []string{"aes256gcm16", "ah-sha256"}, Note: "for few"}
		doc.Labels, p.Labels = append(doc.Labels, label), []string{label.Name}
		if sa.Mode == "tunnel" && i > 0 { // nothing but people use the first group
			p.SourceGroups, p.DestinationGroups = []string{fmt.Sprintf("group-%d", i)}, []string{fmt.Sprintf("group-%d", i)}
		}
		doc.Policies = append(doc.Policies, p)
		doc.Groups = append(doc.Groups, Group{Name: fmt.Sprintf("group-%d", i), Pools: prefixes(fmt.Sprintf("10.200.%d.0/24", i)),
			Networks: prefixes("10.1.0.0/24"), DNS: []netip.Addr{addr("10.1.0.1")}, Domains: []string{"office.example"}})
		doc.Reservations = append(doc.Reservations, Reservation{Name: fmt.Sprintf("printer-%d", i), MAC: fmt.Sprintf("02:00:00:00:00:%02x", i), Address: addr(fmt.Sprintf("10.1.0.%d", 200+i))})
		doc.Hosts = append(doc.Hosts, Host{Name: fmt.Sprintf("host-%d", i), Addresses: []netip.Addr{addr("10.1.0.8"), addr("fd00:1::8")}})
	}
	if r.IntN(2) == 0 {
		doc.DNS = DNS{r.IntN(2) == 0, "office.example", []netip.Addr{addr("9.9.9.9")}}
	}
	for i, n := range doc.Interfaces {
		if n.Zone == ZoneLAN {
			host := Target{n.Name, addr("::80")}
			doc.Lists = append(doc.Lists, List{Name: "behind-" + n.Name, Entries: ranges("192.0.2.9"), Following: networks(n.Name+"+::80", n.Name+"+::1:0/112")})
			doc.Firewall.Rules = append(doc.Firewall.Rules, Rule{Name: "to-" + n.Name, From: ZoneVPN, To: ZoneLAN, Action: Allow,
				Sources: networks("2001:db8:9::/48"), Destinations: networks(n.Name+"+::/64", "fd00:9::/64")})
			doc.Firewall.Forwards = append(doc.Firewall.Forwards, Forward{Name: "six-" + n.Name, Protocol: "tcp", Ports: PortRange{25, 25}, To: host})
			doc.Firewall.NAT = append(doc.Firewall.NAT, NAT{Name: "prefix-" + n.Name, Enabled: true, Action: NATPrefix,
				Sources: networks(n.Name + "+::/64"), Network: networks(fmt.Sprintf("2001:db8:77:%x::/64", i))[0]})
		}
		for _, a := range n.Addresses {
			switch {
			case n.Zone == ZoneWAN && a.Addr().Is4():
				doc.Firewall.NAT = append(doc.Firewall.NAT,
					NAT{Name: "mail-" + n.Name, Enabled: true, Action: NATSource, Sources: networks("10.1.0.25/32"), Address: a.Addr()},
					NAT{Name: "exempt-" + n.Name, Action: NATExempt, Sources: networks("10.1.0.0/24"), Destinations: networks("10.9.0.0/16")})
			case n.Zone == ZoneLAN && a.Addr().Is4() && len(doc.DHCP) < some():
				first := a.Masked().Addr().Next().Next()
				doc.DHCP = append(doc.DHCP, DHCP{n.Name, r.IntN(2) == 0, first, first.Next(), 3600, []netip.Addr{addr("10.1.0.1")}})
			}
		}
	}
}

// addLanguage adds zones and rules that say all that can be said without people,
// about what is in the document already.
func addLanguage(doc *Document, r *rand.Rand) {
	whole := Rule{Name: "whole", From: ZoneLAN, To: ZoneVPN, SourceMACs: []string{"02:00:5e:10:00:01"}, DSCP: []string{"ef", "12"},
		LimitRate: 10, LimitPer: []string{"second", "day"}[r.IntN(2)], LimitBurst: 5, LimitOpen: 100, LimitPerSource: true, Action: Allow}
	for _, s := range doc.Schedules {
		whole.Schedules = append(whole.Schedules, s.Name)
	}
	for _, b := range doc.Branches {
		whole.SourceBranches, whole.DestinationBranches = append(whole.SourceBranches, b.Name), []string{b.Name}
	}
	for i, g := range doc.Groups {
		z := NamedZone{Name: Zone("behind-" + g.Name), Groups: []string{g.Name}}
		if i < len(doc.Branches) {
			z.Branches = []string{doc.Branches[i].Name}
		}
		doc.Zones = append(doc.Zones, z)
		doc.Firewall.Rules = append(doc.Firewall.Rules, Rule{Name: "of-" + g.Name, From: z.Name, To: ZoneLAN,
			SourceGroups: []string{g.Name}, DestinationGroups: []string{g.Name}, Action: Reject})
	}
	doc.Firewall.Rules = append(doc.Firewall.Rules, whole)
}

// generated is a valid document made of a seed.
func generated(seed uint64) Document {
	r := rand.New(rand.NewPCG(seed, 1))
	doc := Document{Version: 1, System: System{Name: fmt.Sprintf("gw%d", seed)}}
	doc.Firewall.Masquerade = r.IntN(2) == 0
	doc.Firewall.OffloadOff = r.IntN(2) == 0
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
			rule.Sources = networks("192.0.2.0/24", "2001:db8::/32")
		}
		doc.Firewall.Rules = append(doc.Firewall.Rules, rule)
	}
	ike := []string{"aes256gcm16-x25519", "aes128gcm16-prfsha384-ecp384", "aes256-sha256-modp2048"}
	esp := []string{"aes256gcm16", "aes128gcm16-x25519", "aes256-sha256"}
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
		if r.IntN(3) == 0 {
			b.PPKID, b.PPK, b.PPKOptional = "vault", Secret(fmt.Sprintf("a post-quantum key of enough bytes, %d", i)), r.IntN(2) == 0
		}
		if r.IntN(2) == 0 {
			b.Algorithms = AlgorithmsLegacy
			b.IKEProposals, b.ESPProposals = ike[:1+r.IntN(3)], esp[:1+r.IntN(3)]
		}
		doc.Branches = append(doc.Branches, b)
	}
	addThings(&doc, r, func() int { return r.IntN(4) })
	addLanguage(&doc, r)
	return doc
}

// rangeOf is one IPv4 address.
func rangeOf(a [4]byte) AddressRange {
	addr := netip.AddrFrom4(a)
	return AddressRange{addr, addr}
}
