package planetest

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"gatehouse/ipsec/sad"
)

// Plane is a data plane as these tests use it.
type Plane interface {
	sad.Dataplane
	sad.Meter
}

// Mark is what a plane in this process puts on its own packets, to keep them out
// of ipsec0.
const Mark = 0x67

// Kind is how to open a plane.
type Kind struct {
	Name string
	// Open makes the plane and runs it until the test ends. It is called inside
	// the host's namespace. The device is ipsec0, the UDP port 4500.
	Open func(t testing.TB, h *Host) Plane
	// OnTheWay says that the plane sees the packets of transport mode on their own
	// way; others have to be routed into ipsec0.
	OnTheWay bool
}

// Host is one end.
type Host struct {
	NS             string
	Kind           Kind
	Plane          Plane
	Outer4, Outer6 netip.Addr
	// Inner are networks behind it, of one address each, of both families.
	Inner  []netip.Prefix
	Events chan sad.Event
}

// Outer is the host's address on the wire.
func (h *Host) Outer(v6 bool) netip.Addr {
	if v6 {
		return h.Outer6
	}
	return h.Outer4
}

// Run runs a command and gives what it printed.
func Run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Run runs a command inside the host's namespace.
func (h *Host) Run(t testing.TB, args ...string) string {
	t.Helper()
	return Run(t, append([]string{"ip", "netns", "exec", h.NS}, args...)...)
}

// Inside runs f with its thread in the namespace; sockets made by f stay there.
func (h *Host) Inside(t testing.TB, f func() error) {
	t.Helper()
	inside(t, h.NS, f)
}

func inside(t testing.TB, ns string, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		n, err := netns.GetFromName(ns)
		if err != nil {
			done <- err
			return
		}
		defer n.Close()
		if err := netns.Set(n); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatalf("in %s: %v", ns, err)
	}
}

// Two makes two hosts on one wire, each with inner addresses on its loopback and
// the other's routed into ipsec0. On the wire only protected packets pass.
func Two(t testing.TB, kinds [2]Kind) [2]*Host {
	t.Helper()
	return twoOn(t, kinds, func(hosts [2]*Host) {
		Run(t, "ip", "-n", hosts[0].NS, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", hosts[1].NS)
	})
}

// twoOn is Two with a way of its own to give both hosts a device called wire.
func twoOn(t testing.TB, kinds [2]Kind, join func([2]*Host)) [2]*Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root: it makes network namespaces")
	}
	var hosts [2]*Host
	for i := range hosts {
		h := &Host{
			NS: fmt.Sprintf("plane-%d-%s", os.Getpid(), string("ab"[i])), Kind: kinds[i],
			Outer4: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), Outer6: netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1)),
			Inner: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.%d.0.1/32", i+1)), netip.MustParsePrefix(fmt.Sprintf("fd00:%d::1/128", i+1)),
			},
			Events: make(chan sad.Event, 1024),
		}
		Run(t, "ip", "netns", "add", h.NS)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", h.NS).Run() })
		hosts[i] = h
	}
	join(hosts)
	for i, h := range hosts {
		ip := func(args ...string) { Run(t, append([]string{"ip", "-n", h.NS}, args...)...) }
		ip("addr", "add", h.Outer4.String()+"/24", "dev", "wire")
		ip("addr", "add", h.Outer6.String()+"/64", "dev", "wire", "nodad")
		ip("link", "set", "wire", "up")
		ip("link", "set", "lo", "up")
		for _, p := range h.Inner {
			if p.Addr().Is6() {
				ip("addr", "add", p.String(), "dev", "lo", "nodad") // else it cannot be used for a moment
				continue
			}
			ip("addr", "add", p.String(), "dev", "lo")
		}
		h.Inside(t, func() error {
			h.Plane = h.Kind.Open(t, h)
			return nil
		})
		for k, p := range hosts[1-i].Inner {
			ip("route", "add", p.String(), "dev", "ipsec0", "src", h.Inner[k].Addr().String())
		}
		h.Run(t, "nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; "+
			"add rule inet t c iifname wire meta l4proto { esp, ah } accept; add rule inet t c iifname wire udp dport 4500 accept; "+
			"add rule inet t c iifname wire meta ipsec exists accept; "+
			"add rule inet t c iifname wire icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; add rule inet t c iifname wire drop")
	}
	return hosts
}

// Event takes news of a plane; nobody has to read them.
func (h *Host) Event(e sad.Event) {
	select {
	case h.Events <- e:
	default:
	}
}

// awaitTime is far more than a plane takes to tell of something.
const awaitTime = 10 * time.Second

// Await gives the next event of a kind, and passes over others.
func (h *Host) Await(t testing.TB, kind sad.EventKind) sad.Event {
	t.Helper()
	late := time.After(awaitTime)
	for {
		select {
		case e := <-h.Events:
			if e.Kind == kind {
				return e
			}
		case <-late:
			t.Fatalf("no event of kind %d in %s", kind, h.NS)
		}
	}
}
