//go:build guest

package firewall

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ti-mo/conntrack"
)

// fast is the small office's policy with the fast path.
func (o *smallOffice) fast() Policy {
	p := o.policy()
	p.Offload = true
	return p
}

// offloaded says whether the connection to a port of an address is on the fast
// path.
func (o *smallOffice) offloaded(to string, port int) bool {
	o.t.Helper()
	found, on := false, false
	var err error
	o.gateway.do(func() {
		err = eachFlow(o.t.Context(), func(f *conntrack.Flow) bool {
			if f.TupleOrig.IP.DestinationAddress == netip.MustParseAddr(to) && int(f.TupleOrig.Proto.DestinationPort) == port {
				found, on = true, on || f.Status.Offload()
			}
			return true
		})
	})
	if err != nil {
		o.t.Fatal(err)
	}
	if !found {
		o.t.Errorf("no connection to %s port %d", to, port)
	}
	return on
}

// talk opens a connection and gives what says whether its ends hear each other,
// after they did so often enough for the fast path.
func (o *smallOffice) talk(from *space, src string, to *space, dst string, port int) func() error {
	o.t.Helper()
	c, s, err := o.connection(from, src, to, dst, port)
	if err != nil {
		o.t.Fatalf("%s to %s port %d: %v", src, dst, port, err)
	}
	for range 3 {
		if err := talks(c, s); err != nil {
			o.t.Fatalf("%s to %s port %d: %v", src, dst, port, err)
		}
	}
	return func() error { return talks(c, s) }
}

func TestKernelOffloadsWhatMayBe(t *testing.T) {
	o := newSmallOffice(t)
	o.apply(o.fast())
	if got := o.applier.Offloading().String(); got != "in use for wan0, lan0" {
		t.Errorf("flow offload is %s", got)
	}
	rows := []struct {
		name     string
		from, to *space
		src, dst string
		port     int
		want     bool
	}{
		{"lan to the internet", o.lan, o.wan, lanHost4, wanHost4, 80, true},
		{"by IPv6", o.lan, o.wan, lanHost6, wanHost6, 80, true},
		{"lan to a branch", o.lan, o.branch, lanHost4, branchHost4, 80, false},
		{"lan to a branch by IPv6", o.lan, o.branch, lanHost6, branchHost6, 80, false},
		{"a branch to the lan", o.branch, o.lan, branchHost4, lanHost4, 8080, false},
		{"a branch to the lan by IPv6", o.branch, o.lan, branchHost6, lanHost6, 8080, false},
	}
	talk := map[string]func() error{}
	for _, row := range rows {
		talk[row.name] = o.talk(row.from, row.src, row.to, row.dst, row.port)
	}
	before := o.counted("allowed-lan-wan")
	check := func(when string) {
		for _, row := range rows {
			for range 3 {
				if err := talk[row.name](); err != nil {
					t.Errorf("%s %s: %v", row.name, when, err)
				}
			}
			if on := o.offloaded(row.dst, row.port); on != row.want {
				t.Errorf("%s %s: offloaded is %v", row.name, when, on)
			}
		}
	}
	check("at first")
	o.apply(o.fast())
	check("after another apply")
	if after := o.counted("allowed-lan-wan"); before != 2 || after != before {
		t.Errorf("two connections were counted as %d and then %d", before, after)
	}
	// What shaping must queue is never taken from it.
	shaped := o.fast()
	shaped.NoOffload = []string{"wan0"}
	o.apply(shaped)
	for i := range rows {
		rows[i].want = false
	}
	check("with wan0 shaped")
	// And everything as it was without.
	o.apply(o.policy())
	check("switched off")
	if got := o.applier.Offloading().String(); got != "switched off" {
		t.Errorf("flow offload is %s", got)
	}
}

func TestKernelEndsWhatIsOffloaded(t *testing.T) {
	o := newSmallOffice(t)
	old := o.fast()
	o.apply(old)
	// As the gateway sets it: a connection in its middle is not a new one.
	o.gateway.sh("echo 0 > /proc/sys/net/netfilter/nf_conntrack_tcp_loose")
	web := o.talk(o.lan, lanHost4, o.wan, wanHost4, 80)
	mail := o.talk(o.lan, lanHost4, o.wan, wanHost4, 25)
	mail6 := o.talk(o.lan, lanHost6, o.wan, wanHost6, 25)
	chat := o.talk(o.lan, lanHost6, o.wan, wanHost6, 5222)
	for _, c := range []struct {
		to   string
		port int
	}{{wanHost4, 80}, {wanHost4, 25}, {wanHost6, 25}, {wanHost6, 5222}} {
		if !o.offloaded(c.to, c.port) {
			t.Fatalf("port %d of %s is not offloaded", c.port, c.to)
		}
	}
	new := o.fast()
	new.Rules = append([]Rule{{ID: "no-mail", From: ZoneLAN, To: ZoneWAN, Protocol: TCP, Ports: []PortRange{{25, 25}}, Action: Drop}}, new.Rules...)
	if n := o.cut(old, new); n != 2 {
		t.Errorf("%d connections were cut", n)
	}
	if mail() == nil || mail6() == nil {
		t.Error("mail goes on")
	}
	for range 3 {
		if err := web(); err != nil {
			t.Errorf("the web was cut: %v", err)
		}
		if err := chat(); err != nil {
			t.Errorf("the chat was cut: %v", err)
		}
	}
	if !o.offloaded(wanHost4, 80) || !o.offloaded(wanHost6, 5222) {
		t.Error("what went on is not offloaded again")
	}
	// The same by hand, with no apply that makes the fast path anew.
	var n int
	var err error
	o.gateway.do(func() {
		n, err = EndConnections(context.Background(), func(c Connection) bool { return c.Destination.Port() == 80 })
	})
	if n != 1 || err != nil {
		t.Errorf("%d connections were ended: %v", n, err)
	}
	if web() == nil {
		t.Error("the web goes on")
	}
	if err := chat(); err != nil {
		t.Errorf("the chat was ended: %v", err)
	}
}

// call is a conversation of datagrams with whoever has an address at present.
type call struct {
	t      testing.TB
	client *net.UDPConn
	ends   map[string]*net.UDPConn
}

const callPort = 5060

func (o *smallOffice) call(src, dst string, ends map[string]*space) *call {
	o.t.Helper()
	c := &call{t: o.t, ends: map[string]*net.UDPConn{}}
	for name, s := range ends {
		s.hasAddress(dst)
		var err error
		s.do(func() { c.ends[name], err = net.ListenUDP("udp", udpAddr(dst, callPort)) })
		if err != nil {
			o.t.Fatal(err)
		}
		o.t.Cleanup(func() { c.ends[name].Close() })
	}
	var err error
	o.lan.do(func() { c.client, err = net.DialUDP("udp", udpAddr(src, 0), udpAddr(dst, callPort)) })
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { c.client.Close() })
	return c
}

// reaches sends a datagram and says at whom it arrived; nobody is empty. The
// one who got it answers.
func (c *call) reaches() string {
	c.t.Helper()
	if _, err := c.client.Write([]byte("hello")); err != nil {
		return ""
	}
	arrived := make(chan string, len(c.ends))
	for name, end := range c.ends {
		end.SetReadDeadline(time.Now().Add(patience))
		go func() {
			_, from, err := end.ReadFromUDPAddrPort(make([]byte, 16))
			if err != nil {
				name = ""
			} else {
				_, _ = end.WriteToUDPAddrPort([]byte("hello"), from)
			}
			arrived <- name
		}()
	}
	at := ""
	for range c.ends {
		if name := <-arrived; name != "" {
			at = name
			for _, end := range c.ends { // it is nowhere else
				end.SetReadDeadline(time.Now())
			}
		}
	}
	if at != "" {
		c.client.SetReadDeadline(time.Now().Add(patience))
		_, _ = c.client.Read(make([]byte, 16))
	}
	return at
}

// moves says that datagrams reach somebody, after one at most that reached
// nobody: a connection behind the address of one device does not go on behind
// that of another, so the kernel drops it, and the next packet begins it anew.
func (c *call) moves(to string) {
	c.t.Helper()
	got := c.reaches()
	if got == "" {
		got = c.reaches()
	}
	if got != to {
		c.t.Errorf("the datagram reached %q, not %q", got, to)
	}
}

func TestKernelNeverOffloadsAroundATunnel(t *testing.T) {
	for _, row := range []struct{ name, src, dst, net, wan, tunnel string }{
		{"IPv4", lanHost4, branchHost4, "10.2.0.0/24", "wan0 via " + wanHost4, "ipsec0 via 169.254.9.2"},
		{"IPv6", lanHost6, branchHost6, "fd00:2::/64", "wan0 via " + wanHost6, "ipsec0 via fd00:ff::2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newSmallOffice(t)
			route := func(dev string) { o.gateway.ip("route replace " + row.net + " dev " + dev) }
			say := func(c *call, want string) {
				t.Helper()
				if got := c.reaches(); got != want {
					t.Errorf("the datagram reached %q, not %q", got, want)
				}
			}
			// Before there is a branch, its addresses are somewhere on the internet,
			// and what goes there is offloaded.
			before := o.fast()
			before.Tunnels = nil
			o.apply(before)
			route(row.wan)
			c := o.call(row.src, row.dst, map[string]*space{"the internet": o.wan, "the branch": o.branch})
			for range 3 {
				say(c, "the internet")
			}
			if !o.offloaded(row.dst, callPort) {
				t.Error("not offloaded to the internet")
			}
			// The branch comes, and its route a moment later: nothing leaves in clear.
			o.apply(o.fast())
			say(c, "")
			if o.counted("leak") == 0 {
				t.Error("the leak guard did not see it")
			}
			route(row.tunnel)
			c.moves("the branch")
			for range 3 {
				say(c, "the branch")
			}
			if o.offloaded(row.dst, callPort) {
				t.Error("offloaded into a tunnel")
			}
			// The route goes astray while the connection runs.
			route(row.wan)
			say(c, "")
			// And comes back.
			route(row.tunnel)
			say(c, "the branch")
		})
	}
}

func TestKernelNoticesThatARouteChanged(t *testing.T) {
	o := newSmallOffice(t)
	o.apply(o.fast())
	c := o.call(lanHost4, anyone4, map[string]*space{"one way": o.wan, "the other": o.branch})
	for range 3 {
		if got := c.reaches(); got != "one way" {
			t.Fatalf("the datagram reached %q", got)
		}
	}
	if !o.offloaded(anyone4, callPort) {
		t.Error("not offloaded")
	}
	o.gateway.ip("route add " + anyone4 + " dev ipsec0 via 169.254.9.2")
	c.moves("the other")
}

func TestKernelLetsDevicesJoinTheFastPath(t *testing.T) {
	o := newSmallOffice(t)
	p := o.fast()
	p.HardwareOffload = true
	p.Interfaces = append(p.Interfaces, Interface{Device: "lan1", Zone: "guest", Addresses: prefixes("10.9.0.1/24")})
	p.Defaults = append(p.Defaults, Default{"guest", ZoneWAN, Allow})
	o.apply(p)
	got := o.applier.Offloading()
	if !slices.Equal(got.Absent, []string{"lan1"}) || got.Hardware || !strings.Contains(got.NoHardware, "not supported") {
		t.Errorf("flow offload is %s", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	go o.gateway.do(func() { followed <- o.applier.FollowDevices(ctx) })
	guests := newSpace(t)
	o.joinedBy(guests, "lan1", "10.9.0.1/24", "10.9.0.2/24")
	for deadline := time.Now().Add(10 * patience); len(o.applier.Offloading().Absent) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("lan1 does not join")
		}
	}
	o.talk(guests, "10.9.0.2", o.wan, wanHost4, 80)
	if !o.offloaded(wanHost4, 80) {
		t.Error("not offloaded")
	}
	stop()
	if err := <-followed; err != nil {
		t.Error(err)
	}
}
