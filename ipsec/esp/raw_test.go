package esp

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// thisPlane opens an engine for a host of planetest.
func thisPlane() planetest.Kind { return planeOf(0) }

// planeOf is that, as on a machine with so many cores.
func planeOf(cores int) planetest.Kind {
	return planetest.Kind{Name: "userspace", Open: func(t testing.TB, h *planetest.Host) planetest.Plane {
		e, _ := running(t, h, cores)
		return e
	}}
}

// running is an engine for a host, until the test ends or stop is called. It takes
// over a device that is there already.
func running(t testing.TB, h *planetest.Host, cores int) (e *Engine, stop func()) {
	t.Helper()
	e, err := Open(Config{Cores: cores, Device: "ipsec0", Port: 4500, Mark: planetest.Mark, Log: slog.Default(),
		IKE: func(netip.AddrPort, netip.AddrPort, []byte) {}, Event: h.Event})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the engine in %s ended: %v", h.NS, err)
		}
	})
	t.Cleanup(stop)
	return e, stop
}

// two are hosts with an engine each.
func two(t testing.TB) [2]*planetest.Host {
	t.Helper()
	return planetest.Two(t, [2]planetest.Kind{thisPlane(), thisPlane()})
}

// TestESPAndAHCarryRealTraffic is every protocol, mode and family outside, with
// both families inside.
func TestESPAndAHCarryRealTraffic(t *testing.T) {
	hosts := two(t)
	for i, l := range planetest.Links() {
		t.Run(l.String(), func(t *testing.T) {
			l.Bind(t, hosts, sad.SPI(0x1000*(i+1)), nil)
			l.Carry(t, hosts, 4<<20)
		})
	}
}
