package ipsec

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/ipsec/sad"
)

// A connection on traffic is quiet until a packet wants it.
func TestTunnelOnTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &cable{ends: map[netip.Addr]*Manager{}}
		hq, branch := newSide(wire, hqAddr, 0x1000), newSide(wire, branchAddr, 0x2000)
		c := connection0("leeds", branchAddr.String(), true, key, "10.1.0.0/24", "10.2.0.0/24")
		c.OnTraffic = true
		if err := hq.Apply([]Connection{c}, Manual{}); err != nil {
			t.Fatal(err)
		}
		if err := branch.Apply([]Connection{connection0("hq", hqAddr.String(), false, key, "10.2.0.0/24", "10.1.0.0/24")}, Manual{}); err != nil {
			t.Fatal(err)
		}
		hq.run()
		branch.run()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if st := hq.one(t); wire.count != 0 || st.State != Waiting {
			t.Errorf("%d messages while nothing wanted to go there, state %s", wire.count, st.State)
		}
		hq.PlaneEvent(sad.Event{Kind: sad.Acquire, Policy: hq.conns["leeds"].policies[0],
			Source: netip.MustParseAddr("10.1.0.9"), Destination: netip.MustParseAddr("10.2.0.9")})
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if a, b := hq.one(t), branch.one(t); a.State != Up || b.State != Up || a.Children[0].LocalTS[0].String() != "10.1.0.0/24" {
			t.Errorf("not up when a packet wanted it: %+v %+v", a, b)
		}
		hq.end()
		branch.end()
	})
}
