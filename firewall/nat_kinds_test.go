package firewall

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The outside networks that the provider routes to the small office.
const outside4, outside6 = "198.51.100.16/28", "2001:db8:77::/48"

// translating is the small office with every kind of NAT in both families. The
// last entry wants to change everything that is left.
func (o *smallOffice) translating() Policy {
	p := o.policy()
	addr := netip.MustParseAddr
	p.Rules = append(p.Rules, Rule{ID: "servers", From: ZoneWAN, To: ZoneLAN, Protocol: TCP, Ports: []PortRange{{25, 25}}, Action: Allow})
	p.Interfaces[0].Addresses = append(p.Interfaces[0].Addresses, prefixes("203.0.113.3/24", "203.0.113.4/24", "2001:db8:1::3/64", "2001:db8:1::4/64")...)
	p.Forwards = []Forward{
		{ID: "web", Protocols: []Protocol{TCP}, Ports: PortRange{80, 80}, To: addr(lanHost4), ToPort: 8080},
		{ID: "six", Protocols: []Protocol{TCP}, Ports: PortRange{80, 80}, To: addr(lanHost6), ToPort: 8080},
		{ID: "many", Protocols: []Protocol{TCP}, Ports: PortRange{20000, 29999}, To: addr(lanHost4), ToPort: 40000},
		{ID: "many-six", Protocols: []Protocol{TCP}, Ports: PortRange{20000, 29999}, To: addr(lanHost6), ToPort: 40000},
	}
	p.NAT = []NAT{
		{ID: "bare", Exempt: true, Sources: prefixes("10.1.0.40/32", "fd00:1:0:1::40/128")},
		{ID: "host", Outside: netip.MustParsePrefix("203.0.113.4/32"), Sources: prefixes("10.1.0.30/32")},
		{ID: "host-six", Outside: netip.MustParsePrefix("2001:db8:1::4/128"), Sources: prefixes("fd00:1::30/128")},
		{ID: "block", Outside: netip.MustParsePrefix(outside4), Sources: prefixes("10.1.0.16/28")},
		{ID: "npt", Outside: netip.MustParsePrefix(outside6), Sources: prefixes("fd00:1::/48"), Destinations: prefixes("2001:db8:1::9/128")},
		{ID: "all", Address: addr("203.0.113.3")},
		{ID: "all-six", Address: addr("2001:db8:1::3")},
	}
	return p
}

func newTranslatingOffice(t *testing.T) (*smallOffice, *Decider) {
	o := newSmallOffice(t)
	for _, a := range []string{"10.1.0.3", "10.1.0.17", "10.1.0.30", "10.1.0.40"} {
		o.lan.sh("ip addr add %s/24 dev eth0", a)
	}
	for _, a := range []string{"fd00:1::3", "fd00:1::30"} {
		o.lan.sh("ip addr add %s/64 dev eth0 nodad", a)
	}
	o.gateway.sh("for a in 203.0.113.3/24 203.0.113.4/24 2001:db8:1::3/64 2001:db8:1::4/64; do ip addr add $a dev wan0 nodad; done")
	o.wan.sh("ip -4 route add %s via %s; ip -6 route add %s via %s", outside4, gatewayWAN4, outside6, gatewayWAN6)
	o.apply(o.translating())
	d, err := NewDecider(o.translating())
	if err != nil {
		t.Fatal(err)
	}
	return o, d
}

// TestEveryKindOfNATInBothFamilies opens a connection for each kind, whose
// answer must come back, and says the same of it by the decider.
func TestEveryKindOfNATInBothFamilies(t *testing.T) {
	o, d := newTranslatingOffice(t)
	for _, row := range []struct {
		name         string
		from         *space
		src          string
		target       string
		port         int
		to           *space
		listen, seen string // seen empty: must not open
		leaves       string // the ID that changed the source
	}{
		{"a host of the network leaves under its address outside", o.lan, "10.1.0.17", wanHost4, 5000, o.wan, at(wanHost4, 5000), "198.51.100.17", "block"},
		{"prefix translation keeps the host's part", o.lan, lanHost6, wanHost6, 5000, o.wan, at(wanHost6, 5000), "2001:db8:77::2", "npt"},
		{"one-to-one", o.lan, "10.1.0.30", wanHost4, 5000, o.wan, at(wanHost4, 5000), "203.0.113.4", "host"},
		{"one-to-one over IPv6", o.lan, "fd00:1::30", wanHost6, 5000, o.wan, at(wanHost6, 5000), "2001:db8:1::4", "host-six"},
		{"source NAT", o.lan, lanHost4, wanHost4, 5000, o.wan, at(wanHost4, 5000), "203.0.113.3", "all"},
		{"source NAT over IPv6, where the prefix is for another destination", o.lan, lanHost6, peer6, 5000, o.wan, at(peer6, 5000), "2001:db8:1::3", "all-six"},
		{"exempt", o.lan, "10.1.0.40", wanHost4, 5000, o.wan, at(wanHost4, 5000), "10.1.0.40", "bare"},
		{"the gateway's own outside address is kept", o.gateway, gatewayWAN4, wanHost4, 5000, o.wan, at(wanHost4, 5000), gatewayWAN4, ""},
		{"also over IPv6", o.gateway, gatewayWAN6, wanHost6, 5000, o.wan, at(wanHost6, 5000), gatewayWAN6, ""},

		{"a stranger reaches a host of the network by a rule", o.wan, wanHost4, "198.51.100.17", 25, o.lan, at("10.1.0.17", 25), wanHost4, ""},
		{"and not without one", o.wan, wanHost4, "198.51.100.17", 26, o.lan, at("10.1.0.17", 26), "", ""},
		{"nor an address beside the network", o.wan, wanHost4, "203.0.113.3", 25, o.lan, at(lanHost4, 25), "", ""},
		{"a stranger reaches a host behind the translated prefix by a rule", o.wan, wanHost6, "2001:db8:77::3", 25, o.lan, at("fd00:1::3", 25), wanHost6, ""},
		{"and not without one, over IPv6", o.wan, wanHost6, "2001:db8:77::3", 26, o.lan, at("fd00:1::3", 26), "", ""},
		{"a one-to-one host over IPv6 by a rule", o.wan, wanHost6, "2001:db8:1::4", 25, o.lan, at("fd00:1::30", 25), wanHost6, ""},

		{"a forward from the host's own network", o.lan, "10.1.0.3", gatewayWAN4, 80, o.lan, at(lanHost4, 8080), gatewayLAN4, "web"},
		{"over IPv6", o.lan, "fd00:1::3", gatewayWAN6, 80, o.lan, at(lanHost6, 8080), gatewayLAN6, "six"},
		{"from another zone", o.branch, branchHost4, gatewayWAN4, 80, o.lan, at(lanHost4, 8080), branchHost4, ""},
		{"from another zone over IPv6", o.branch, branchHost6, gatewayWAN6, 80, o.lan, at(lanHost6, 8080), branchHost6, ""},
		{"a one-to-one host from its own network", o.lan, "10.1.0.3", "203.0.113.4", 26, o.lan, at("10.1.0.30", 26), gatewayLAN4, "host"},
		{"over IPv6 from its own network", o.lan, "fd00:1::3", "2001:db8:1::4", 26, o.lan, at("fd00:1::30", 26), gatewayLAN6, "host-six"},
		{"a one-to-one host from itself", o.lan, "10.1.0.30", "203.0.113.4", 26, o.lan, at("10.1.0.30", 26), gatewayLAN4, "host"},
		{"a host of the network from beside it", o.lan, "10.1.0.3", "198.51.100.17", 26, o.lan, at("10.1.0.17", 26), gatewayLAN4, "block"},
		{"a host behind the translated prefix from beside it", o.lan, lanHost6, "2001:db8:77::3", 26, o.lan, at("fd00:1::3", 26), gatewayLAN6, "npt"},
		{"a one-to-one host from another zone by a rule", o.branch, branchHost4, "203.0.113.4", 8080, o.lan, at("10.1.0.30", 8080), branchHost4, ""},
		{"and not without one from another zone", o.branch, branchHost4, "203.0.113.4", 26, o.lan, at("10.1.0.30", 26), "", ""},
		{"the translated prefix from another zone by a rule", o.branch, branchHost6, "2001:db8:77::3", 8080, o.lan, at("fd00:1::3", 8080), branchHost6, ""},
		{"and not without one from another zone over IPv6", o.branch, branchHost6, "2001:db8:77::3", 26, o.lan, at("fd00:1::3", 26), "", ""},

		{"the last of ten thousand ports that move", o.wan, wanHost4, gatewayWAN4, 29999, o.lan, at(lanHost4, 49999), wanHost4, ""},
		{"over IPv6 the first", o.wan, wanHost6, gatewayWAN6, 20000, o.lan, at(lanHost6, 40000), wanHost6, ""},
		{"the port behind them stays shut", o.wan, wanHost4, gatewayWAN4, 30000, o.lan, at(lanHost4, 50000), "", ""},

		{"into the tunnel nothing is changed", o.lan, lanHost4, branchHost4, 5000, o.branch, at(branchHost4, 5000), lanHost4, ""},
		{"not a one-to-one host", o.lan, "10.1.0.30", branchHost4, 5000, o.branch, at(branchHost4, 5000), "10.1.0.30", ""},
		{"not a translated prefix", o.lan, lanHost6, branchHost6, 5000, o.branch, at(branchHost6, 5000), lanHost6, ""},
		{"not the gateway itself", o.gateway, gatewayLAN4, branchHost4, 5000, o.branch, at(branchHost4, 5000), gatewayLAN4, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := Flow{Source: netip.MustParseAddr(row.src), Destination: netip.MustParseAddr(row.target), Protocol: 6, Port: uint16(row.port)}
			f = d.Lead(f)
			action, by := d.Decide(f)
			left, id := d.Leave(f)
			seen, err := o.dial(row.from, row.src, at(row.target, row.port), row.to, row.listen)
			if row.seen == "" {
				if err == nil || action == Allow {
					t.Errorf("opened: %v (seen from %s); the decider says %s by %q", err == nil, seen, action, by)
				}
				return
			}
			if err != nil || seen.String() != row.seen {
				t.Errorf("seen from %s instead of %s (%v)", seen, row.seen, err)
			}
			if action != Allow || left.Source.String() != row.seen || id != row.leaves || netip.AddrPortFrom(left.Destination, left.Port).String() != row.listen {
				t.Errorf("the decider says %s by %q, %+v by %q", action, by, left, id)
			}
		})
	}
}

// TestTranslatedChecksumsAreRight sends datagrams whose checksum no device
// makes good: the kernel has to correct it where it changes an address, because
// it leaves the host's part as it is.
func TestTranslatedChecksumsAreRight(t *testing.T) {
	o, _ := newTranslatingOffice(t)
	for _, row := range []struct {
		name, src, to, seen string
		wrong               uint16
		arrives             bool
	}{
		{"IPv4", "10.1.0.17", wanHost4, "198.51.100.17", 0, true},
		{"IPv6", lanHost6, wanHost6, "2001:db8:77::2", 0, true},
		{"a wrong one stays wrong", lanHost6, wanHost6, "2001:db8:77::2", 1, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var server *net.UDPConn
			var err error
			o.wan.do(func() { server, err = net.ListenUDP("udp", udpAddr(row.to, 5000)) })
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			src, dst := netip.MustParseAddr(row.src), netip.MustParseAddr(row.to)
			network := "ip4:udp"
			if src.Is6() {
				network = "ip6:udp"
			}
			o.lan.do(func() {
				var c *net.IPConn
				if c, err = net.DialIP(network, &net.IPAddr{IP: src.AsSlice()}, &net.IPAddr{IP: dst.AsSlice()}); err == nil {
					_, err = c.Write(datagramOf(src, dst, 4000, 5000, "hello", row.wrong))
					c.Close()
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			server.SetReadDeadline(time.Now().Add(patience))
			_, from, err := server.ReadFromUDPAddrPort(make([]byte, 16))
			if arrived := err == nil; arrived != row.arrives || arrived && from.Addr().Unmap().String() != row.seen {
				t.Errorf("arrived: %v, from %s", arrived, from)
			}
		})
	}
}

// datagramOf is UDP with its checksum (RFC 768), made wrong by so much.
func datagramOf(src, dst netip.Addr, from, to uint16, text string, wrong uint16) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from), to)
	b = append(binary.BigEndian.AppendUint16(b, uint16(8+len(text))), 0, 0)
	b = append(b, text...)
	pseudo := append(append(src.AsSlice(), dst.AsSlice()...), 0, 17, 0, byte(len(b)))
	sum := uint32(0)
	for i, c := range append(pseudo, b...) {
		sum += uint32(c) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[6:], ^uint16(sum)+wrong)
	return b
}

func TestNATThatCannotBeIsRefused(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	for want, entries := range map[string][]NAT{
		"NAT n: 203.0.113.200 is not a wan address of the gateway":                   {{ID: "n", Address: addr("203.0.113.200")}},
		"NAT n: 203.0.113.16 is in the network of wan0 and not a wan address":        {{ID: "n", Outside: prefix("203.0.113.16/28"), Sources: prefixes("10.1.0.16/28")}},
		"NAT n: 2001:db8:1:: is in the network of wan0 and not a wan address":        {{ID: "n", Outside: prefix("2001:db8:1::/64"), Sources: prefixes("fd00:1::/64")}},
		"NAT n: 198.51.100.4 is not a wan address of the gateway":                    {{ID: "n", Outside: prefix("198.51.100.4/32"), Sources: prefixes("10.1.0.30/32")}},
		"NAT n: 10.1.0.30/32 and 198.51.100.16/28 are not networks of one length":    {{ID: "n", Outside: prefix("198.51.100.16/28"), Sources: prefixes("10.1.0.30/32")}},
		"NAT n: fd00:1::/64 and 198.51.100.16/28 are not networks of one length":     {{ID: "n", Outside: prefix("198.51.100.16/28"), Sources: prefixes("fd00:1::/64")}},
		"NAT n: 198.51.100.16/28 stands for one network inside, and here are 0":      {{ID: "n", Outside: prefix("198.51.100.16/28")}},
		"NAT n: 198.51.100.17/28 is not a network":                                   {{ID: "n", Outside: prefix("198.51.100.17/28"), Sources: prefixes("10.1.0.16/28")}},
		"NAT n: 10.77.0.16/28 is in no network behind this gateway":                  {{ID: "n", Outside: prefix("198.51.100.16/28"), Sources: prefixes("10.77.0.16/28")}},
		"NAT n: 10.2.0.16/28 is in no network behind this gateway":                   {{ID: "n", Outside: prefix("198.51.100.16/28"), Sources: prefixes("10.2.0.16/28")}},
		"NAT n: 10.1.0.1 is the gateway itself":                                      {{ID: "n", Outside: prefix("203.0.113.2/32"), Sources: prefixes("10.1.0.1/32")}},
		"NAT n: 10.1.0.32/28 is inside: lan0 has the network 10.1.0.0/24":            {{ID: "n", Outside: prefix("10.1.0.32/28"), Sources: prefixes("10.1.0.16/28")}},
		"NAT n: an address or a network outside, not both":                           {{ID: "n", Address: addr(gatewayWAN4), Outside: prefix("198.51.100.16/28")}},
		"NAT n: exempt leaves the source as it is":                                   {{ID: "n", Exempt: true, Outside: prefix("198.51.100.16/28")}},
		"NAT n: its network 198.51.100.16/29 overlaps 198.51.100.16/28 of NAT first": {{ID: "first", Outside: prefix("198.51.100.16/28"), Sources: prefixes("10.1.0.16/28")}, {ID: "n", Outside: prefix("198.51.100.16/29"), Sources: prefixes("10.1.0.32/29")}},
		`NAT "n": an ID is 1 to 40 of a-z, 0-9 and -, used once`:                     {{ID: "n", Exempt: true}, {ID: "n", Exempt: true}},
	} {
		p := office()
		p.NAT = entries
		if _, err := Compile(p); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
