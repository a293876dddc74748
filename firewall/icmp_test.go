package firewall

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ear hears ICMP at a host.
type ear struct{ c *net.IPConn }

func icmpNetwork(address string) string {
	if netip.MustParseAddr(address).Is4() {
		return "ip4:icmp"
	}
	return "ip6:ipv6-icmp"
}

func (s *space) hearICMP(address string) ear {
	s.t.Helper()
	var e ear
	var err error
	s.do(func() { e.c, err = net.ListenIP(icmpNetwork(address), &net.IPAddr{IP: net.ParseIP(address)}) })
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { e.c.Close() })
	return e
}

// heard waits for a message of a type that ends with a mark.
func (e ear) heard(kind uint8, mark string) bool {
	e.c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2000)
	for {
		n, _, err := e.c.ReadFromIP(b)
		if err != nil {
			return false
		}
		if m := b[:n]; n >= 8 && m[0] == kind && len(m) >= len(mark) && string(m[n-len(mark):]) == mark {
			return true
		}
	}
}

// says sends one ICMP message; rest is what follows the checksum.
func (s *space) says(src, dst string, hops int, kind, code uint8, rest []byte) {
	s.t.Helper()
	m := append([]byte{kind, code, 0, 0}, rest...)
	if netip.MustParseAddr(dst).Is4() { // the kernel fills in that of ICMPv6
		binary.BigEndian.PutUint16(m[2:], internetChecksum(m))
	}
	var err error
	s.do(func() {
		var c *net.IPConn
		if c, err = net.DialIP(icmpNetwork(dst), &net.IPAddr{IP: net.ParseIP(src)}, &net.IPAddr{IP: net.ParseIP(dst)}); err != nil {
			return
		}
		defer c.Close()
		raw, _ := c.SyscallConn()
		raw.Control(func(fd uintptr) {
			if netip.MustParseAddr(dst).Is6() {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, hops)
			}
		})
		if err == nil {
			c.Write(m) // a refusal may come back as an error
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func internetChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// udpPacket is the head of a datagram, as an error quotes it.
func udpPacket(src, dst netip.AddrPort) []byte {
	udp := binary.BigEndian.AppendUint16(nil, src.Port())
	udp = binary.BigEndian.AppendUint16(udp, dst.Port())
	udp = append(udp, 0, 13, 0, 0)
	var h []byte
	if src.Addr().Is4() {
		h = []byte{0x45, 0, 0, 33, 0, 1, 0x40, 0, 64, 17, 0, 0}
	} else {
		h = []byte{0x60, 0, 0, 0, 0, 13, 17, 64}
	}
	h = append(append(h, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	if src.Addr().Is4() {
		binary.BigEndian.PutUint16(h[10:], internetChecksum(h))
	}
	return append(h, udp...)
}

// guarded is the small office with all guards of the wan.
func guarded(t *testing.T) *smallOffice {
	t.Helper()
	o := newSmallOffice(t)
	o.apply(o.guardedPolicy())
	return o
}

func (o *smallOffice) guardedPolicy() Policy {
	p := o.policy()
	p.Protection = Protection{Bogons: true, Ping4: true, Ping6: true}
	return p
}

// gathered are the marks that an ear heard within the usual patience, in all.
func (e ear) gathered() map[string]bool {
	out := map[string]bool{}
	e.c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2000)
	for {
		n, _, err := e.c.ReadFromIP(b)
		if err != nil {
			return out
		}
		if i := strings.LastIndex(string(b[:n]), "type "); i >= 0 {
			out[string(b[i:n])] = true
		}
	}
}

// TestICMPv6AsRFC4890 goes through the types of RFC 4890 4.3 and 4.4, forwarded
// and to the gateway.
func TestICMPv6AsRFC4890(t *testing.T) {
	o := guarded(t)
	flow, toGateway := o.openFlow(lanHost6, wanHost6), o.openFlowFromGateway(gatewayWAN6, wanHost6)
	ears := map[string]ear{lanHost6: o.lan.hearICMP(lanHost6), wanHost6: o.wan.hearICMP(wanHost6), gatewayWAN6: o.gateway.hearICMP(gatewayWAN6)}
	type told struct {
		mark, to string
		arrives  bool
		why      string
	}
	var all []told
	say := func(from *space, src, to string, hops int, kind, code uint8, about []byte, arrives bool, why string) {
		mark := fmt.Sprintf("type %d, code %d, from %s, %d hops, about %d bytes", kind, code, src, hops, len(about))
		all = append(all, told{mark, to, arrives, why})
		from.says(src, to, hops, kind, code, append(append([]byte{0, kind, 5, 0}, about...), mark...))
	}
	refusedBefore := o.counted(idICMP)
	for n := range 256 {
		kind := uint8(n)
		switch {
		case kind >= 1 && kind <= 4:
			for code := range uint8(2) {
				say(o.wan, wanHost6, lanHost6, 64, kind, code, flow, true, "4.3.1 and 4.3.2: errors about a connection")
				say(o.wan, wanHost6, gatewayWAN6, 64, kind, code, toGateway, true, "4.4.1 and 4.4.2: errors about a connection")
				say(o.wan, wanHost6, lanHost6, 64, kind, code, flow[:41], false, "an error about nothing")
			}
		case kind == 128:
			say(o.wan, wanHost6, lanHost6, 64, kind, 0, nil, true, "4.3.1: a ping")
			say(o.lan, lanHost6, wanHost6, 64, kind, 0, nil, true, "4.3.1: a ping")
			say(o.wan, wanHost6, gatewayWAN6, 64, kind, 0, nil, true, "4.4.1: a ping")
		case kind == 129:
			// The answers to the three above carry their marks.
			say(o.wan, wanHost6, lanHost6, 64, kind, 0, nil, false, "an answer to nothing")
		case kind >= 144 && kind <= 147 || kind == 150:
			say(o.wan, wanHost6, lanHost6, 64, kind, 0, nil, false, "4.3.2 and 4.3.4: for the rules to allow, and none does")
		default:
			// The matrix allows everything from the lan to wan, so what does not
			// arrive there was refused for its type.
			say(o.lan, lanHost6, wanHost6, 255, kind, 0, nil, false, "4.3.3 and 4.3.5: not forwarded")
		}
		switch {
		case kind >= 133 && kind <= 136 || kind == 141 || kind == 142 || kind == 148 || kind == 149:
			say(o.wan, wanHost6, gatewayWAN6, 255, kind, 0, nil, true, "4.4.1: Neighbor Discovery of the link")
			say(o.wan, wanHost6, gatewayWAN6, 254, kind, 0, nil, false, "4.4.1: Neighbor Discovery from beyond the link")
		case kind == 137 || kind == 0 || kind >= 5 && kind <= 127 || kind >= 138 && kind <= 140 || kind >= 154:
			say(o.wan, wanHost6, gatewayWAN6, 255, kind, 0, toGateway, false, "4.4.3 to 4.4.5")
		}
	}
	heard := map[string]map[string]bool{}
	for at, e := range ears {
		heard[at] = e.gathered()
	}
	for _, m := range all {
		if heard[m.to][m.mark] != m.arrives {
			t.Errorf("%s: to %s arrived: %v; %s", m.mark, m.to, !m.arrives, m.why)
		}
	}
	for mark := range heard[lanHost6] {
		if strings.HasPrefix(mark, "type 128") && strings.Contains(mark, lanHost6) {
			delete(heard, lanHost6) // its own mark came back
			break
		}
	}
	if heard[lanHost6] != nil {
		t.Error("the answer to a ping of the lan did not arrive")
	}
	if o.counted(idICMP) == refusedBefore {
		t.Errorf("nothing was counted as %s", idICMP)
	}
}

// openFlow lets a datagram go out and gives it as an error on its way back
// quotes it: with the source that the internet sees.
func (o *smallOffice) openFlow(src, dst string) []byte {
	o.t.Helper()
	seen, ok := o.datagram(o.lan, src, o.wan, dst, 5999)
	if !ok {
		o.t.Fatalf("no flow from %s to %s", src, dst)
	}
	return udpPacket(seen, netip.AddrPortFrom(netip.MustParseAddr(dst), 5999))
}

func (o *smallOffice) openFlowFromGateway(src, dst string) []byte {
	o.t.Helper()
	seen, ok := o.datagram(o.gateway, src, o.wan, dst, 5998)
	if !ok {
		o.t.Fatalf("no flow from %s to %s", src, dst)
	}
	return udpPacket(seen, netip.AddrPortFrom(netip.MustParseAddr(dst), 5998))
}

func TestPathMTUMessagesPassForConnectionsOnly(t *testing.T) {
	o := guarded(t)
	// A router on the way with an address of a private network.
	const router4, router6 = "192.168.77.1", "fd99::1"
	o.wan.hasAddress(router4 + "/32")
	o.wan.hasAddress(router6 + "/128")
	for _, row := range []struct {
		name                string
		host, to, seen, far string
		router              string
		kind, code          uint8
	}{
		{"IPv4 fragmentation needed", lanHost4, gatewayWAN4, lanHost4, wanHost4, wanHost4, 3, 4},
		{"IPv6 packet too big", lanHost6, lanHost6, lanHost6, wanHost6, wanHost6, 2, 0},
		{"IPv4 from a router with a private address", lanHost4, gatewayWAN4, lanHost4, wanHost4, router4, 3, 4},
		{"IPv6 from a router with a private address", lanHost6, lanHost6, lanHost6, wanHost6, router6, 2, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			lan := o.lan.hearICMP(row.host)
			flow := append(o.openFlow(row.host, row.far), row.name...)
			tooBig := []byte{0, 0, 5, 0}
			if o.wan.says(row.router, row.to, 64, row.kind, row.code, append(tooBig, flow...)); !lan.heard(row.kind, row.name) {
				t.Error("about a connection: did not arrive")
			}
			before := o.counted(idInvalid)
			at := 20 // the source port in the quoted packet
			if netip.MustParseAddr(row.host).Is6() {
				at = 40
			}
			binary.BigEndian.PutUint16(flow[at:], 1)
			if o.wan.says(row.router, row.to, 64, row.kind, row.code, append(tooBig, flow...)); lan.heard(row.kind, row.name) {
				t.Error("about no connection: arrived")
			}
			if o.counted(idInvalid) != before+1 {
				t.Errorf("about no connection: not counted as %s", idInvalid)
			}
		})
	}
}

func TestICMPThatMovesRoutesIsNeverForwarded(t *testing.T) {
	o := guarded(t)
	wan := o.wan.hearICMP(wanHost4)
	for _, kind := range []uint8{4, 5, 9, 10} {
		if o.lan.says(lanHost4, wanHost4, 64, kind, 0, []byte("\x00\x01\x00\x01from the lan")); wan.heard(kind, "from the lan") {
			t.Errorf("ICMP type %d was forwarded", kind)
		}
	}
	// A redirect about a connection would pass as related to it.
	lan, gateway := o.lan.hearICMP(lanHost4), o.gateway.hearICMP(gatewayWAN4)
	before := o.counted(idICMP)
	quoted := append([]byte{10, 9, 9, 9}, append(o.openFlow(lanHost4, wanHost4), "redirect"...)...)
	if o.wan.says(wanHost4, gatewayWAN4, 64, 5, 1, quoted); lan.heard(5, "redirect") {
		t.Error("a redirect reached the lan")
	}
	quoted = append([]byte{10, 9, 9, 9}, append(o.openFlowFromGateway(gatewayWAN4, wanHost4), "redirect"...)...)
	if o.wan.says(wanHost4, gatewayWAN4, 64, 5, 1, quoted); gateway.heard(5, "redirect") {
		t.Error("a redirect reached the gateway")
	}
	// The first one was for a translated connection: the kernel itself ends it.
	if got := o.counted(idICMP) - before; got != 1 {
		t.Errorf("%s counted %d packets instead of 1", idICMP, got)
	}
}

func TestPingsFromStrangersAreASetting(t *testing.T) {
	o := newSmallOffice(t)
	for _, row := range []struct{ ping4, ping6 bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		p := o.policy()
		p.Protection.Ping4, p.Protection.Ping6 = row.ping4, row.ping6
		o.apply(p)
		for _, target := range []struct {
			from, address string
			want          bool
		}{
			{wanHost4, gatewayWAN4, row.ping4}, {wanHost6, gatewayWAN6, row.ping6},
			{wanHost6, lanHost6, row.ping6}, {wanHost4, lanHost4, false}, {wanHost6, branchHost6, false},
		} {
			_, err := o.wan.try("ping -c1 -W1 -I %s %s", target.from, target.address)
			if (err == nil) != target.want {
				t.Errorf("%+v: ping of %s answered: %v, want %v", row, target.address, err == nil, target.want)
			}
		}
	}
	t.Run("and a rule of the admin comes before", func(t *testing.T) {
		p := o.guardedPolicy()
		p.Rules = []Rule{{ID: "no-ping", From: ZoneWAN, Protocol: ICMP, Action: Drop}}
		o.apply(p)
		for src, dst := range map[string]string{wanHost4: gatewayWAN4, wanHost6: lanHost6} {
			if _, err := o.wan.try("ping -c1 -W1 -I %s %s", src, dst); err == nil {
				t.Errorf("%s answers", dst)
			}
		}
	})
}
