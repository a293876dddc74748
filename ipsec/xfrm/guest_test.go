//go:build guest

package xfrm

import (
	"context"
	"log/slog"
	"testing"

	"gatehouse/ipsec/esp"
	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// until runs a plane until the test ends.
func until(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the plane ended: %v", err)
		}
	})
}

// The two planes.
func kernelPlane() planetest.Kind {
	return planetest.Kind{Name: "kernel", Open: func(t testing.TB, h *planetest.Host) planetest.Plane {
		p, err := Open(Config{Device: "ipsec0", IfID: 0x67, Port: 4500, Mark: planetest.Mark, Log: slog.Default(), IKE: func(addrPort, addrPort, []byte) {}, Event: h.Event})
		if err != nil {
			t.Fatal(err)
		}
		until(t, p.Run)
		return p
	}}
}

func userspacePlane() planetest.Kind {
	return planetest.Kind{Name: "userspace", Open: func(t testing.TB, h *planetest.Host) planetest.Plane {
		e, err := esp.Open(esp.Config{Device: "ipsec0", Port: 4500, Mark: planetest.Mark, Log: slog.Default(),
			IKE: func(addrPort, addrPort, []byte) {}, Event: h.Event})
		if err != nil {
			t.Fatal(err)
		}
		until(t, e.Run)
		return e
	}}
}

// pairs are the planes against one another, and both against a plain Linux.
func pairs() map[string][2]planetest.Kind {
	return map[string][2]planetest.Kind{
		"kernel to userspace":  {kernelPlane(), userspacePlane()},
		"userspace to kernel":  {userspacePlane(), kernelPlane()},
		"kernel to ip xfrm":    {kernelPlane(), plainLinux()},
		"ip xfrm to userspace": {plainLinux(), userspacePlane()},
	}
}

// carryEach shows that real traffic passes every link, for each pair of planes.
func carryEach(t *testing.T, links []planetest.Link) {
	for name, kinds := range pairs() {
		t.Run(name, func(t *testing.T) {
			hosts := planetest.Two(t, kinds)
			for i, l := range links {
				t.Run(l.String(), func(t *testing.T) {
					l.Bind(t, hosts, sad.SPI(0x1000*(i+1)), nil)
					l.Carry(t, hosts, 64<<10)
				})
			}
		})
	}
}

func TestKernelPlanesCarryEveryLink(t *testing.T) { carryEach(t, planetest.Links()) }

func TestKernelPlanesCarryEverySuite(t *testing.T) { carryEach(t, planetest.Suites()) }
