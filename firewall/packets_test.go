package firewall

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPacketsThroughThePerimeter(t *testing.T) {
	o := newSmallOffice(t)
	for _, a := range []string{"10.1.0.77/32", "10.2.0.77/32", "fd00:1::77/128", "fd00:2::77/128"} {
		o.wan.hasAddress(a)
	}
	for _, a := range []string{anyone4 + "/32", "10.2.0.88/32", "fd00:2::88/128", "2001:db8:77::1/128"} {
		o.lan.hasAddress(a)
	}
	for _, a := range []string{"10.1.0.99/32", anyone4 + "/32", "fd00:1::99/128"} {
		o.branch.hasAddress(a)
	}
	rows := []struct {
		name     string
		from     *space
		src      string
		to       *space
		dst      string
		port     int
		seenFrom string // empty: must not arrive
		counter  string // the rule that decided
	}{
		{"a lan host reaches the internet behind the gateway's address", o.lan, lanHost4, o.wan, wanHost4, 5000, gatewayWAN4, "allowed-lan-wan"},
		{"a lan host reaches the internet over IPv6 as itself", o.lan, lanHost6, o.wan, wanHost6, 5000, lanHost6, "allowed-lan-wan"},
		{"a lan host reaches the branch by the tunnel as itself", o.lan, lanHost4, o.branch, branchHost4, 5000, lanHost4, "allowed-lan-vpn"},
		{"a lan host reaches the branch over IPv6", o.lan, lanHost6, o.branch, branchHost6, 5000, lanHost6, "allowed-lan-vpn"},

		{"a stranger reaches no port of the gateway", o.wan, wanHost4, o.gateway, gatewayWAN4, 8443, "", "wan-default"},
		{"a stranger reaches no port of the gateway over IPv6", o.wan, wanHost6, o.gateway, gatewayWAN6, 8443, "", "wan-default"},
		{"a stranger does not reach the gateway's lan address", o.wan, wanHost4, o.gateway, gatewayLAN4, 22, "", "wan-default"},
		{"a stranger who routes to the lan through the gateway is stopped", o.wan, wanHost4, o.lan, lanHost4, 5000, "", "wan-default"},
		{"a stranger who routes to the lan over IPv6 is stopped", o.wan, wanHost6, o.lan, lanHost6, 5000, "", "wan-default"},
		{"a stranger who routes to the branch through the gateway is stopped", o.wan, wanHost4, o.branch, branchHost4, 5000, "", "wan-default"},

		{"the lan's own source on wan is spoofed", o.wan, "10.1.0.77", o.lan, lanHost4, 5000, "", "spoof-wan"},
		{"the lan's own source on wan is spoofed in IPv6 too", o.wan, "fd00:1::77", o.lan, lanHost6, 5000, "", "spoof-wan"},
		{"the branch's source on wan is spoofed", o.wan, "10.2.0.77", o.lan, lanHost4, 5000, "", "spoof-wan"},
		{"the branch's source on wan is spoofed in IPv6 too", o.wan, "fd00:2::77", o.gateway, gatewayWAN6, 5000, "", "spoof-wan"},
		{"a foreign source on the lan is spoofed", o.lan, anyone4, o.wan, wanHost4, 5000, "", "spoof-lan"},
		{"the branch's source on the lan is spoofed", o.lan, "10.2.0.88", o.gateway, gatewayLAN4, 8443, "", "spoof-lan"},
		{"the branch's source on the lan is spoofed in IPv6 too", o.lan, "fd00:2::88", o.wan, wanHost6, 5000, "", "spoof-lan"},
		{"a foreign IPv6 source on the lan is spoofed", o.lan, "2001:db8:77::1", o.wan, wanHost6, 5000, "", "spoof-lan"},
		{"the lan's source out of the tunnel is spoofed", o.branch, "10.1.0.99", o.lan, lanHost4, 8080, "", "spoof-vpn"},
		{"the lan's source out of the tunnel is spoofed in IPv6 too", o.branch, "fd00:1::99", o.lan, lanHost6, 8080, "", "spoof-vpn"},
		{"a foreign source out of the tunnel is spoofed", o.branch, anyone4, o.lan, lanHost4, 8080, "", "spoof-vpn"},

		{"a peer's IKE comes in", o.wan, peer4, o.gateway, gatewayWAN4, 500, peer4, "ike"},
		{"a peer's encapsulated ESP comes in", o.wan, peer4, o.gateway, gatewayWAN4, 4500, peer4, "ike"},
		{"a peer's IKE comes in over IPv6", o.wan, peer6, o.gateway, gatewayWAN6, 500, peer6, "ike"},
		{"a peer gets nothing else", o.wan, peer4, o.gateway, gatewayWAN4, 501, "", "wan-default"},
		{"a stranger's IKE is dropped", o.wan, wanHost4, o.gateway, gatewayWAN4, 500, "", "wan-default"},
		{"a stranger's IKE over IPv6 is dropped", o.wan, wanHost6, o.gateway, gatewayWAN6, 4500, "", "wan-default"},

		{"the branch does not reach what no rule allows", o.branch, branchHost4, o.lan, lanHost4, 5000, "", "forward-default"},
		{"the branch does not reach it over IPv6", o.branch, branchHost6, o.lan, lanHost6, 5000, "", "forward-default"},
		{"the branch does not use our internet", o.branch, branchHost4, o.wan, wanHost4, 5000, "", "forward-default"},
		{"the branch does not reach the gateway's page", o.branch, branchHost4, o.gateway, gatewayLAN4, 8443, "", "input-default"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			before := o.counted(row.counter)
			seen, arrived := o.datagram(row.from, row.src, row.to, row.dst, row.port)
			switch {
			case row.seenFrom == "" && arrived:
				t.Errorf("arrived, from %s", seen)
			case row.seenFrom != "" && !arrived:
				t.Error("did not arrive")
			case row.seenFrom != "" && seen.Addr() != netip.MustParseAddr(row.seenFrom):
				t.Errorf("arrived from %s instead of %s", seen, row.seenFrom)
			}
			if got := o.counted(row.counter) - before; got != 1 {
				t.Errorf("rule %s counted %d packets instead of 1", row.counter, got)
			}
		})
	}
}

func TestConnectionsPassTheMatrix(t *testing.T) {
	o := newSmallOffice(t)
	for _, row := range []struct {
		name     string
		from     *space
		src      string
		to       *space
		dst      string
		port     int
		open     bool
		answered bool // refused with an answer instead of silence
	}{
		{"the lan reaches the page", o.lan, lanHost4, o.gateway, gatewayLAN4, 8443, true, false},
		{"the lan reaches SSH over IPv6", o.lan, lanHost6, o.gateway, gatewayLAN6, 22, true, false},
		{"the lan reaches no other port", o.lan, lanHost4, o.gateway, gatewayLAN4, 80, false, false},
		{"a stranger does not reach the page", o.wan, wanHost4, o.gateway, gatewayWAN4, 8443, false, false},
		{"a peer does not reach the page", o.wan, peer4, o.gateway, gatewayWAN4, 8443, false, false},
		{"the branch reaches the port a rule allows", o.branch, branchHost4, o.lan, lanHost4, 8080, true, false},
		{"the branch reaches the range a rule allows over IPv6", o.branch, branchHost6, o.lan, lanHost6, 9010, true, false},
		{"the branch does not reach the port beside it", o.branch, branchHost4, o.lan, lanHost4, 8081, false, false},
		{"a reject rule answers a reset", o.lan, lanHost4, o.wan, wanHost4, 23, false, true},
		{"a reject rule answers over IPv6", o.lan, lanHost6, o.wan, wanHost6, 23, false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, s, err := o.connection(row.from, row.src, row.to, row.dst, row.port)
			if row.open {
				if err == nil {
					err = talks(c, s)
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatal("the connection opened")
			}
			if refused := errors.Is(err, syscall.ECONNREFUSED); refused != row.answered {
				t.Errorf("refused with an answer: %v; %v", refused, err)
			}
		})
	}
	for _, row := range []struct {
		name    string
		from    *space
		src, to string
		ok      bool
	}{
		{"the lan pings the gateway", o.lan, lanHost4, gatewayLAN4, true},
		{"the lan pings the gateway over IPv6", o.lan, lanHost6, gatewayLAN6, true},
		{"the lan pings the internet", o.lan, lanHost4, wanHost4, true},
		{"the branch pings the gateway", o.branch, branchHost4, gatewayLAN4, true},
		{"the branch pings the lan by a rule", o.branch, branchHost4, lanHost4, true},
		{"the branch pings the lan over IPv6 by the same rule", o.branch, branchHost6, lanHost6, true},
		{"a stranger pings nothing", o.wan, wanHost4, gatewayWAN4, false},
		{"a stranger pings nothing over IPv6", o.wan, wanHost6, gatewayWAN6, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, err := row.from.try("ping -c1 -W1 -I %s %s", row.src, row.to)
			if (err == nil) != row.ok {
				t.Errorf("ping: %v\n%s", err, out)
			}
		})
	}
}

func TestESPComesInFromThePeerOnly(t *testing.T) {
	o := newSmallOffice(t)
	for src, want := range map[string]bool{peer4: true, wanHost4: false} {
		var server, client *net.IPConn
		var err error
		o.gateway.do(func() { server, err = net.ListenIP("ip4:50", &net.IPAddr{IP: net.ParseIP(gatewayWAN4)}) })
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		o.wan.do(func() {
			client, err = net.DialIP("ip4:50", &net.IPAddr{IP: net.ParseIP(src)}, &net.IPAddr{IP: net.ParseIP(gatewayWAN4)})
		})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := client.Write(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
		server.SetReadDeadline(time.Now().Add(patience))
		_, from, err := server.ReadFrom(make([]byte, 128))
		if (err == nil) != want {
			t.Errorf("ESP from %s arrived: %v (from %v), want %v", src, err == nil, from, want)
		}
	}
}

func TestNothingForATunnelLeavesBesideIt(t *testing.T) {
	o := newSmallOffice(t)
	o.wan.hasAddress("10.2.0.5/32")
	o.wan.hasAddress("fd00:2::5/128")
	// The worst case: the tunnel's device is gone and its routes with it, so
	// the routing table now says: by the internet.
	o.gateway.sh("ip link del ipsec0")
	for _, row := range []struct {
		name     string
		from     *space
		src, dst string
		port     int
	}{
		{"from a lan host", o.lan, lanHost4, branchHost4, 5000},
		{"from a lan host over IPv6", o.lan, lanHost6, branchHost6, 5000},
		{"from the gateway itself", o.gateway, gatewayLAN4, branchHost4, 5000},
		{"from the gateway itself over IPv6", o.gateway, gatewayLAN6, branchHost6, 5000},
		{"from the gateway with a port of IKE to no peer", o.gateway, gatewayWAN4, branchHost4, 500},
		{"from a lan host with a port of IKE", o.lan, lanHost4, branchHost4, 4500},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := o.counted("leak")
			if seen, arrived := o.datagramFromPort(row.from, row.src, row.port, o.wan, row.dst, row.port); arrived {
				t.Errorf("left unprotected, seen from %s", seen)
			}
			if got := o.counted("leak") - before; got != 1 {
				t.Errorf("leak counted %d packets instead of 1", got)
			}
		})
	}
	p := o.policy()
	p.IKE = append(p.IKE, IKEPeer{netip.MustParseAddr(branchHost4)})
	o.apply(p)
	t.Run("but key exchange with a peer inside its own network does", func(t *testing.T) {
		if _, arrived := o.datagramFromPort(o.gateway, gatewayWAN4, 500, o.wan, branchHost4, 500); !arrived {
			t.Error("IKE to the peer was held back")
		}
		if _, arrived := o.datagram(o.wan, branchHost4, o.gateway, gatewayWAN4, 500); !arrived {
			t.Error("IKE from the peer was held back")
		}
	})
}

func TestEverythingThroughTheTunnelStillReachesThePeer(t *testing.T) {
	o := newSmallOffice(t)
	p := o.policy()
	p.Tunnels[0].Remote = prefixes("0.0.0.0/0", "::/0")
	o.apply(p)
	if _, arrived := o.datagramFromPort(o.gateway, gatewayWAN4, 4500, o.wan, peer4, 4500); !arrived {
		t.Error("IKE to the peer was held back")
	}
	if _, arrived := o.datagram(o.wan, peer6, o.gateway, gatewayWAN6, 500); !arrived {
		t.Error("IKE from the peer was held back")
	}
	if _, arrived := o.datagram(o.lan, lanHost4, o.wan, wanHost4, 5000); arrived {
		t.Error("a lan host's packet left beside the tunnel")
	}
	if _, _, err := o.connection(o.lan, lanHost6, o.gateway, gatewayLAN6, 8443); err != nil {
		t.Errorf("the page is out of reach: %v", err)
	}
}

func TestLockdownLetsNothingInOrThrough(t *testing.T) {
	o := newSmallOffice(t)
	o.apply(Lockdown("ipsec0", 100))
	for _, row := range []struct {
		name    string
		from    *space
		src     string
		to      *space
		dst     string
		port    int
		arrives bool
	}{
		{"from the lan to the page", o.lan, lanHost4, o.gateway, gatewayLAN4, 8443, false},
		{"from wan to IKE", o.wan, peer4, o.gateway, gatewayWAN4, 500, false},
		{"from the lan to the internet", o.lan, lanHost6, o.wan, wanHost6, 5000, false},
		{"from the branch to the lan", o.branch, branchHost4, o.lan, lanHost4, 8080, false},
		{"within the gateway", o.gateway, "127.0.0.1", o.gateway, "127.0.0.1", 5000, true},
	} {
		src := row.src
		if row.from == row.to {
			src = "127.0.0.2"
		}
		if _, arrived := o.datagram(row.from, src, row.to, row.dst, row.port); arrived != row.arrives {
			t.Errorf("%s: arrived %v", row.name, arrived)
		}
	}
}

func TestSegmentsFitTheTunnelInBothDirections(t *testing.T) {
	o := newSmallOffice(t)
	const mtu, headers = 1300, 40
	o.gateway.sh("ip link set ipsec0 mtu %d", mtu)
	client, server, err := o.connection(o.lan, lanHost4, o.branch, branchHost4, 5000)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*net.TCPConn{"the lan host": client, "the branch host": server} {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			mss, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG)
			if err != nil || mss > mtu-headers {
				t.Errorf("%s sends segments of %d bytes, %v", name, mss, err)
			}
		})
	}
}
