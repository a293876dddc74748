package esp

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// overUDP is a tunnel in UDP, over either family.
func overUDP(outer6 bool) *planetest.Link {
	l := inUDP("aes256gcm16")
	l.Outer6 = outer6
	return l
}

// sniff gives the next packet on the wire whose transport is UDP port 4500.
func sniff(t *testing.T, h *planetest.Host, v6 bool) (next func() []byte) {
	t.Helper()
	var f *os.File
	h.Inside(t, func() error {
		const everything = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, everything)
		if err != nil {
			return err
		}
		link, err := net.InterfaceByName("wire")
		if err != nil {
			return err
		}
		f = os.NewFile(uintptr(fd), "wire")
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: link.Index})
	})
	t.Cleanup(func() { f.Close() })
	return func() []byte {
		t.Helper()
		f.SetReadDeadline(time.Now().Add(10 * time.Second))
		for {
			b := make([]byte, 2000)
			n, err := f.Read(b)
			if err != nil {
				t.Fatalf("nothing on the wire: %v", err)
			}
			b = b[:n]
			if len(b) < ipv4Header+udpHeader || is6(b) != v6 {
				continue
			}
			upper := ipv4Header
			if v6 {
				upper = ipv6Header
			}
			if f, _, ok := parseInner(b); ok && f.protocol == protoUDP && f.dstPort == 4500 && len(b) > upper+100 {
				return b
			}
		}
	}
}

// socket is one of UDP on an inner address.
func socket(t *testing.T, h *planetest.Host, a netip.Addr, options func(set func(level, option, value int) error) error) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	h.Inside(t, func() (err error) {
		if c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0))); err != nil {
			return err
		}
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		raw.Control(func(fd uintptr) {
			err = options(func(level, option, value int) error {
				if err := unix.SetsockoptInt(int(fd), level, option, value); err != nil {
					return fmt.Errorf("socket option %d.%d: %w", level, option, err)
				}
				return nil
			})
		})
		return err
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// classOf reads one datagram and gives its TOS or traffic class.
func classOf(t *testing.T, c *net.UDPConn) uint8 {
	t.Helper()
	b, beside := make([]byte, 2000), control{}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, n, _, _, err := c.ReadMsgUDP(b, beside.b[:])
	if err != nil {
		t.Fatalf("nothing came out of the tunnel: %v", err)
	}
	beside.len = n
	return beside.beside().class
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestTheHeaderAroundUDPIsAsTheSASays looks at real packets on the wire, of both
// families, with both inside; what is directly over IP has a test of its own.
func TestTheHeaderAroundUDPIsAsTheSASays(t *testing.T) {
	hosts := two(t)
	spi := sad.SPI(0x1000)
	const ef = 46
	for _, outer6 := range []bool{false, true} {
		for _, row := range []struct {
			name   string
			shape  sad.Outer
			inner6 bool
			inner  uint8 // class
			df     bool  // of an inner packet over IPv4
			size   int
			want   uint8
			wantDF bool
			hops   uint8
		}{
			{"as it is", sad.Outer{}, false, ef<<2 | ect0, false, 200, ef<<2 | ect0, false, 64},
			{"from IPv6", sad.Outer{}, true, ef<<2 | ect1, false, 200, ef<<2 | ect1, false, 64},
			{"DF is copied", sad.Outer{}, false, 0, true, 200, 0, true, 64},
			{"DF is set", sad.Outer{DF: sad.SetDF}, false, 0, false, 200, 0, true, 64},
			{"DF is cleared", sad.Outer{DF: sad.ClearDF}, false, 0, true, 200, 0, false, 64},
			{"routers do not fragment IPv6", sad.Outer{}, true, 0, false, 1300, 0, true, 64},
			{"the DSCP is hidden, ECN is not", sad.Outer{FixedDSCP: true, DSCP: 10}, false, ef<<2 | ect0, false, 200, 10<<2 | ect0, false, 64},
			{"the DSCP of IPv6 is hidden, ECN is not", sad.Outer{FixedDSCP: true, DSCP: 10}, true, ef<<2 | ect0, false, 200, 10<<2 | ect0, false, 64},
			{"a hop limit", sad.Outer{HopLimit: 9}, false, 0, false, 200, 0, false, 9},
		} {
			t.Run(fmt.Sprintf("%s, IPv6 outside %t", row.name, outer6), func(t *testing.T) {
				spi += 0x100
				overUDP(outer6).Bind(t, hosts, spi, func(sa *sad.SA) { sa.Outer = row.shape })
				next := sniff(t, hosts[1], outer6)
				k := 0
				if row.inner6 {
					k = 1
				}
				to := socket(t, hosts[1], hosts[1].Inner[k].Addr(), func(set func(level, option, value int) error) error {
					if row.inner6 {
						return set(unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1)
					}
					return set(unix.IPPROTO_IP, unix.IP_RECVTOS, 1)
				})
				from := socket(t, hosts[0], hosts[0].Inner[k].Addr(), func(set func(level, option, value int) error) error {
					if row.inner6 {
						return set(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, int(row.inner))
					}
					discover := unix.IP_PMTUDISC_DONT
					if row.df {
						discover = unix.IP_PMTUDISC_DO
					}
					return first(set(unix.IPPROTO_IP, unix.IP_TOS, int(row.inner)), set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover))
				})
				if _, err := from.WriteTo(make([]byte, row.size), to.LocalAddr()); err != nil {
					t.Fatal(err)
				}
				ip := next()
				class, hops := trafficClass(ip), ip[8]
				df := binary.BigEndian.Uint16(ip[6:])&dontFragment != 0
				if outer6 {
					hops, df = ip[7], row.wantDF // there is no such bit
				}
				if class != row.want || hops != row.hops || df != row.wantDF {
					t.Errorf("class %#x, hop limit %d, DF %t; want %#x, %d, %t", class, hops, df, row.want, row.hops, row.wantDF)
				}
				if got := classOf(t, to); got != row.inner {
					t.Errorf("came out with class %#x, went in with %#x", got, row.inner)
				}
			})
		}
	}
}

// TestCongestionAroundUDPComesThrough marks packets on the wire (RFC 6040 section
// 4.2): who knows of ECN learns of it, and from who does not the packet is lost,
// as it would have been without a tunnel.
func TestCongestionAroundUDPComesThrough(t *testing.T) {
	hosts := two(t)
	hosts[1].Run(t, "nft", "add table netdev m; add chain netdev m c { type filter hook ingress device wire priority 0; }; "+
		"add rule netdev m c ip protocol udp udp dport 4500 ip ecn set ce; add rule netdev m c ip6 nexthdr udp udp dport 4500 ip6 ecn set ce")
	for i, outer6 := range []bool{false, true} {
		overUDP(outer6).Bind(t, hosts, sad.SPI(0x1000*(i+1)), nil)
		for k, p := range hosts[1].Inner {
			level, class, receive := unix.IPPROTO_IP, unix.IP_TOS, unix.IP_RECVTOS
			if p.Addr().Is6() {
				level, class, receive = unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_RECVTCLASS
			}
			to := socket(t, hosts[1], p.Addr(), func(set func(level, option, value int) error) error { return set(level, receive, 1) })
			from := socket(t, hosts[0], hosts[0].Inner[k].Addr(), func(set func(level, option, value int) error) error { return nil })
			raw, err := from.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			for _, inner := range []uint8{notECT, ect0, ect1} {
				raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, class, int(inner)) })
				if err != nil {
					t.Fatal(err)
				}
				if _, err := from.WriteTo(make([]byte, 100), to.LocalAddr()); err != nil {
					t.Fatal(err)
				}
			}
			// The first is lost; were it not, it would come first.
			for range 2 {
				if got := classOf(t, to); got != ce {
					t.Errorf("IPv6 outside %t, %s: came out with class %d", outer6, p, got)
				}
			}
		}
	}
}

// TestTransportModeInUDPKeepsItsClassAndHopLimit is about hosts themselves: the header on the
// wire is the packet's own.
func TestTransportModeInUDPKeepsItsClassAndHopLimit(t *testing.T) {
	hosts := two(t)
	for i, outer6 := range []bool{false, true} {
		l := overUDP(outer6)
		l.Needs = []sad.Need{{Protocol: sad.ESP, Mode: sad.Transport}}
		l.Bind(t, hosts, sad.SPI(0x1000*(i+1)), nil)
		level, class, receive := unix.IPPROTO_IP, unix.IP_TOS, unix.IP_RECVTOS
		if outer6 {
			level, class, receive = unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_RECVTCLASS
		}
		const want, hops = 46<<2 | ect0, 33
		limit := unix.IP_TTL
		if outer6 {
			limit = unix.IPV6_UNICAST_HOPS
		}
		to := socket(t, hosts[1], hosts[1].Outer(outer6), func(set func(level, option, value int) error) error { return set(level, receive, 1) })
		from := socket(t, hosts[0], hosts[0].Outer(outer6), func(set func(level, option, value int) error) error {
			return first(set(level, class, want), set(level, limit, hops))
		})
		next := sniff(t, hosts[1], outer6)
		if _, err := from.WriteTo(make([]byte, 200), to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		ip := next()
		at := map[bool]int{false: 8, true: 7}[outer6]
		if got := trafficClass(ip); got != want || ip[at] != hops {
			t.Errorf("IPv6 %t: class %#x, hop limit %d on the wire", outer6, got, ip[at])
		}
		if got := classOf(t, to); got != want {
			t.Errorf("IPv6 %t: class %#x at the end", outer6, got)
		}
	}
}

// TestAnAddressThatIsGoneDoesNotSilenceAnSA sends from an address that the host
// does not have any more.
func TestAnAddressThatIsGoneDoesNotSilenceAnSA(t *testing.T) {
	hosts := two(t)
	for i, outer6 := range []bool{false, true} {
		overUDP(outer6).Bind(t, hosts, sad.SPI(0x1000*(i+1)), func(sa *sad.SA) {
			if sa.Direction == sad.Out && sa.Local == hosts[0].Outer(outer6) {
				sa.Local = map[bool]netip.Addr{false: netip.MustParseAddr("192.0.2.77"), true: netip.MustParseAddr("2001:db8::77")}[outer6]
			}
		})
		overUDP(outer6).Carry(t, hosts, 1<<20)
	}
}

// TestANarrowWayIsFoundOut is a wire that does not take the device's packets: TCP
// learns of it, IPv4 that may be fragmented passes at once, and so does IPv6 of
// the length that every way takes.
func TestANarrowWayIsFoundOut(t *testing.T) {
	hosts := two(t)
	for _, h := range hosts {
		planetest.Run(t, "ip", "-n", h.NS, "link", "set", "wire", "mtu", "1300")
		h.Run(t, "nft", "insert rule inet t c iifname wire exthdr frag exists accept") // which come before they are whole
	}
	for i, udp := range []bool{true, false} {
		for k, outer6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("in UDP %t, IPv6 outside %t", udp, outer6), func(t *testing.T) {
				l := overUDP(outer6)
				l.UDP = udp
				l.Bind(t, hosts, sad.SPI(0x1000*(1+i*2+k)), nil)
				to := l.Targets(hosts)
				hosts[0].Run(t, "ping", "-q", "-c", "3", "-i", "0.05", "-W", "5", "-M", "dont", "-s", "1350", to[0].String())
				hosts[0].Run(t, "ping", "-q", "-c", "3", "-i", "0.05", "-W", "5", "-s", "1232", to[1].String())
				l.Carry(t, hosts, 1<<20)
			})
		}
	}
}
