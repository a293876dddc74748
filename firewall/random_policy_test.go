package firewall

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// gamble makes policies and flows that have to do with each other: few
// addresses, ports and classes, so that rules overlap and packets meet them.
type gamble struct {
	*rand.Rand
	now time.Time
}

func pick[T any](g gamble, of ...T) T { return of[g.IntN(len(of))] }

// some is a few of a list, more often none.
func some[T any](g gamble, of ...T) (out []T) {
	for range pick(g, 0, 0, 0, 1, 1, 2, 3) {
		out = append(out, pick(g, of...))
	}
	return out
}

var gambleZones = []string{ZoneLAN, ZoneWAN, ZoneVPN, "guest", "users", "partners"}

// The hosts of the wired office: of every zone, those of the gateway last.
var (
	gambleHosts4 = []string{lanHost4, "10.1.0.9", wanHost4, peer4, "192.0.2.77", "10.9.0.2", "10.2.0.5", "10.2.9.5", "10.2.9.6", "10.2.8.5", "10.2.12.9", gatewayLAN4, gatewayWAN4, "10.9.0.1"}
	gambleHosts6 = []string{lanHost6, "fd00:1::9", wanHost6, peer6, "2001:db8:77::1", "fd00:9::2", "fd00:2::5", "fd00:2:9::5", "fd00:2:8::5", "fd00:2:8::6", gatewayLAN6, gatewayWAN6}
	gambleMACs   = []MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}}
	gambleDSCP   = []uint8{0, 10, 11, 12, 46, 63}
	gamblePorts  = []uint16{53, 80, 443, 5000, 8443, 500}
)

const gatewayHosts = 3 // at the end of gambleHosts4; one less of gambleHosts6

func (g gamble) host() netip.Addr {
	return netip.MustParseAddr(pick(g, pick(g, gambleHosts4...), pick(g, gambleHosts6...)))
}

func (g gamble) network() netip.Prefix {
	a := g.host()
	bits := a.BitLen()
	if a.Is4() {
		return netip.PrefixFrom(a, pick(g, bits, bits, 31, 24, 16, 8, 0)).Masked()
	}
	return netip.PrefixFrom(a, pick(g, bits, bits, 127, 64, 32, 0)).Masked()
}

func (g gamble) networks() (out []netip.Prefix) {
	for range pick(g, 0, 0, 0, 1, 1, 1, 2, 4) {
		out = append(out, g.network())
	}
	return out
}

func (g gamble) ranges() (out []Range) {
	for range pick(g, 0, 1, 2, 5) {
		n := g.network()
		out = append(out, Range{n.Addr(), lastOf(n)})
	}
	return out
}

func (g gamble) service() Service {
	switch s := (Service{Protocol: pick(g, AnyProtocol, TCP, UDP, UDP, ICMP, OtherProtocol)}); s.Protocol {
	case TCP, UDP:
		for range pick(g, 0, 1, 1, 2, 3) {
			first := pick(g, gamblePorts...)
			s.Ports = append(s.Ports, PortRange{first, first + pick[uint16](g, 0, 0, 30, 400)})
		}
		return s
	case ICMP:
		for range pick(g, 0, 1, 2, 3) {
			m := Message{V6: g.IntN(2) == 0, Code: pick(g, AnyCode, AnyCode, 0, 1)}
			m.Type = pick[uint8](g, 8, 13, 17)
			if m.V6 {
				m.Type = pick[uint8](g, 128, 144, 139)
			}
			s.Messages = append(s.Messages, m)
		}
		return s
	case OtherProtocol:
		for range 1 + g.IntN(3) {
			first := pick[uint8](g, 6, 17, 90, 99, 200, 253)
			s.Numbers = append(s.Numbers, NumberRange{first, first + pick[uint8](g, 0, 0, 1, 2)})
		}
		return s
	default:
		return s
	}
}

// times are some in which now is well within or well without: an hour at least.
func (g gamble) times() (out []TimeSpan) {
	whole := func(from, to int) (days []TimeSpan) {
		for d := from; d <= to; d++ {
			days = append(days, TimeSpan{(g.now.UTC().Weekday() + time.Weekday(7+d)) % 7, 0, lastSecond})
		}
		return days
	}
	for range pick(g, 0, 0, 0, 0, 1, 2) {
		out = append(out, pick(g, around(g.now, time.Hour, time.Hour), around(g.now, -time.Hour, 9*time.Hour), around(g.now, 40*time.Hour, -time.Hour),
			around(g.now, 30*time.Hour, 50*time.Hour), whole(-1, 1), whole(2, 4))...)
	}
	return out
}

func (g gamble) rule(id string) Rule {
	r := Rule{
		ID: id, From: pick(g, append(gambleZones, "", "")...), To: pick(g, append(gambleZones, ZoneGateway, "", "")...), Action: pick(g, Allow, Allow, Drop, Reject), Log: g.IntN(8) == 0,
		Sources: g.networks(), Destinations: g.networks(), SourceLists: some(g, "many", "none", "live"), DestinationLists: some(g, "many", "none", "live"),
	}
	for range pick(g, 0, 1, 1, 2, 3) {
		r.Services = append(r.Services, g.service())
	}
	if g.IntN(4) == 0 {
		r.DSCP = some(g, gambleDSCP...)
	}
	if slices.Contains([]string{ZoneLAN, ZoneWAN, "guest"}, r.From) && g.IntN(3) == 0 {
		r.SourceMACs = some(g, gambleMACs...)
	}
	r.Times = g.times()
	if r.Action == Allow && g.IntN(6) == 0 {
		r.Limit = Limit{Rate: 1_000_000, Per: time.Second, Burst: 65_535, Open: pick[uint32](g, 0, 100_000), PerSource: g.IntN(2) == 0}
	}
	return r
}

// policy is a random one; it may have a rule that can never match, which
// Compile refuses.
func (g gamble) policy() Policy {
	p := language()
	p.Rules, p.Defaults, p.AdminZones = nil, nil, some(g, "guest", "users", ZoneVPN)
	p.Masquerade = g.IntN(2) == 0
	p.IKE = []IKEPeer{{netip.MustParseAddr(peer4)}, {netip.MustParseAddr(peer6)}}
	p.Lists = []List{{ID: "many", Ranges: g.ranges()}, {ID: "none"}, {ID: "live", Live: true, Ranges: g.ranges()}}
	p.TunnelZones = []TunnelZone{
		{Zone: "users", Networks: prefixes("10.2.9.0/24"), Lists: some(g, "live", "many")},
		{Zone: "partners", Networks: prefixes("10.2.8.0/23", "fd00:2:8::/48"), Lists: some(g, "live", "none")},
	}
	for _, from := range gambleZones {
		for _, to := range append(gambleZones, ZoneGateway) {
			if action := pick(g, Allow, Drop, Reject); g.IntN(2) == 0 && (from != ZoneWAN || action != Allow) {
				p.Defaults = append(p.Defaults, Default{from, to, action})
			}
		}
	}
	for i := range pick(g, 0, 3, 6, 12, 20) {
		p.Rules = append(p.Rules, g.rule(fmt.Sprintf("rule-%d", i)))
	}
	if g.IntN(3) == 0 {
		p.Forwards = append(p.Forwards, Forward{ID: "forward", Protocols: []Protocol{TCP, UDP}, Ports: PortRange{80, 80}, To: netip.MustParseAddr(lanHost4), ToPort: pick[uint16](g, 0, 5000)},
			Forward{ID: "forward6", Protocols: []Protocol{UDP}, Ports: PortRange{400, 500}, To: netip.MustParseAddr("fd00:9::2"), SourceLists: some(g, "many")})
	}
	return p
}

// flow is a random one that no spoofing check refuses.
func (g gamble) flow() Flow {
	for {
		hosts, gateways := gambleHosts4, gatewayHosts
		if g.IntN(2) == 0 {
			hosts, gateways = gambleHosts6, gatewayHosts-1
		}
		f := Flow{
			Source: netip.MustParseAddr(pick(g, hosts[:len(hosts)-gateways]...)), Destination: netip.MustParseAddr(pick(g, hosts...)),
			Protocol: pick[uint8](g, 6, 17, 17, 1, 99, 200, 253), MAC: pick(g, gambleMACs...), DSCP: pick(g, gambleDSCP...),
		}
		if f.Source == f.Destination {
			continue
		}
		switch transport(f.Protocol) {
		case overTCP, overUDP:
			f.Port = pick(g, gamblePorts...)
		case overICMP:
			f.ICMPType, f.ICMPCode = pick[uint8](g, 8, 8, 13, 17), pick[uint8](g, 0, 0, 1)
			if f.Source.Is6() {
				f.Protocol, f.ICMPType = uint8(overICMPv6), pick[uint8](g, 128, 128, 139)
			}
		}
		return f
	}
}
