package esp

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// What two engines carry in UDP, much of it, is what they count.
func TestTwoEnginesCarryRealTraffic(t *testing.T) {
	hosts := two(t)
	for i, suite := range []string{"aes256gcm16", "aes256-sha256"} {
		t.Run(suite, func(t *testing.T) {
			l, first := planetest.InUDP(suite), sad.SPI(0x1000*(i+1))
			l.Bind(t, hosts, first, nil)
			l.Carry(t, hosts, 32<<20)
			u, ok := hosts[0].Plane.Usage(l.SA(t, hosts, 0, 0, sad.Out, first).ID())
			if !ok || u.Bytes < 64<<20 {
				t.Errorf("the SA carried %d bytes", u.Bytes)
			}
		})
	}
}

func TestRekeyUnderTrafficLosesNothing(t *testing.T) {
	hosts := two(t)
	l := planetest.InUDP("aes256gcm16")
	l.Bind(t, hosts, 0x1000, nil)
	l.Ping(t, hosts)
	flood := exec.Command("ip", "netns", "exec", hosts[0].NS, "ping", "-q", "-c", "1500", "-i", "0.002", "-W", "2", l.Targets(hosts)[0].String())
	var out strings.Builder
	flood.Stdout, flood.Stderr = &out, &out
	if err := flood.Start(); err != nil {
		t.Fatal(err)
	}
	for spi := sad.SPI(0x1010); spi < 0x1090; spi += 0x10 {
		time.Sleep(200 * time.Millisecond)
		l.Install(t, hosts, spi, nil)
		// As IKE does: the old SA goes after packets under way have arrived.
		time.Sleep(100 * time.Millisecond)
		l.Remove(t, hosts, spi-0x10)
	}
	if err := flood.Wait(); err != nil || !strings.Contains(out.String(), " 0% packet loss") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestDeviceAndRoutesOutliveTheEngine(t *testing.T) {
	var stop func()
	stoppable := planetest.Kind{Name: "userspace", Open: func(t testing.TB, h *planetest.Host) planetest.Plane {
		var e *Engine
		e, stop = running(t, h, 0)
		return e
	}}
	hosts := planetest.Two(t, [2]planetest.Kind{stoppable, thisPlane()})
	h, l := hosts[0], planetest.InUDP("aes256gcm16")
	l.Bind(t, hosts, 0x1000, nil)
	l.Ping(t, hosts)
	stop()
	to := l.Targets(hosts)[0].String()
	if route := planetest.Run(t, "ip", "-n", h.NS, "route", "get", to); !strings.Contains(route, "dev ipsec0") {
		t.Errorf("without an engine the route is %s", route)
	}
	h.Inside(t, func() error {
		h.Plane = h.Kind.Open(t, h)
		return nil
	})
	h.Protect(t, hosts[1], l)
	// Without an SA traffic waits and IKE is asked for one.
	exec.Command("ip", "netns", "exec", h.NS, "ping", "-c", "1", "-W", "1", to).Run()
	if e := h.Await(t, sad.Acquire); e.Policy != 1 {
		t.Errorf("%+v", e)
	}
	l.Install(t, hosts, 0x2000, nil)
	l.Ping(t, hosts)
}
