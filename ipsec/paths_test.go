package ipsec

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// The uplink changes under a tunnel: it goes on, by the same IKE SA.
func TestTunnelGoesOnFromAnotherAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire, hq, branch := twoOffices(t, key, key, false)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		since := hq.one(t).Since
		second := netip.MustParseAddr("203.0.113.99")
		wire.mu.Lock()
		wire.ends[second] = hq.Manager
		delete(wire.ends, hqAddr)
		wire.mu.Unlock()
		hq.source = func(netip.AddrPort) (netip.AddrPort, error) { return netip.AddrPortFrom(second, ikePort), nil }
		hq.PathsChanged()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		a, b := hq.one(t), branch.one(t)
		if a.State != Up || a.Since != since || a.Local.Addr() != second || b.State != Up || b.Remote.Addr() != second {
			t.Errorf("hq %+v\nbranch %+v", a, b)
		}
		for _, s := range []*side{hq, branch} {
			for _, sa := range s.plane.sas {
				if sa.Local != second && sa.Remote != second {
					t.Errorf("an SA still goes from %s to %s", sa.Local, sa.Remote)
				}
			}
			if n := s.plane.held(); n != 2 {
				t.Errorf("%d SAs, want 2", n)
			}
		}
		if a.Children[0].In != b.Children[0].Out {
			t.Errorf("the sides do not agree: %+v %+v", a.Children, b.Children)
		}
		hq.end()
		branch.end()
	})
}
