package firewall

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
)

// named is the small office with lists, services, port forwards and NAT.
func (o *smallOffice) named() Policy {
	p := o.policy()
	addr := netip.MustParseAddr
	p.Lists = []List{{ID: "friends", Ranges: []Range{{addr(peer4), addr(peer4)}, {addr(peer6), addr(peer6)}}}, {ID: "nobody"}}
	p.Rules = append(p.Rules,
		Rule{ID: "no-entry", From: ZoneWAN, To: ZoneLAN, Services: []Service{{Protocol: TCP, Ports: []PortRange{{7070, 7070}}}}, Action: Drop},
		Rule{ID: "empty", From: ZoneVPN, To: ZoneLAN, SourceLists: []string{"nobody"}, Action: Allow},
		Rule{ID: "server", From: ZoneWAN, To: ZoneLAN, Destinations: prefixes("10.1.0.30/32"), Services: []Service{{Protocol: UDP, Ports: []PortRange{{53, 53}}}, {Protocol: TCP, Ports: []PortRange{{25, 25}}}}, Action: Allow},
	)
	p.Forwards = []Forward{
		{ID: "web", Protocols: []Protocol{TCP}, Ports: PortRange{80, 80}, To: addr(lanHost4), ToPort: 8080},
		{ID: "six", Protocols: []Protocol{TCP}, Ports: PortRange{80, 80}, To: addr(lanHost6), ToPort: 8080},
		{ID: "range", Protocols: []Protocol{TCP, UDP}, Ports: PortRange{6000, 6010}, To: addr(lanHost4)},
		{ID: "moved", Protocols: []Protocol{TCP}, Ports: PortRange{6100, 6102}, To: addr(lanHost4), ToPort: 6200},
		{ID: "friends-only", Protocols: []Protocol{TCP}, Ports: PortRange{2222, 2222}, To: addr(lanHost4), SourceLists: []string{"friends"}},
		{ID: "refused", Protocols: []Protocol{TCP}, Ports: PortRange{7070, 7070}, To: addr(lanHost4)},
	}
	p.Interfaces[0].Addresses = append(p.Interfaces[0].Addresses, netip.MustParsePrefix("203.0.113.3/24"), netip.MustParsePrefix("203.0.113.4/24"))
	p.NAT = []NAT{
		{ID: "bare", Exempt: true, Sources: prefixes("10.1.0.40/32")},
		{ID: "mail", Address: addr("203.0.113.3"), Sources: prefixes("10.1.0.25/32")},
		{ID: "one", Outside: single(addr("203.0.113.4")), Sources: prefixes("10.1.0.30/32")},
	}
	return p
}

// dial opens TCP to one address while a host listens on another.
func (o *smallOffice) dial(from *space, src, target string, to *space, listen string) (seen netip.Addr, err error) {
	o.t.Helper()
	c, s, err := o.connectionTo(from, src, target, to, listen)
	if err != nil {
		return netip.Addr{}, err
	}
	return s.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(), talks(c, s)
}

func at(host string, port int) string { return net.JoinHostPort(host, fmt.Sprint(port)) }

func TestPortForwards(t *testing.T) {
	o := newSmallOffice(t)
	o.lan.hasAddress("10.1.0.3/32")
	o.lan.sh("ip addr del 10.1.0.3/32 dev lo; ip addr add 10.1.0.3/24 dev eth0")
	o.gateway.sh("ip addr add 203.0.113.3/24 dev wan0; ip addr add 203.0.113.4/24 dev wan0")
	o.apply(o.named())
	for _, row := range []struct {
		name      string
		from      *space
		src       string
		target    string
		to        *space
		listen    string
		seenFrom  string // empty: must not open
		counter   string
		forbidden string // a counter that must not move
	}{
		{"a stranger reaches the web server", o.wan, wanHost4, at(gatewayWAN4, 80), o.lan, at(lanHost4, 8080), wanHost4, "web", "wan-default"},
		{"also over IPv6", o.wan, wanHost6, at(gatewayWAN6, 80), o.lan, at(lanHost6, 8080), wanHost6, "six", "wan-default"},
		{"at any outside address", o.wan, wanHost4, at("203.0.113.3", 80), o.lan, at(lanHost4, 8080), wanHost4, "web", "wan-default"},
		{"but not the port inside by itself", o.wan, wanHost4, at(lanHost4, 8080), o.lan, at(lanHost4, 8080), "", "wan-default", "web"},
		{"a range keeps its ports", o.wan, wanHost4, at(gatewayWAN4, 6010), o.lan, at(lanHost4, 6010), wanHost4, "range", "wan-default"},
		{"the port beside the range stays shut", o.wan, wanHost4, at(gatewayWAN4, 6011), o.lan, at(lanHost4, 6011), "", "wan-default", "range"},
		{"a range that moves keeps its order", o.wan, wanHost4, at(gatewayWAN4, 6102), o.lan, at(lanHost4, 6202), wanHost4, "moved", "wan-default"},
		{"a friend comes in", o.wan, peer4, at(gatewayWAN4, 2222), o.lan, at(lanHost4, 2222), peer4, "friends-only", "wan-default"},
		{"a stranger does not", o.wan, wanHost4, at(gatewayWAN4, 2222), o.lan, at(lanHost4, 2222), "", "wan-default", "friends-only"},
		{"a rule refuses what a forward would let in", o.wan, wanHost4, at(gatewayWAN4, 7070), o.lan, at(lanHost4, 7070), "", "no-entry", "refused"},
		{"the lan reaches it by the outside address, as the gateway", o.lan, "10.1.0.3", at(gatewayWAN4, 80), o.lan, at(lanHost4, 8080), gatewayLAN4, "web", "input-default"},
		{"the branch reaches it by the outside address", o.branch, branchHost4, at(gatewayWAN4, 80), o.lan, at(lanHost4, 8080), branchHost4, "branch-web", "input-default"},
		{"the host of a one-to-one address by a rule", o.wan, wanHost4, at("203.0.113.4", 25), o.lan, at("10.1.0.30", 25), wanHost4, "server", "wan-default"},
		{"and not without one", o.wan, wanHost4, at("203.0.113.4", 26), o.lan, at("10.1.0.30", 26), "", "wan-default", "server"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.listen == at("10.1.0.30", 25) {
				o.lan.sh("ip addr add 10.1.0.30/24 dev eth0")
			}
			before, other := o.counted(row.counter), o.counted(row.forbidden)
			seen, err := o.dial(row.from, row.src, row.target, row.to, row.listen)
			switch {
			case row.seenFrom == "" && err == nil:
				t.Errorf("opened, seen from %s", seen)
			case row.seenFrom != "" && err != nil:
				t.Error(err)
			case row.seenFrom != "" && seen != netip.MustParseAddr(row.seenFrom):
				t.Errorf("seen from %s instead of %s", seen, row.seenFrom)
			}
			if o.counted(row.counter) == before {
				t.Errorf("rule %s counted nothing", row.counter)
			}
			if o.counted(row.forbidden) != other {
				t.Errorf("rule %s counted it", row.forbidden)
			}
		})
	}
}

func TestSourceNAT(t *testing.T) {
	o := newSmallOffice(t)
	for _, a := range []string{"10.1.0.25", "10.1.0.30", "10.1.0.40"} {
		o.lan.sh("ip addr add %s/24 dev eth0", a)
	}
	o.gateway.sh("ip addr add 203.0.113.3/24 dev wan0; ip addr add 203.0.113.4/24 dev wan0")
	o.apply(o.named())
	for _, row := range []struct{ name, src, to, seenFrom string }{
		{"everybody else under the gateway's address", lanHost4, wanHost4, gatewayWAN4},
		{"the mail server under its own", "10.1.0.25", wanHost4, "203.0.113.3"},
		{"the one-to-one host under its own", "10.1.0.30", wanHost4, "203.0.113.4"},
		{"the exempt one as itself", "10.1.0.40", wanHost4, "10.1.0.40"},
		{"into the tunnel nobody is changed", "10.1.0.25", branchHost4, "10.1.0.25"},
	} {
		t.Run(row.name, func(t *testing.T) {
			to := o.wan
			if row.to == branchHost4 {
				to = o.branch
			}
			if seen, arrived := o.datagram(o.lan, row.src, to, row.to, 5000); !arrived || seen.Addr() != netip.MustParseAddr(row.seenFrom) {
				t.Errorf("arrived %v from %s, want %s", arrived, seen, row.seenFrom)
			}
		})
	}
	// With an address that is led inside, key exchange still comes to us.
	p := o.named()
	p.NAT[2].Outside = single(netip.MustParseAddr(gatewayWAN4))
	o.apply(p)
	if _, arrived := o.datagram(o.wan, peer4, o.gateway, gatewayWAN4, 500); !arrived {
		t.Error("IKE was led to the one-to-one host")
	}
}

func TestAnEmptyListMatchesNobody(t *testing.T) {
	o := newSmallOffice(t)
	o.apply(o.named())
	if _, arrived := o.datagram(o.branch, branchHost4, o.lan, lanHost4, 5000); arrived {
		t.Error("a rule with an empty list let the branch pass")
	}
}

func TestForwardsThatCannotBeAreRefused(t *testing.T) {
	addr := netip.MustParseAddr
	for want, change := range map[string]func(*Forward){
		"forward web: 192.0.2.1 is in no network behind this gateway":                                func(f *Forward) { f.To = addr("192.0.2.1") },
		"forward web: 10.2.0.5 is in no network behind this gateway":                                 func(f *Forward) { f.To = addr(branchHost4) },
		"forward web: 10.1.0.1 is in no network behind this gateway":                                 func(f *Forward) { f.To = addr("10.1.0.1") },
		"forward web: 203.0.113.200 is not a wan address of the gateway":                             func(f *Forward) { f.Address = addr("203.0.113.200") },
		"forward web: its address and its host are not of one IP version":                            func(f *Forward) { f.Address = addr(gatewayWAN6) },
		"forward web: there is no list foes":                                                         func(f *Forward) { f.SourceLists = []string{"foes"} },
		"forward web: it names no protocol":                                                          func(f *Forward) { f.Protocols = nil },
		"forward web: there are not as many ports from 65535 on":                                     func(f *Forward) { f.Ports, f.ToPort = PortRange{1, 2}, 65535 },
		"forward web: 127.0.0.1 is not the address of a host":                                        func(f *Forward) { f.To = addr("127.0.0.1") },
		"forward \"spoof-x\": an ID is 1 to 40 of a-z, 0-9 and -, and not one of the firewall's own": func(f *Forward) { f.ID = "spoof-x" },
		"forward no-telnet: the ID is used twice":                                                    func(f *Forward) { f.ID = "no-telnet" },
	} {
		p := office()
		f := Forward{ID: "web", Protocols: []Protocol{TCP}, Ports: PortRange{80, 80}, To: addr(lanHost4)}
		change(&f)
		p.Forwards = []Forward{f}
		if _, err := Compile(p); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
