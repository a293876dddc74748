package esp

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// thisPlane opens an engine for a host of planetest.
func thisPlane() planetest.Kind {
	return planetest.Kind{Name: "userspace", Open: func(t testing.TB, h *planetest.Host) planetest.Plane {
		e, err := Open(Config{Device: "ipsec0", Port: 4500, Mark: planetest.Mark, Log: slog.Default(),
			IKE: func(netip.AddrPort, netip.AddrPort, []byte) {}, Event: h.Event})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the engine in %s ended: %v", h.NS, err)
			}
		})
		return e
	}}
}

// TestESPAndAHCarryRealTraffic is every protocol, mode and family outside, with
// both families inside.
func TestESPAndAHCarryRealTraffic(t *testing.T) {
	hosts := planetest.Two(t, [2]planetest.Kind{thisPlane(), thisPlane()})
	for i, l := range planetest.Links() {
		t.Run(l.String(), func(t *testing.T) {
			l.Bind(t, hosts, sad.SPI(0x1000*(i+1)), nil)
			l.Carry(t, hosts, 4<<20)
		})
	}
}
