package firewall

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBogonsOnWAN(t *testing.T) {
	o := newSmallOffice(t)
	sources := []string{"192.168.44.1", "100.64.3.3", "198.18.0.7", "172.31.255.9", "192.0.0.1", "192.0.0.9", "192.0.2.77", "198.51.100.8",
		"fd77::1", "2001:2::5", "2001:db8:9::1", "3fff::7", "100::9", "2001:4860::8"}
	for _, a := range sources {
		o.wan.hasAddress(single(netip.MustParseAddr(a)).String())
	}
	p := o.guardedPolicy()
	p.Protection.BogonExceptions = prefixes("198.51.100.0/24")
	p.Rules = append(p.Rules, Rule{ID: "service", From: ZoneWAN, To: ZoneGateway, Protocol: UDP, Ports: []PortRange{{7777, 7777}}, Action: Allow})
	o.apply(p)
	for _, row := range []struct {
		name, source string
		arrives      bool
	}{
		{"a private network", "192.168.44.1", false},
		{"shared space of providers", "100.64.3.3", false},
		{"benchmarking", "198.18.0.7", false},
		{"another private network", "172.31.255.9", false},
		{"protocol assignments", "192.0.0.1", false},
		{"anycast within protocol assignments", "192.0.0.9", true},
		{"documentation", "192.0.2.77", false},
		{"documentation that the admin excepts", "198.51.100.8", true},
		{"the block that our own wan address is in", wanHost4, true},
		{"unique local", "fd77::1", false},
		{"IPv6 benchmarking", "2001:2::5", false},
		{"the IPv6 block that our own wan address is in", "2001:db8:9::1", true},
		{"IPv6 documentation", "3fff::7", false},
		{"discard only", "100::9", false},
		{"an ordinary IPv6 address", "2001:4860::8", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			to := gatewayWAN4
			if netip.MustParseAddr(row.source).Is6() {
				to = gatewayWAN6
			}
			before := o.counted(idBogon)
			if _, arrived := o.datagram(o.wan, row.source, o.gateway, to, 7777); arrived != row.arrives {
				t.Errorf("arrived: %v", arrived)
			}
			if refused := o.counted(idBogon) > before; refused == row.arrives {
				t.Errorf("counted as %s: %v", idBogon, refused)
			}
			d, err := NewDecider(p)
			if err != nil {
				t.Fatal(err)
			}
			action, by := d.Decide(Flow{Source: netip.MustParseAddr(row.source), Destination: netip.MustParseAddr(to), Protocol: unix.IPPROTO_UDP, Port: 7777})
			if (action == Allow) != row.arrives || !row.arrives && by != idBogon {
				t.Errorf("the decider says %s by %q", action, by)
			}
		})
	}
	t.Run("a peer in a block makes the block usable", func(t *testing.T) {
		p.IKE = append(p.IKE, IKEPeer{netip.MustParseAddr("192.168.44.1")})
		o.apply(p)
		if _, arrived := o.datagram(o.wan, "192.168.44.1", o.gateway, gatewayWAN4, 7777); !arrived {
			t.Error("did not arrive")
		}
	})
}

func TestNothingLeavesToBogons(t *testing.T) {
	o := newSmallOffice(t)
	for _, a := range []string{"192.168.44.1", "fd77::1"} {
		o.wan.hasAddress(single(netip.MustParseAddr(a)).String())
	}
	p := o.guardedPolicy()
	o.apply(p)
	for src, dst := range map[string]string{lanHost4: "192.168.44.1", lanHost6: "fd77::1"} {
		before := o.counted(idBogonOut)
		if _, _, err := o.connection(o.lan, src, o.wan, dst, 5000); err == nil {
			t.Errorf("reached %s", dst)
		}
		if o.counted(idBogonOut) == before {
			t.Errorf("to %s: not counted as %s", dst, idBogonOut)
		}
		d, _ := NewDecider(p)
		if action, by := d.Decide(Flow{Source: netip.MustParseAddr(src), Destination: netip.MustParseAddr(dst), Protocol: 6, Port: 5000}); action != Reject || by != idBogonOut {
			t.Errorf("the decider says %s by %q", action, by)
		}
	}
	p.Rules = append(p.Rules, Rule{ID: "modem", From: ZoneLAN, To: ZoneWAN, Destinations: prefixes("192.168.44.1/32"), Action: Allow})
	o.apply(p)
	if _, arrived := o.datagram(o.lan, lanHost4, o.wan, "192.168.44.1", 5000); !arrived {
		t.Error("a rule of the admin did not open the way to the modem")
	}
}

func TestReversePathPerInterface(t *testing.T) {
	o := newSmallOffice(t)
	// Answers to these would not go out by wan0, or by nothing at all.
	const elsewhere4, elsewhere6, nowhere4, nowhere6 = "9.9.9.9", "2600::9", "8.8.8.8", "2600:8::8"
	o.gateway.sh("ip link add other0 type veth peer name other1; ip link set other0 up; ip link set other1 up; ip route add %s dev other0; ip route add %s dev other0; ip route add unreachable %s; ip route add unreachable %s",
		elsewhere4, elsewhere6, nowhere4, nowhere6)
	for _, a := range []string{elsewhere4, elsewhere6, nowhere4, nowhere6} {
		o.wan.hasAddress(single(netip.MustParseAddr(a)).String())
	}
	for _, a := range []string{"10.1.9.9/32", "9.9.9.10/32"} {
		o.lan.hasAddress(a)
	}
	two := Interface{Device: "wan1", Zone: ZoneWAN, Addresses: prefixes("4.4.4.4/24")}
	for _, row := range []struct {
		name                       string
		wan, lan                   ReversePath
		more                       []Interface
		elsewhere, nowhere, inside bool
		foreign                    bool
	}{
		{"one wan: strict", ReversePathAuto, ReversePathAuto, nil, false, false, false, false},
		{"several wans: loose", ReversePathAuto, ReversePathAuto, []Interface{two}, true, false, false, false},
		{"several wans, set to strict", ReversePathStrict, ReversePathStrict, []Interface{two}, false, false, false, false},
		{"set to loose", ReversePathLoose, ReversePathLoose, nil, true, false, true, false},
		{"off", ReversePathOff, ReversePathOff, nil, true, true, true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := o.policy()
			p.Interfaces = append(p.Interfaces, row.more...)
			p.Interfaces = append(p.Interfaces, Interface{Device: "lan1", Zone: "guest", Addresses: prefixes("10.1.9.1/24")})
			p.Interfaces[0].ReversePath, p.Interfaces[1].ReversePath = row.wan, row.lan
			p.Rules = []Rule{{ID: "service", To: ZoneGateway, Protocol: UDP, Ports: []PortRange{{7777, 7777}}, Action: Allow}}
			o.apply(p)
			for src, want := range map[string]bool{wanHost4: true, wanHost6: true, elsewhere4: row.elsewhere, elsewhere6: row.elsewhere, nowhere4: row.nowhere, nowhere6: row.nowhere} {
				to := gatewayWAN4
				if netip.MustParseAddr(src).Is6() {
					to = gatewayWAN6
				}
				if _, arrived := o.datagram(o.wan, src, o.gateway, to, 7777); arrived != want {
					t.Errorf("from %s on wan arrived: %v", src, arrived)
				}
			}
			for src, want := range map[string]bool{lanHost4: true, "10.1.9.9": row.inside, "9.9.9.10": row.foreign} {
				if _, arrived := o.datagram(o.lan, src, o.gateway, gatewayLAN4, 7777); arrived != want {
					t.Errorf("from %s on the lan arrived: %v", src, arrived)
				}
			}
		})
	}
}

// segment sends one TCP segment without a connection.
func (s *space) segment(src, dst string, port uint16, flags byte) {
	s.t.Helper()
	from, to := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	h := []byte{0x9c, 0x40, byte(port >> 8), byte(port), 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0x20, 0, 0, 0, 0, 0}
	pseudo := append(append(from.AsSlice(), to.AsSlice()...), 0, unix.IPPROTO_TCP, 0, byte(len(h)))
	sum := internetChecksum(append(pseudo, h...))
	h[16], h[17] = byte(sum>>8), byte(sum)
	network := "ip4:tcp"
	if from.Is6() {
		network = "ip6:tcp"
	}
	var err error
	s.do(func() {
		var c *net.IPConn
		if c, err = net.DialIP(network, &net.IPAddr{IP: net.ParseIP(src)}, &net.IPAddr{IP: net.ParseIP(dst)}); err == nil {
			_, err = c.Write(h)
			c.Close()
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestInvalidTCPIsDropped(t *testing.T) {
	o := guarded(t)
	const fin, syn, rst, psh, ack, urg = 1, 2, 4, 8, 16, 32
	for _, way := range []struct {
		name     string
		src, dst string
	}{
		{"through the gateway", lanHost4, wanHost4}, {"through the gateway over IPv6", lanHost6, wanHost6},
		{"to the gateway", lanHost4, gatewayLAN4}, {"to the gateway over IPv6", lanHost6, gatewayLAN6},
	} {
		for _, row := range []struct {
			name  string
			flags byte
			valid bool
		}{
			{"a SYN", syn, true},
			{"an ACK of no connection", ack, false},
			{"a SYN and ACK of no connection", syn | ack, false},
			{"SYN and FIN", syn | fin, false},
			{"no flag at all", 0, false},
			{"all flags like a Christmas tree", fin | psh | urg, false},
			{"SYN and RST", syn | rst, false},
			{"a FIN of no connection", fin | ack, false},
		} {
			t.Run(way.name+": "+row.name, func(t *testing.T) {
				before := o.counted(idInvalid)
				o.lan.segment(way.src, way.dst, 8443, row.flags)
				if dropped := o.counted(idInvalid) > before; dropped == row.valid {
					t.Errorf("dropped as %s: %v", idInvalid, dropped)
				}
			})
		}
	}
}

// TestNoPolicyRemovesTheFailSafes: a policy of nothing but refusals.
func TestNoPolicyRemovesTheFailSafes(t *testing.T) {
	o := newSmallOffice(t)
	p := o.guardedPolicy()
	p.Defaults = nil
	for _, from := range []string{ZoneLAN, ZoneWAN, ZoneVPN} {
		for _, to := range []string{ZoneLAN, ZoneWAN, ZoneVPN, ZoneGateway} {
			p.Defaults = append(p.Defaults, Default{from, to, Drop})
		}
	}
	p.Lists = []List{{ID: "everybody", Ranges: []Range{{netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("255.255.255.255")},
		{netip.MustParseAddr("::"), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}}}}
	p.Rules = []Rule{
		{ID: "everybody", SourceLists: []string{"everybody"}, Action: Drop},
		{ID: "anything", Action: Drop}, {ID: "to-us", To: ZoneGateway, Action: Reject}, {ID: "from-lan", From: ZoneLAN, Action: Drop},
		{ID: "dhcp-away", To: ZoneGateway, Protocol: UDP, Ports: []PortRange{{67, 68}, {546, 547}, {500, 500}, {4500, 4500}}, Action: Drop},
		{ID: "page-away", To: ZoneGateway, Protocol: TCP, Ports: []PortRange{{22, 22}, {8443, 8443}}, Action: Reject},
	}
	o.apply(p)
	d, err := NewDecider(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []struct {
		src, dst string
		port     int
	}{{lanHost4, gatewayLAN4, 8443}, {lanHost6, gatewayLAN6, 22}} {
		if _, _, err := o.connection(o.lan, target.src, o.gateway, target.dst, target.port); err != nil {
			t.Errorf("the admin cannot reach port %d: %v", target.port, err)
		}
	}
	lanLocal, wanLocal := o.lan.linkLocal(), o.wan.linkLocal()
	toLAN, toWAN := o.gateway.linkLocalOf("lan0"), o.gateway.linkLocalOf("wan0")
	if lanLocal == "" || wanLocal == "" || toLAN == "" || toWAN == "" {
		t.Fatal("a link has no address of its own")
	}
	for _, row := range []struct {
		name      string
		from      *space
		src, dst  string
		port      int
		counter   string
		linkLocal bool
		arrives   bool
	}{
		{"a lan host's DHCP", o.lan, lanHost4, gatewayLAN4, 67, idDHCP, false, true},
		{"a lan host's DHCPv6", o.lan, lanLocal, toLAN, 547, idDHCP, true, true},
		{"a DHCP server's answer on wan", o.wan, wanHost4, gatewayWAN4, 68, idDHCP, false, true},
		{"a DHCPv6 server's answer on wan", o.wan, wanLocal, toWAN, 546, idDHCP, true, true},
		{"a peer's IKE", o.wan, peer4, gatewayWAN4, 500, idIKE, false, true},
		{"a peer's IKE over IPv6", o.wan, peer6, gatewayWAN6, 4500, idIKE, false, true},
		{"a stranger's DHCP request on wan", o.wan, wanHost4, gatewayWAN4, 67, "everybody", false, false},
		{"a DHCPv6 answer from beyond the link", o.wan, wanHost6, gatewayWAN6, 546, "everybody", false, false},
		{"a lan host to a client's port", o.lan, lanHost4, gatewayLAN4, 68, "everybody", false, false},
		{"the branch's DHCP", o.branch, branchHost4, gatewayLAN4, 67, "everybody", false, false},
		{"a stranger's IKE", o.wan, wanHost4, gatewayWAN4, 500, "everybody", false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := o.counted(row.counter)
			arrived := false
			if row.linkLocal {
				arrived = o.linkDatagram(row.from, row.src, row.dst, row.port)
			} else {
				_, arrived = o.datagram(row.from, row.src, o.gateway, row.dst, row.port)
			}
			if arrived != row.arrives {
				t.Errorf("arrived: %v", arrived)
			}
			if got := o.counted(row.counter) - before; got != 1 {
				t.Errorf("%s counted %d packets instead of 1", row.counter, got)
			}
			if row.linkLocal {
				return // the decider finds zones by addresses, and these are everywhere
			}
			f := Flow{Source: netip.MustParseAddr(row.src), Destination: netip.MustParseAddr(row.dst), Protocol: unix.IPPROTO_UDP, Port: uint16(row.port)}
			if action, by := d.Decide(f); (action == Allow) != row.arrives || by != row.counter {
				t.Errorf("the decider says %s by %q", action, by)
			}
		})
	}
	if out, err := o.lan.try("ping -c1 -W1 %s", gatewayLAN6); err == nil {
		t.Errorf("the rules are not in force:\n%s", out)
	}
	if out := o.lan.sh("ip -6 neigh flush dev eth0; ip -6 neigh"); out != "" {
		t.Fatal(out)
	}
	if _, _, err := o.connection(o.lan, lanHost6, o.gateway, gatewayLAN6, 8443); err != nil {
		t.Errorf("Neighbor Discovery does not work: %v", err)
	}
}

// linkDatagram is datagram to the gateway within a link: each end has its own
// name for it.
func (o *smallOffice) linkDatagram(from *space, src, dst string, port int) bool {
	o.t.Helper()
	var server, client *net.UDPConn
	var err error
	o.gateway.do(func() { server, err = net.ListenUDP("udp", udpAddr(dst, port)) })
	if err != nil {
		o.t.Fatal(err)
	}
	defer server.Close()
	there := netip.MustParseAddr(dst).WithZone("eth0").String()
	from.do(func() { client, err = net.DialUDP("udp", udpAddr(src, 0), udpAddr(there, port)) })
	if err != nil {
		o.t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("hello")); err != nil {
		return false
	}
	server.SetReadDeadline(time.Now().Add(patience))
	_, err = server.Read(make([]byte, 16))
	return err == nil
}

// linkLocal is a host's own address on its link, with the link's name.
func (s *space) linkLocal() string { return s.linkLocalOf("eth0") }

func (s *space) linkLocalOf(device string) string {
	s.t.Helper()
	var out string
	s.do(func() {
		i, err := net.InterfaceByName(device)
		if err != nil {
			s.t.Error(err)
			return
		}
		all, _ := i.Addrs()
		for _, a := range all {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
				out = p.Addr().WithZone(device).String()
			}
		}
	})
	return out
}
