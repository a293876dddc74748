package esp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// gateway is one end: a network namespace and the engine in it.
type gateway struct {
	ns     string
	outer  netip.Addr
	outer6 netip.Addr
	inner  []netip.Prefix
	engine *Engine
	stop   func()
	events chan sad.Event
}

func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// inside runs f with its thread in the namespace; sockets made by f stay there.
func inside(t testing.TB, ns string, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		h, err := netns.GetFromName(ns)
		if err != nil {
			done <- err
			return
		}
		defer h.Close()
		if err := netns.Set(h); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatalf("in %s: %v", ns, err)
	}
}

// topology makes two gateways on one wire, each with inner addresses on its
// loopback and the other's routed into ipsec0.
func topology(t testing.TB) [2]*gateway {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root: it makes network namespaces")
	}
	id := fmt.Sprintf("espt-%d-", os.Getpid())
	var g [2]*gateway
	for i := range g {
		g[i] = &gateway{
			ns: id + string("ab"[i]), outer: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}),
			outer6: netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1)),
			inner: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.%d.0.1/32", i+1)),
				netip.MustParsePrefix(fmt.Sprintf("fd00:%d::1/128", i+1)),
			},
			events: make(chan sad.Event, 64),
		}
		run(t, "ip", "netns", "add", g[i].ns)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", g[i].ns).Run() })
	}
	run(t, "ip", "-n", g[0].ns, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", g[1].ns)
	for i, e := range g {
		run(t, "ip", "-n", e.ns, "addr", "add", e.outer.String()+"/24", "dev", "wire")
		run(t, "ip", "-n", e.ns, "addr", "add", e.outer6.String()+"/64", "dev", "wire", "nodad")
		run(t, "ip", "-n", e.ns, "link", "set", "wire", "up")
		run(t, "ip", "-n", e.ns, "link", "set", "lo", "up")
		for _, p := range e.inner {
			args := []string{"ip", "-n", e.ns, "addr", "add", p.String(), "dev", "lo"}
			if p.Addr().Is6() {
				args = append(args, "nodad") // else it cannot be used for a moment
			}
			run(t, args...)
		}
		e.start(t)
		for k, p := range g[1-i].inner {
			run(t, "ip", "-n", e.ns, "route", "add", p.String(), "dev", "ipsec0", "src", e.inner[k].Addr().String())
		}
		e.policy(t, g[1-i])
	}
	return g
}

// start opens and runs the engine, taking over a device that is there already.
func (g *gateway) start(t testing.TB) {
	t.Helper()
	inside(t, g.ns, func() (err error) {
		g.engine, err = Open(Config{
			Device: "ipsec0", Port: 4500, Mark: planetest.Mark, Log: slog.Default(),
			IKE: func(_, _ netip.AddrPort, _ []byte) {},
			Event: func(e sad.Event) {
				select {
				case g.events <- e:
				default:
				}
			},
		})
		return err
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.engine.Run(ctx) }()
	stopped := false
	g.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("engine in %s: %v", g.ns, err)
		}
	}
	t.Cleanup(g.stop)
}

func selectors(prefixes []netip.Prefix) (out []sad.Selector) {
	for _, p := range prefixes {
		out = append(out, sad.SelectorFromPrefix(p))
	}
	return out
}

func (g *gateway) policy(t testing.TB, peer *gateway) {
	t.Helper()
	if err := g.engine.SetPolicies([]sad.Policy{{
		ID: 1, Name: "peer", Action: sad.Protect, LocalTS: selectors(g.inner), RemoteTS: selectors(peer.inner),
	}}); err != nil {
		t.Fatal(err)
	}
}

// connect installs one SA for each way, inbound before outbound, as IKE does.
func connect(t testing.TB, g [2]*gateway, suite string, spi sad.SPI) {
	t.Helper()
	s, err := crypto.ParseESPSuite(suite)
	if err != nil {
		t.Fatal(err)
	}
	enc, integ := crypto.ChildKeySizes(s)
	for _, d := range []sad.Direction{sad.In, sad.Out} {
		for i, e := range g {
			from := i
			if d == sad.In {
				from = 1 - i
			}
			sa := sad.SA{
				SPI: spi + sad.SPI(from), Protocol: sad.ESP, Direction: d, Policy: 1, Suite: s,
				Local: e.outer, Remote: g[1-i].outer, Encap: &sad.Encap{LocalPort: 4500, RemotePort: 4500},
				EncryptionKey: bytes.Repeat([]byte{byte(spi) + byte(from)}, enc), IntegrityKey: bytes.Repeat([]byte{byte(spi)}, integ),
				ReplayWindow: 1024, LocalTS: selectors(e.inner), RemoteTS: selectors(g[1-i].inner),
			}
			if err := e.engine.Install(sa); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func ping(t testing.TB, g [2]*gateway) {
	t.Helper()
	for _, p := range g[1].inner {
		run(t, "ip", "netns", "exec", g[0].ns, "ping", "-q", "-c", "3", "-i", "0.01", "-W", "2", p.Addr().String())
	}
}

func TestTwoEnginesCarryRealTraffic(t *testing.T) {
	for i, suite := range []string{"aes256gcm16", "aes256-sha256"} {
		t.Run(suite, func(t *testing.T) {
			g := topology(t)
			connect(t, g, suite, sad.SPI(0x1000*(i+1)))
			ping(t, g)
			for _, p := range g[1].inner {
				transfer(t, g, p.Addr(), 32<<20)
			}
			u, ok := g[0].engine.Usage(sad.ID{SPI: sad.SPI(0x1000 * (i + 1)), Protocol: sad.ESP, Direction: sad.Out, Remote: g[1].outer})
			if !ok || u.Bytes < 64<<20 {
				t.Errorf("the SA carried %d bytes", u.Bytes)
			}
		})
	}
}

// transferTime is far more than a transfer takes on a busy machine.
const transferTime = time.Minute

// transfer sends n patterned bytes by TCP from one gateway to the other.
func transfer(t testing.TB, g [2]*gateway, to netip.Addr, n int) {
	t.Helper()
	var l net.Listener
	inside(t, g[1].ns, func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(to, 0).String())
		return err
	})
	defer l.Close()
	want := bytes.Repeat([]byte("0123456789abcdef"), n/16)
	sent := make(chan error, 1)
	var c net.Conn
	inside(t, g[0].ns, func() (err error) {
		c, err = net.DialTimeout("tcp", l.Addr().String(), 5*time.Second)
		return err
	})
	c.SetDeadline(time.Now().Add(transferTime))
	go func() {
		_, err := c.Write(want)
		c.Close()
		sent <- err
	}()
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	peer.SetReadDeadline(time.Now().Add(transferTime))
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d arrived whole, %v", len(got), n, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestRekeyUnderTrafficLosesNothing(t *testing.T) {
	g := topology(t)
	connect(t, g, "aes256gcm16", 0x1000)
	ping(t, g)
	flood := exec.Command("ip", "netns", "exec", g[0].ns, "ping", "-q", "-c", "1500", "-i", "0.002", "-W", "2", g[1].inner[0].Addr().String())
	var out bytes.Buffer
	flood.Stdout, flood.Stderr = &out, &out
	if err := flood.Start(); err != nil {
		t.Fatal(err)
	}
	for spi := sad.SPI(0x1010); spi < 0x1090; spi += 0x10 {
		time.Sleep(200 * time.Millisecond)
		connect(t, g, "aes256gcm16", spi)
		// As IKE does: the old SA goes after packets under way have arrived.
		time.Sleep(100 * time.Millisecond)
		for i, e := range g {
			e.engine.Remove(sad.ID{SPI: spi - 0x10 + sad.SPI(i), Protocol: sad.ESP, Direction: sad.Out, Remote: g[1-i].outer})
			e.engine.Remove(sad.ID{SPI: spi - 0x10 + sad.SPI(1-i), Protocol: sad.ESP, Direction: sad.In})
		}
	}
	if err := flood.Wait(); err != nil || !strings.Contains(out.String(), " 0% packet loss") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestDeviceAndRoutesOutliveTheEngine(t *testing.T) {
	g := topology(t)
	connect(t, g, "aes256gcm16", 0x1000)
	ping(t, g)
	g[0].stop()
	to := g[1].inner[0].Addr().String()
	if route := run(t, "ip", "-n", g[0].ns, "route", "get", to); !strings.Contains(route, "dev ipsec0") {
		t.Errorf("without an engine the route is %s", route)
	}
	g[0].start(t)
	g[0].policy(t, g[1])
	// Without an SA traffic waits and IKE is asked for one.
	exec.Command("ip", "netns", "exec", g[0].ns, "ping", "-c", "1", "-W", "1", to).Run()
	select {
	case e := <-acquires(g[0].events):
		if e.Policy != 1 {
			t.Errorf("%+v", e)
		}
	case <-time.After(3 * time.Second):
		t.Error("no Acquire for traffic without an SA")
	}
	connect(t, g, "aes256gcm16", 0x2000)
	ping(t, g)
}

// acquires passes over the events of other kinds.
func acquires(events chan sad.Event) chan sad.Event {
	out := make(chan sad.Event, 1)
	go func() {
		for e := range events {
			if e.Kind == sad.Acquire {
				out <- e
				return
			}
		}
	}()
	return out
}
