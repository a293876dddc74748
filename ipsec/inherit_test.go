package ipsec

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/ipsec/sad"
)

// After a crash the kernel's SAs carry on. Traffic by them is all that the peer asks
// for, so it would not call before its next rekey.
func TestTheSideThatAnswersCallsWhenItInheritsSAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire, hq, crashed := twoOffices(t, key, key, false)
		time.Sleep(time.Minute)
		before := hq.one(t)
		hq.plane.mu.Lock()
		for id := range hq.plane.sas { // the peer's kernel goes on sending
			hq.plane.usage = map[sad.ID]sad.Usage{id: {Packets: 1, Last: time.Now().Add(time.Hour)}}
		}
		hq.plane.mu.Unlock()
		delete(wire.ends, branchAddr)

		branch := newSide(wire, branchAddr, 0x3000)
		if err := branch.Apply([]Connection{connection0("hq", hqAddr.String(), false, key, "10.2.0.0/24", "10.1.0.0/24")}, Manual{}); err != nil {
			t.Fatal(err)
		}
		branch.run()
		branch.PlaneEvent(sad.Event{Kind: sad.Inherited, Policy: 1})
		for branch.one(t).State != Up {
			time.Sleep(time.Millisecond)
		}
		// hq must not use keys that the branch may not have, nor refuse what it sent by
		// the old ones.
		held := []int{hq.plane.held()}
		tested := 5 * time.Second // of forward secrecy, by a rekey
		for _, pause := range []time.Duration{takeOverAfter, oldStays + closeGrace + tested} {
			time.Sleep(pause)
			synctest.Wait()
			held = append(held, hq.plane.held())
		}
		if !slices.Equal(held, []int{3, 4, 2}) {
			t.Errorf("hq had %v SAs, want 3 before it takes over, 4 then, 2 in the end", held)
		}
		a, b := hq.one(t), branch.one(t)
		if a.State != Up || b.State != Up || a.Children[0].In == before.Children[0].In {
			t.Errorf("hq %+v, branch %+v", a, b)
		}
		if branch.conns["hq"].inherits {
			t.Error("it would call again")
		}
		hq.end()
		branch.end()
		wire.mu.Lock()
		wire.ends = map[netip.Addr]*Manager{}
		wire.mu.Unlock()
		crashed.end()
	})
}
