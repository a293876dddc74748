package firewall

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// served is the small office with a port open to the internet.
func served(t *testing.T) *smallOffice {
	t.Helper()
	o := newSmallOffice(t)
	o.apply(o.servedPolicy())
	return o
}

func (o *smallOffice) servedPolicy() Policy {
	p := o.guardedPolicy()
	p.Rules = append(p.Rules, Rule{ID: "service", To: ZoneGateway, Services: []Service{
		{Protocol: UDP, Ports: []PortRange{{7777, 7777}}}, {Protocol: TCP, Ports: []PortRange{{7777, 7777}}}}, Action: Allow})
	return p
}

// in calls something of the applier in the gateway's namespace.
func (o *smallOffice) in(fn func(context.Context) error) {
	o.t.Helper()
	if err := o.tries(fn); err != nil {
		o.t.Fatal(err)
	}
}

func (o *smallOffice) tries(fn func(context.Context) error) error {
	var err error
	o.gateway.do(func() { err = fn(o.t.Context()) })
	return err
}

func (o *smallOffice) ban(source string, d time.Duration) {
	o.t.Helper()
	o.in(func(ctx context.Context) error { return o.applier.Ban(ctx, netip.MustParsePrefix(source), d, "test") })
}

func (o *smallOffice) bansNow() (out []Ban) {
	o.t.Helper()
	o.in(func(ctx context.Context) error {
		var err error
		out, err = o.applier.Bans(ctx)
		return err
	})
	return out
}

func (o *smallOffice) reaches(src, dst string) bool {
	o.t.Helper()
	_, arrived := o.datagram(o.wan, src, o.gateway, dst, 7777)
	return arrived
}

func TestABanRefusesEverythingFromASourceOnWAN(t *testing.T) {
	const beside6, other6 = "2001:db8:1::dddd", "2001:db8:77::9"
	o := served(t)
	o.wan.hasAddress(beside6 + "/128")
	o.wan.hasAddress(other6 + "/128")
	client4, server4, err := o.connection(o.wan, wanHost4, o.gateway, gatewayWAN4, 7777)
	if err != nil {
		t.Fatal(err)
	}
	client6, server6, err := o.connection(o.wan, wanHost6, o.gateway, gatewayWAN6, 7777)
	if err != nil {
		t.Fatal(err)
	}
	o.ban(wanHost4+"/32", time.Hour)
	o.ban(wanHost6+"/128", time.Hour)
	before := o.counted(idBanned)
	for _, row := range []struct {
		name, src, dst string
		arrives        bool
	}{
		{"the source", wanHost4, gatewayWAN4, false}, {"the source over IPv6", wanHost6, gatewayWAN6, false},
		{"an address in the same /64", beside6, gatewayWAN6, false},
		{"another source", peer4, gatewayWAN4, true}, {"another /64", other6, gatewayWAN6, true},
	} {
		if arrived := o.reaches(row.src, row.dst); arrived != row.arrives {
			t.Errorf("%s: arrived %v", row.name, arrived)
		}
	}
	if got := o.counted(idBanned) - before; got != 3 {
		t.Errorf("%s counted %d packets instead of 3", idBanned, got)
	}
	for name, c := range map[string][2]net.Conn{"IPv4": {client4, server4}, "IPv6": {client6, server6}} {
		if err := talks(c[0], c[1]); err == nil {
			t.Errorf("an established connection over %s goes on", name)
		}
	}
	o.in(func(ctx context.Context) error {
		return Connections(ctx, func(c Connection) bool {
			if c.with(netip.MustParsePrefix(wanHost4+"/32")) || c.with(netip.MustParsePrefix("2001:db8:1::/64")) && transport(c.Protocol) == overTCP {
				t.Errorf("tracked still, and so perhaps on the fast path: %+v", c)
			}
			return true
		})
	})
	bans := o.bansNow()
	if len(bans) != 2 || bans[0].Source.String() != wanHost4+"/32" || bans[1].Source.String() != "2001:db8:1::/64" {
		t.Fatalf("bans: %+v", bans)
	}
	for _, b := range bans {
		if left := time.Until(b.Until); b.Reason != "test" || left < 50*time.Minute || left > time.Hour+time.Minute || b.Until.Sub(b.Since) != time.Hour || b.Packets == 0 {
			t.Errorf("%+v", b)
		}
	}
	t.Run("after an apply and by another process too", func(t *testing.T) {
		o.applier = NewApplier(quiet())
		p := o.servedPolicy()
		p.Rules = p.Rules[1:]
		o.apply(p)
		if o.reaches(wanHost4, gatewayWAN4) || o.reaches(wanHost6, gatewayWAN6) {
			t.Error("the ban is gone")
		}
		if now := o.bansNow(); len(now) != 2 || now[0].Packets <= bans[0].Packets || now[0].Reason != "test" {
			t.Errorf("bans: %+v", now)
		}
	})
	t.Run("and during lockdown, for afterwards", func(t *testing.T) {
		o.apply(Lockdown("ipsec0", 100))
		o.apply(o.servedPolicy())
		if o.reaches(wanHost4, gatewayWAN4) {
			t.Error("the ban is gone")
		}
	})
	t.Run("until it is lifted", func(t *testing.T) {
		for _, source := range []string{wanHost4 + "/32", beside6 + "/128"} {
			o.in(func(ctx context.Context) error { return o.applier.Unban(ctx, netip.MustParsePrefix(source)) })
		}
		if !o.reaches(wanHost4, gatewayWAN4) || !o.reaches(wanHost6, gatewayWAN6) {
			t.Error("still refused")
		}
		err := o.tries(func(ctx context.Context) error { return o.applier.Unban(ctx, netip.MustParsePrefix(wanHost4+"/32")) })
		if none := (NotBannedError{}); !errors.As(err, &none) {
			t.Errorf("lifting it again: %v", err)
		}
	})
}

func TestABanNeverHurtsTheInsideNorTunnels(t *testing.T) {
	const mobile4, mobile6 = "203.0.113.60", "2001:db8:60::6"
	o := served(t)
	o.wan.hasAddress(mobile4 + "/32")
	o.wan.hasAddress(mobile6 + "/128")
	p := o.servedPolicy()
	p.IKE = append(p.IKE, IKEPeer{}) // one that calls from anywhere
	o.apply(p)
	for _, source := range []string{lanHost4 + "/32", lanHost6 + "/64", branchHost4 + "/32", peer4 + "/32", peer6 + "/128", mobile4 + "/32", mobile6 + "/128"} {
		o.ban(source, time.Hour)
	}
	ike := func(src, dst string, port int) bool {
		_, arrived := o.datagram(o.wan, src, o.gateway, dst, port)
		return arrived
	}
	for _, port := range []int{500, 4500} {
		if !ike(peer4, gatewayWAN4, port) || !ike(peer6, gatewayWAN6, port) {
			t.Errorf("a peer's key exchange is cut on port %d", port)
		}
		if ike(mobile4, gatewayWAN4, port) || ike(mobile6, gatewayWAN6, port) {
			t.Errorf("a stranger's key exchange passes on port %d", port)
		}
	}
	o.in(func(ctx context.Context) error {
		return o.applier.Spare(ctx, []netip.Addr{netip.MustParseAddr(mobile4), netip.MustParseAddr(mobile6)}, time.Minute)
	})
	o.apply(p)
	if !ike(mobile4, gatewayWAN4, 4500) || !ike(mobile6, gatewayWAN6, 500) {
		t.Error("the tunnel of a peer that calls from anywhere is cut")
	}
	for _, src := range []string{peer4, mobile4} {
		if o.reaches(src, gatewayWAN4) {
			t.Errorf("%s reaches other ports", src)
		}
	}
	if _, _, err := o.connection(o.lan, lanHost4, o.gateway, gatewayLAN4, 8443); err != nil {
		t.Errorf("the admin is locked out: %v", err)
	}
	if _, _, err := o.connection(o.lan, lanHost6, o.gateway, gatewayLAN6, 8443); err != nil {
		t.Errorf("the admin is locked out over IPv6: %v", err)
	}
	if _, arrived := o.datagram(o.branch, branchHost4, o.gateway, gatewayLAN4, 7777); !arrived {
		t.Error("the branch is cut off")
	}
}

func TestBansOfNetworks(t *testing.T) {
	o := served(t)
	for _, source := range []string{"203.0.113.8/29", "2001:db8::/44", "198.51.100.0/24", "255.255.255.0/24"} {
		o.ban(source, time.Hour)
	}
	o.ban("203.0.113.50/32", time.Hour)
	o.ban("203.0.113.8/29", 2*time.Hour) // again: longer
	if o.reaches(wanHost4, gatewayWAN4) || o.reaches(wanHost6, gatewayWAN6) {
		t.Error("a host of the network arrives")
	}
	var names []string
	for _, b := range o.bansNow() {
		names = append(names, b.Source.String())
	}
	if got, want := strings.Join(names, " "), "198.51.100.0/24 203.0.113.8/29 203.0.113.50/32 255.255.255.0/24 2001:db8::/44"; got != want {
		t.Errorf("bans: %s, want %s", got, want)
	}
	err := o.tries(func(ctx context.Context) error {
		return o.applier.Ban(ctx, netip.MustParsePrefix("203.0.113.0/24"), time.Hour, "wider")
	})
	if over := (OverlapError{}); !errors.As(err, &over) || over.Other.String() != "203.0.113.8/29" {
		t.Errorf("a ban around another: %v", err)
	}
	for _, bad := range []netip.Prefix{{}, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::ffff:1.2.3.4/128")} {
		if err := o.tries(func(ctx context.Context) error { return o.applier.Ban(ctx, bad, time.Hour, "") }); err == nil {
			t.Errorf("%s was banned", bad)
		}
	}
	o.in(func(ctx context.Context) error { return o.applier.Unban(ctx, netip.MustParsePrefix("203.0.113.8/29")) })
	if !o.reaches(wanHost4, gatewayWAN4) {
		t.Error("a lifted ban of a network is in force")
	}
}

func TestABanEndsByItself(t *testing.T) {
	o := served(t)
	o.ban(wanHost4+"/32", 700*time.Millisecond)
	o.ban("2001:db8:1::/60", 700*time.Millisecond)
	if o.reaches(wanHost4, gatewayWAN4) {
		t.Fatal("not banned")
	}
	eventually(t, func() bool { return o.reaches(wanHost4, gatewayWAN4) && o.reaches(wanHost6, gatewayWAN6) }, "still banned")
	if bans := o.bansNow(); len(bans) > 1 {
		t.Errorf("bans: %+v", bans)
	}
}

func eventually(t *testing.T, ok func() bool, otherwise string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}

// burst sends UDP datagrams from as many ports at once and says how many came
// through to the service.
func (o *smallOffice) burst(src, dst string, n, firstPort int) int {
	o.t.Helper()
	var server *net.UDPConn
	var err error
	o.gateway.do(func() { server, err = net.ListenUDP("udp", udpAddr(dst, 7777)) })
	if err != nil {
		o.t.Fatal(err)
	}
	defer server.Close()
	o.wan.do(func() {
		for i := range n {
			c, dialErr := net.DialUDP("udp", udpAddr(src, firstPort+i), udpAddr(dst, 7777))
			if dialErr != nil {
				err = dialErr
				return
			}
			c.Write([]byte("one"))
			c.Close()
		}
	})
	if err != nil {
		o.t.Fatal(err)
	}
	got := 0
	for b := make([]byte, 8); ; got++ {
		server.SetReadDeadline(time.Now().Add(patience))
		if _, err := server.Read(b); err != nil {
			return got
		}
	}
}

func TestASourceOnWANMayNotFlood(t *testing.T) {
	const many = 60
	for _, row := range []struct {
		name string
		set  func(*Protection)
		most int
	}{
		// A token comes in a second; the burst takes well under ten.
		{"new connections", func(p *Protection) { p.NewPerSecond, p.NewBurst = 1, 20 }, 30},
		{"open connections", func(p *Protection) { p.Open = 20 }, 20},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := served(t)
			const beside6 = "2001:db8:1::dddd"
			o.wan.hasAddress(beside6 + "/128")
			p := o.servedPolicy()
			row.set(&p.Protection)
			o.apply(p)
			for i, target := range [][3]string{{wanHost4, gatewayWAN4, wanHost4}, {wanHost6, gatewayWAN6, beside6}} {
				before := o.counted(idFlood)
				got := o.burst(target[0], target[1], many, 21000)
				if got < 20 || got > row.most {
					t.Errorf("%d of %d connections from %s passed, want 20 to %d", got, many, target[0], row.most)
				}
				if refused := int(o.counted(idFlood) - before); refused != many-got {
					t.Errorf("%s counted %d, and %d were refused", idFlood, refused, many-got)
				}
				o.apply(p) // what is known of sources stays
				if more := o.burst(target[2], target[1], many, 22000); more > 10 {
					t.Errorf("after an apply %d more from the same source %s passed", more, target[2])
				}
				other := []string{peer4, "2001:db8:66::6"}[i]
				o.wan.hasAddress(single(netip.MustParseAddr(other)).String())
				if got := o.burst(other, target[1], 15, 23000); got != 15 {
					t.Errorf("only %d of 15 from another source %s passed", got, other)
				}
			}
			if seen, ok := o.datagram(o.wan, peer4, o.gateway, gatewayWAN4, 500); !ok {
				t.Errorf("a peer's key exchange was refused (%v)", seen)
			}
			if _, _, err := o.connection(o.lan, lanHost4, o.gateway, gatewayLAN4, 8443); err != nil {
				t.Errorf("the lan is limited: %v", err)
			}
			if n := len(o.bansNow()); n != 0 {
				t.Errorf("%d bans", n)
			}
		})
	}
}
