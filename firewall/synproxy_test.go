package firewall

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// published is the small office with a host behind forwards in both families.
func published(t *testing.T, proxied bool) *smallOffice {
	t.Helper()
	o := newSmallOffice(t)
	o.gateway.sh("echo 0 > /proc/sys/net/netfilter/nf_conntrack_tcp_loose")
	// Answers to invented sources have a way and nobody takes them.
	o.wan.sh("ip route add blackhole 100.70.0.0/16; ip route add blackhole 2001:db8:f100::/48")
	o.apply(o.publishedPolicy(proxied))
	return o
}

func (o *smallOffice) publishedPolicy(proxied bool) Policy {
	p := o.policy()
	p.Protection = Protection{SYNProxy: proxied, NewPerSecond: 200, NewBurst: 1000, Open: 4000}
	p.Forwards = []Forward{
		{ID: "web", Protocols: []Protocol{TCP}, Ports: PortRange{80, 80}, To: netip.MustParseAddr(lanHost4), ToPort: 8080},
		{ID: "web6", Protocols: []Protocol{TCP, UDP}, Ports: PortRange{80, 80}, To: netip.MustParseAddr(lanHost6), ToPort: 8080},
	}
	return p
}

// flood sends SYNs from invented sources, as fast as a socket takes them.
func (s *space) flood(dst string, n int) {
	s.t.Helper()
	to := netip.MustParseAddr(dst)
	s.do(func() {
		domain := unix.AF_INET
		if to.Is6() {
			domain = unix.AF_INET6
		}
		fd, err := unix.Socket(domain, unix.SOCK_RAW, unix.IPPROTO_RAW)
		if err != nil {
			s.t.Error(err)
			return
		}
		defer unix.Close(fd)
		for i := range n {
			from := netip.AddrFrom4([4]byte{100, 70, byte(i >> 8), byte(i)})
			if to.Is6() {
				a := netip.MustParseAddr("2001:db8:f100::").As16()
				binary.BigEndian.PutUint16(a[6:], uint16(i))
				a[15] = 1
				from = netip.AddrFrom16(a)
			}
			if err := sendRaw(fd, synPacket(from, to, uint16(1024+i%60000), 80), to); err != nil {
				s.t.Error(err)
				return
			}
		}
	})
}

func sendRaw(fd int, packet []byte, to netip.Addr) error {
	if to.Is6() {
		return unix.Sendto(fd, packet, 0, &unix.SockaddrInet6{Addr: to.As16()})
	}
	return unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: to.As4()})
}

func synPacket(from, to netip.Addr, srcPort, dstPort uint16) []byte {
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp, srcPort)
	binary.BigEndian.PutUint16(tcp[2:], dstPort)
	binary.BigEndian.PutUint32(tcp[4:], 12345)
	tcp[12], tcp[13], tcp[14] = 0x50, tcpFlagSYN, 0x20
	pseudo := append(append(from.AsSlice(), to.AsSlice()...), 0, unix.IPPROTO_TCP, 0, byte(len(tcp)))
	binary.BigEndian.PutUint16(tcp[16:], internetChecksum(append(pseudo, tcp...)))
	var h []byte
	if from.Is4() {
		h = []byte{0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, unix.IPPROTO_TCP, 0, 0}
	} else {
		h = []byte{0x60, 0, 0, 0, 0, 20, unix.IPPROTO_TCP, 64}
	}
	return append(append(append(h, from.AsSlice()...), to.AsSlice()...), tcp...)
}

// tracked is how many connections the gateway tracks.
func (o *smallOffice) trackedNow() int {
	o.t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(o.gateway.sh("cat /proc/sys/net/netfilter/nf_conntrack_count")))
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

// countSYNs counts what reaches the host inside.
func (o *smallOffice) countSYNs() {
	o.t.Helper()
	if err := o.lan.load("table inet seen { counter syns { }\n chain in { type filter hook prerouting priority -300;\n tcp flags & (fin|syn|rst|ack) == syn counter name syns\n }\n}\n"); err != nil {
		o.t.Fatal(err)
	}
}

func (o *smallOffice) synsInside() int {
	o.t.Helper()
	fields := strings.Fields(o.lan.sh("nft list counter inet seen syns"))
	for i, f := range fields {
		if f == "packets" {
			n, _ := strconv.Atoi(fields[i+1])
			return n
		}
	}
	o.t.Fatal("no counter")
	return 0
}

// called opens a connection through a forward and gives both ends, once the
// client's first words have arrived.
func (o *smallOffice) called(from *space, src, dst string, l net.Listener) (client, server *net.TCPConn, err error) {
	o.t.Helper()
	var c net.Conn
	from.do(func() {
		d := net.Dialer{Timeout: 10 * patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(src)}}
		c, err = d.Dial("tcp", at(dst, 80))
	})
	if err != nil {
		return nil, nil, err
	}
	o.t.Cleanup(func() { c.Close() })
	if _, err := c.Write([]byte("hello")); err != nil {
		return nil, nil, err
	}
	for {
		l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * patience)) // a lost segment is sent again after a second
		s, err := l.Accept()
		if err != nil {
			return nil, nil, err
		}
		o.t.Cleanup(func() { s.Close() })
		if s.RemoteAddr().(*net.TCPAddr).Port != c.LocalAddr().(*net.TCPAddr).Port {
			continue
		}
		s.SetReadDeadline(time.Now().Add(10 * patience))
		if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
			return nil, nil, err
		}
		return c.(*net.TCPConn), s.(*net.TCPConn), nil
	}
}

// serves listens at the host inside.
func (o *smallOffice) serves(host string) (l net.Listener) {
	o.t.Helper()
	var err error
	o.lan.do(func() { l, err = net.Listen("tcp", at(host, 8080)) })
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { l.Close() })
	return l
}

// transfer sends a megabyte there and back through a forward.
func (o *smallOffice) transfer(src, dst string, l net.Listener) error {
	o.t.Helper()
	client, server, err := o.called(o.wan, src, dst, l)
	if err != nil {
		return err
	}
	data := bytes.Repeat([]byte("megabyte"), 1<<17)
	for _, way := range [][2]*net.TCPConn{{client, server}, {server, client}} {
		deadline := time.Now().Add(30 * time.Second)
		way[0].SetDeadline(deadline)
		way[1].SetDeadline(deadline)
		sent := make(chan error, 1)
		go func() {
			_, err := way[0].Write(data)
			sent <- err
		}()
		got := make([]byte, len(data))
		if _, err := io.ReadFull(way[1], got); err != nil {
			return err
		}
		if err := <-sent; err != nil {
			return err
		}
		if !bytes.Equal(got, data) {
			o.t.Errorf("what arrived is not what was sent")
		}
	}
	if got, _, _ := net.SplitHostPort(server.RemoteAddr().String()); got != src {
		o.t.Errorf("the host sees %s instead of %s", got, src)
	}
	return nil
}

func TestASYNFloodReachesNeitherConnectionTrackingNorTheHost(t *testing.T) {
	const syns = 3000
	for _, row := range []struct{ name, dst, host, client, forward string }{
		{"IPv4", gatewayWAN4, lanHost4, wanHost4, "web"}, {"IPv6", gatewayWAN6, lanHost6, wanHost6, "web6"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := published(t, true)
			l := o.serves(row.host)
			o.countSYNs()
			before := o.trackedNow()
			o.wan.flood(row.dst, syns)
			if n := o.trackedNow() - before; n > 10 {
				t.Errorf("%d connections are tracked after the flood", n)
			}
			if n := o.synsInside(); n != 0 {
				t.Errorf("the host inside saw %d SYNs of the flood", n)
			}
			if err := o.transfer(row.client, row.dst, l); err != nil {
				t.Errorf("an honest client: %v", err)
			}
			if n := o.synsInside(); n != 1 {
				t.Errorf("the host inside saw %d SYNs instead of 1", n)
			}
			if n := o.counted(row.forward); n != 1 {
				t.Errorf("the forward counted %d connections instead of 1", n)
			}
		})
		t.Run(row.name+" beyond what passes freely", func(t *testing.T) {
			o := published(t, true)
			p := o.publishedPolicy(true)
			p.Protection.FreeSYNs = 50
			o.apply(p)
			l := o.serves(row.host)
			o.countSYNs()
			o.wan.flood(row.dst, syns)
			if n := o.synsInside(); n > syns/5 {
				t.Errorf("the host inside saw %d SYNs of %d", n, syns)
			}
			if n := o.trackedNow(); n > syns/5 {
				t.Errorf("%d connections are tracked", n)
			}
			if err := o.transfer(row.client, row.dst, l); err != nil {
				t.Errorf("an honest client: %v", err)
			}
		})
		t.Run(row.name+" and without the guard it does", func(t *testing.T) {
			o := published(t, false)
			o.serves(row.host)
			o.countSYNs()
			o.wan.flood(row.dst, syns)
			if o.trackedNow() < syns/2 || o.synsInside() < syns/2 {
				t.Errorf("tracked %d, seen %d: the test proves nothing", o.trackedNow(), o.synsInside())
			}
		})
	}
}

// TestRulesDecideAboutProxiedConnectionsToo: who shakes hands with the gateway
// still gets no further than the rules say.
func TestRulesDecideAboutProxiedConnectionsToo(t *testing.T) {
	o := published(t, true)
	l := o.serves(lanHost4)
	for _, row := range []struct {
		name    string
		change  func(*Policy)
		counter string
		passes  bool
	}{
		{"as it is", func(*Policy) {}, "web", true},
		{"a rule against the source", func(p *Policy) {
			p.Rules = append(p.Rules, Rule{ID: "not-him", From: ZoneWAN, Sources: prefixes(wanHost4 + "/32"), Action: Drop})
		}, "not-him", false},
		{"a rule against the port inside", func(p *Policy) {
			p.Rules = append(p.Rules, Rule{ID: "closed", From: ZoneWAN, To: ZoneLAN, Protocol: TCP, Ports: []PortRange{{8080, 8080}}, Action: Reject})
		}, "closed", false},
		{"a forward for others", func(p *Policy) { p.Forwards[0].Sources = prefixes("203.0.113.50/32") }, "wan-default", false},
		{"a source with too many connections", func(p *Policy) { p.Protection.Open, p.Protection.NewPerSecond, p.Protection.NewBurst = 0, 1, 1 }, "flood", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := o.publishedPolicy(true)
			row.change(&p)
			o.apply(p)
			before := o.counted(row.counter)
			var err error
			for range 4 {
				client, server, callErr := o.called(o.wan, wanHost4, gatewayWAN4, l)
				if err = callErr; err == nil {
					err = talks(client, server)
				}
				if err != nil || row.counter != "flood" {
					break
				}
			}
			if (err == nil) != row.passes {
				t.Errorf("passes: %v (%v)", err == nil, err)
			}
			if o.counted(row.counter) == before {
				t.Errorf("not counted by %s", row.counter)
			}
		})
	}
	t.Run("and what is inside uses the outside address as before", func(t *testing.T) {
		o.apply(o.publishedPolicy(true))
		client, server, err := o.called(o.lan, lanHost4, gatewayWAN4, l)
		if err == nil {
			err = talks(client, server)
		}
		if err != nil {
			t.Error(err)
		}
	})
}
