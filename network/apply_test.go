package network

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// inNamespace runs f in a network namespace of its own with the devices a and
// b, which are the ends of one cable.
func inNamespace(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread and its namespace end with the goroutine.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("this test needs root for a network namespace: %v", err)
			return
		}
		err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "a"}, PeerName: "b"})
		if err != nil {
			t.Errorf("make a cable: %v", err)
			return
		}
		f(t)
	}()
	<-done
}

// inThisNamespace runs f on another thread in the namespace of this one.
func inThisNamespace(t *testing.T, f func()) {
	t.Helper()
	here, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		runtime.LockOSThread()
		defer here.Close()
		if err := netns.Set(here); err != nil {
			t.Error(err)
		}
		f()
	}()
}

// listing is what the kernel holds, one sorted line each: addresses of a and
// b, and the main table's routes that are not the kernel's own.
func listing(t *testing.T) string {
	t.Helper()
	var lines []string
	links, err := netlink.LinkList()
	if err != nil {
		t.Error(err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
		if l.Attrs().Name == "lo" {
			continue
		}
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			t.Error(err)
		}
		for _, a := range addrs {
			if !a.IP.IsLinkLocalUnicast() {
				lines = append(lines, fmt.Sprintf("%s %s", l.Attrs().Name, a.IPNet))
			}
		}
	}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		t.Error(err)
	}
	for _, r := range routes {
		if r.Protocol == unix.RTPROT_KERNEL {
			continue
		}
		k := keyOf(r)
		line := fmt.Sprintf("route %s metric %d proto %d", k.destination, k.metric, int(r.Protocol))
		if r.Type == unix.RTN_UNREACHABLE {
			line += " unreachable"
		} else {
			line += fmt.Sprintf(" dev %s", names[r.LinkIndex])
		}
		if k.via.IsValid() {
			line += " via " + k.via.String()
		}
		if k.source.IsValid() {
			line += " src " + k.source.String()
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func want(t *testing.T, lines string) {
	t.Helper()
	var ls []string
	for _, l := range strings.Split(strings.TrimSpace(lines), "\n") {
		ls = append(ls, strings.TrimSpace(l))
	}
	slices.Sort(ls)
	if got, w := listing(t), strings.Join(ls, "\n"); got != w {
		t.Errorf("the kernel holds\n%s\n\nwant\n%s", got, w)
	}
}

func p(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func office() Config {
	return Config{
		Forwarding: true,
		Links: []Link{
			{Device: "a", WAN: true, Addresses: []netip.Prefix{p("203.0.113.2/24"), p("2001:db8:1::2/64")}},
			{Device: "b", MTU: 1400, Addresses: []netip.Prefix{p("10.1.0.1/24")}},
		},
		Routes: []Route{
			{Destination: p("0.0.0.0/0"), Via: netip.MustParseAddr("203.0.113.1"), Device: "a"},
			{Destination: p("::/0"), Via: netip.MustParseAddr("2001:db8:1::1"), Device: "a"},
			{Destination: p("10.9.0.0/16"), Via: netip.MustParseAddr("10.1.0.9")},
			{Destination: p("10.2.0.0/24"), Device: "b", Source: netip.MustParseAddr("10.1.0.1")},
			{Destination: p("10.2.0.0/24"), Unreachable: true, Metric: 4096},
			{Destination: p("fd00:2::/64"), Unreachable: true, Metric: 4096},
		},
	}
}

const officeListing = `
	a 203.0.113.2/24
	a 2001:db8:1::2/64
	b 10.1.0.1/24
	route 0.0.0.0/0 metric 0 proto 103 dev a via 203.0.113.1
	route ::/0 metric 1024 proto 103 dev a via 2001:db8:1::1
	route 10.9.0.0/16 metric 0 proto 103 dev b via 10.1.0.9
	route 10.2.0.0/24 metric 0 proto 103 dev b src 10.1.0.1
	route 10.2.0.0/24 metric 4096 proto 103 unreachable
	route fd00:2::/64 metric 4096 proto 103 unreachable`

func apply(t *testing.T, c Config) error {
	t.Helper()
	return NewApplier(slog.New(slog.DiscardHandler)).Apply(context.Background(), c)
}

func TestApply(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		if err := apply(t, office()); err != nil {
			t.Fatal(err)
		}
		want(t, officeListing)
		if b, _ := netlink.LinkByName("b"); b.Attrs().MTU != 1400 || b.Attrs().RawFlags&upFlag == 0 {
			t.Errorf("b is %+v", b.Attrs())
		}
		for path, value := range map[string]string{
			"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1",
			"ipv6/conf/a/accept_ra": "0", "ipv4/conf/a/send_redirects": "0",
			"netfilter/nf_conntrack_acct": "1", "netfilter/nf_conntrack_timestamp": "1", "netfilter/nf_conntrack_tcp_loose": "0",
		} {
			if got, err := os.ReadFile(sysctlRoot + "/" + path); err != nil || strings.TrimSpace(string(got)) != value {
				t.Errorf("%s is %q, want %s (%v)", path, got, value, err)
			}
		}
	})
}

func TestSecondApplyChangesNothing(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		if err := apply(t, office()); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		defer close(stop)
		addrs, routes, links := make(chan netlink.AddrUpdate, 64), make(chan netlink.RouteUpdate, 64), make(chan netlink.LinkUpdate, 64)
		for _, err := range []error{netlink.AddrSubscribe(addrs, stop), netlink.RouteSubscribe(routes, stop), netlink.LinkSubscribe(links, stop)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := apply(t, office()); err != nil {
			t.Fatal(err)
		}
		if n := len(addrs) + len(routes) + len(links); n != 0 {
			t.Errorf("the kernel reports %d changes of an apply that changes nothing", n)
			for range len(addrs) {
				t.Logf("%+v", <-addrs)
			}
			for range len(routes) {
				t.Logf("%+v", <-routes)
			}
			for range len(links) {
				t.Logf("%+v", <-links)
			}
		}
	})
}

func TestWhatIsNoLongerWantedGoesAndOthersStay(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		if err := apply(t, office()); err != nil {
			t.Fatal(err)
		}
		// Somebody else's route and device.
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "c"}, PeerName: "d"}); err != nil {
			t.Fatal(err)
		}
		c, _ := netlink.LinkByName("c")
		if err := netlink.AddrAdd(c, &netlink.Addr{IPNet: ipNet(p("192.0.2.1/24"))}); err != nil {
			t.Fatal(err)
		}
		b, _ := netlink.LinkByName("b")
		foreign := netlink.Route{Dst: ipNet(p("10.77.0.0/16")), LinkIndex: b.Attrs().Index, Protocol: unix.RTPROT_STATIC, Scope: netlink.SCOPE_LINK}
		if err := netlink.RouteAdd(&foreign); err != nil {
			t.Fatal(err)
		}
		// A new Applier, as after a restart.
		cfg := office()
		cfg.Links[1].Addresses = []netip.Prefix{p("10.1.5.1/24")}
		cfg.Routes = []Route{{Destination: p("0.0.0.0/0"), Via: netip.MustParseAddr("203.0.113.254"), Device: "a"}}
		if err := apply(t, cfg); err != nil {
			t.Fatal(err)
		}
		want(t, `
			a 203.0.113.2/24
			a 2001:db8:1::2/64
			b 10.1.5.1/24
			c 192.0.2.1/24
			route 0.0.0.0/0 metric 0 proto 103 dev a via 203.0.113.254
			route 10.77.0.0/16 metric 0 proto 4 dev b`)
	})
}

func TestErrorsNameWhatFailedAndTheRestIsDone(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		cfg := office()
		cfg.Links = append(cfg.Links, Link{Device: "nowhere"})
		cfg.Routes = append(cfg.Routes, Route{Destination: p("10.3.0.0/24"), Device: "ipsec0"})
		err := apply(t, cfg)
		if err == nil || !strings.Contains(err.Error(), "nowhere") || !strings.Contains(err.Error(), "10.3.0.0/24 dev ipsec0") {
			t.Errorf("error %v", err)
		}
		want(t, officeListing)
	})
}

func TestLinks(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		if err := apply(t, office()); err != nil {
			t.Fatal(err)
		}
		links, err := Links(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			if l.Device == "b" && (!l.Up || !l.Carrier || l.MTU != 1400 || !slices.Contains(l.Addresses, p("10.1.0.1/24"))) {
				t.Errorf("%+v", l)
			}
		}
	})
}
