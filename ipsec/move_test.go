package ipsec

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
)

// Move is what both planes would do.
func (p *fakePlane) Move(ids []sad.ID, local, remote netip.AddrPort) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse {
		return errors.New("not now")
	}
	for _, id := range ids {
		sa := p.sas[id]
		delete(p.sas, id)
		sa.Local, sa.Remote = local.Addr(), remote.Addr()
		p.sas[sa.ID()] = sa
	}
	return nil
}

func TestSAsFollowAPeerThatMoved(t *testing.T) {
	for name, refuses := range map[string]bool{"at once": false, "not if the plane cannot": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, hq, branch := twoOffices(t, key, key, false)
				time.Sleep(time.Minute)
				synctest.Wait()
				s := hq.conns["leeds"].active
				hq.plane.refuse = refuses
				moved := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.77"), 4500)
				s.carryOut([]ike.Effect{ike.Moved{Peer: "leeds", Local: s.path.local, Remote: moved}})
				want := moved.Addr()
				if refuses {
					want = branchAddr
				}
				if len(hq.byESP) != 2 || len(hq.plane.sas) != 2 {
					t.Fatalf("%d SAs known, %d installed", len(hq.byESP), len(hq.plane.sas))
				}
				for id, sa := range hq.plane.sas {
					if hq.byESP[id] != s || sa.Remote != want {
						t.Errorf("%v leads to %s, known %v", id, sa.Remote, hq.byESP[id] == s)
					}
				}
				hq.end()
				branch.end()
				if n := hq.plane.held(); n != 0 {
					t.Errorf("%d SAs are left", n)
				}
			})
		})
	}
}
