package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// smallOffice is a perimeter with something real on every side:
//
//	lan host --lan0 [ gateway ] wan0-- wan host
//	                    | ipsec0
//	                  branch host
//
// ipsec0 is a plain wire here: the firewall sees what comes out of a tunnel,
// not how it got through.
type smallOffice struct {
	t                         testing.TB
	gateway, lan, wan, branch *space
	applier                   *Applier
}

const (
	gatewayWAN4, gatewayWAN6 = "203.0.113.2", "2001:db8:1::2"
	gatewayLAN4, gatewayLAN6 = "10.1.0.1", "fd00:1::1"
	lanHost4, lanHost6       = "10.1.0.2", "fd00:1::2"
	wanHost4, wanHost6       = "203.0.113.9", "2001:db8:1::9"
	peer4, peer6             = "203.0.113.50", "2001:db8:1::50"
	branchHost4, branchHost6 = "10.2.0.5", "fd00:2::5"
	anyone4                  = "192.0.2.77"
)

func newSmallOffice(t testing.TB) *smallOffice {
	t.Helper()
	o := &smallOffice{t: t, gateway: newSpace(t), lan: newSpace(t), wan: newSpace(t), branch: newSpace(t), applier: NewApplier(quiet())}
	for _, w := range []struct {
		device     string
		host       *space
		gw, routes []string
		addresses  []string
	}{
		{"wan0", o.wan, []string{gatewayWAN4 + "/24", gatewayWAN6 + "/64"}, []string{"10.0.0.0/8", "fd00::/8"},
			[]string{wanHost4 + "/24", wanHost6 + "/64", peer4 + "/24", peer6 + "/64"}},
		{"lan0", o.lan, []string{gatewayLAN4 + "/24", gatewayLAN6 + "/64"}, []string{"default", "default"},
			[]string{lanHost4 + "/24", lanHost6 + "/64"}},
		{"ipsec0", o.branch, []string{"169.254.9.1/30", "fd00:ff::1/64"}, []string{"default", "default"},
			[]string{branchHost4 + "/32", branchHost6 + "/128", "169.254.9.2/30", "fd00:ff::2/64"}},
	} {
		o.gateway.ip(fmt.Sprintf("link add %s type veth peer name eth0 netns /proc/%d/fd/%d", w.device, os.Getpid(), int(w.host.handle)))
		ours, theirs := []string{"link set " + w.device + " up"}, []string{"link set eth0 up"}
		for _, a := range w.gw {
			ours = append(ours, fmt.Sprintf("addr add %s dev %s %s", a, w.device, nodad(a)))
		}
		for _, a := range w.addresses {
			theirs = append(theirs, fmt.Sprintf("addr add %s dev eth0 %s", a, nodad(a)))
		}
		for i, r := range w.routes {
			via, _, _ := strings.Cut(w.gw[i], "/")
			theirs = append(theirs, fmt.Sprintf("route add %s via %s", r, via))
		}
		o.gateway.ip(ours...)
		w.host.ip(theirs...)
	}
	o.gateway.sh("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
	o.gateway.ip("route add default via "+wanHost4, "route add default via "+wanHost6,
		"route add 10.2.0.0/24 dev ipsec0 via 169.254.9.2", "route add fd00:2::/64 dev ipsec0 via fd00:ff::2")
	o.apply(o.policy())
	// Neighbours learn each other now, so that no test waits for them.
	o.lan.sh("ping -c1 -W2 %s && ping -c1 -W2 %s", gatewayLAN4, gatewayLAN6)
	return o
}

func nodad(address string) string {
	if strings.Contains(address, ":") {
		return "nodad"
	}
	return ""
}

// policy is office's with peers that are on this wan.
func (o *smallOffice) policy() Policy {
	p := office()
	p.IKE = []IKEPeer{{netip.MustParseAddr(peer4)}, {netip.MustParseAddr(peer6)}}
	return p
}

func (o *smallOffice) apply(p Policy) {
	o.t.Helper()
	r := mustCompile(o.t, p)
	var err error
	o.gateway.do(func() { err = o.applier.Apply(context.Background(), r) })
	if err != nil {
		o.t.Fatal(err)
	}
}

// counted is how many packets one rule ID has decided.
func (o *smallOffice) counted(id string) uint64 {
	o.t.Helper()
	var list []Counter
	var err error
	o.gateway.do(func() { list, err = o.applier.Counters(context.Background()) })
	if err != nil {
		o.t.Fatal(err)
	}
	for _, c := range list {
		if c.Rule == id {
			return c.Packets
		}
	}
	o.t.Fatalf("no counter of rule %q", id)
	return 0
}

// hasAddress gives a host one more address to send from or to listen on.
func (s *space) hasAddress(a string) {
	s.t.Helper()
	s.sh("ip addr replace %s dev lo %s", a, nodad(a))
}

// datagram sends one UDP packet and says from where it arrived.
func (o *smallOffice) datagram(from *space, src string, to *space, dst string, port int) (netip.AddrPort, bool) {
	o.t.Helper()
	return o.datagramFromPort(from, src, 0, to, dst, port)
}

// datagramFromPort is datagram with a source port; 0 is any.
func (o *smallOffice) datagramFromPort(from *space, src string, srcPort int, to *space, dst string, port int) (seenFrom netip.AddrPort, arrived bool) {
	o.t.Helper()
	var server, client *net.UDPConn
	var err error
	to.do(func() { server, err = net.ListenUDP("udp", udpAddr(dst, port)) })
	if err != nil {
		o.t.Fatal(err)
	}
	defer server.Close()
	from.do(func() { client, err = net.DialUDP("udp", udpAddr(src, srcPort), udpAddr(dst, port)) })
	if err != nil {
		o.t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("hello")); err != nil {
		return netip.AddrPort{}, false
	}
	server.SetReadDeadline(time.Now().Add(patience))
	_, seenFrom, err = server.ReadFromUDPAddrPort(make([]byte, 16))
	return netip.AddrPortFrom(seenFrom.Addr().Unmap(), seenFrom.Port()), err == nil
}

func udpAddr(a string, port int) *net.UDPAddr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(a), uint16(port)))
}

// connection opens TCP from one host to another; both ends are closed with the
// test.
func (o *smallOffice) connection(from *space, src string, to *space, dst string, port int) (client, server *net.TCPConn, err error) {
	o.t.Helper()
	target := net.JoinHostPort(dst, fmt.Sprint(port))
	return o.connectionTo(from, src, target, to, target)
}

// connectionTo is connection with a host that listens elsewhere than where it
// is called.
func (o *smallOffice) connectionTo(from *space, src, target string, to *space, listen string) (client, server *net.TCPConn, err error) {
	o.t.Helper()
	var l net.Listener
	to.do(func() { l, err = net.Listen("tcp", listen) })
	if err != nil {
		o.t.Fatal(err)
	}
	defer l.Close()
	var c net.Conn
	from.do(func() {
		d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(src)}}
		c, err = d.Dial("tcp", target)
	})
	if err != nil {
		return nil, nil, err
	}
	l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	s, err := l.Accept()
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	o.t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn), nil
}

// talks says whether both ends hear each other.
func talks(client, server net.Conn) error {
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		if _, err := way[0].Write([]byte("ping")); err != nil {
			return err
		}
		way[1].SetReadDeadline(time.Now().Add(5 * patience))
		if _, err := way[1].Read(make([]byte, 4)); err != nil {
			return err
		}
	}
	return nil
}
