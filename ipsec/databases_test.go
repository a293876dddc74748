package ipsec

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/ipsec/sad"
)

func (p *fakePlane) Refused() (out [sad.Refusals]uint64, known bool) {
	out[sad.BadICV] = 3
	return out, true
}

func (p *fakePlane) RefusedBy(policy uint32) uint64 { return uint64(policy) * 100 }

// TestTheDatabasesShowBothKindsOfSAs is a tunnel by IKE beside keys made by hand.
func TestTheDatabasesShowBothKindsOfSAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hq, branch := twoOffices(t, key, key, false)
		defer branch.end()
		defer hq.end()
		leeds := connection0("leeds", branchAddr.String(), true, key, "10.1.0.0/24", "10.2.0.0/24")
		hand := joined(1)
		for i := range hand.Policies {
			hand.Policies[i].SAs[0].SPI += 0x7000 // the planes of both sides count their SPIs from 0x1000 and 0x2000
		}
		must(t, hq.Apply([]Connection{leeds}, hand))
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		everything := func(Association) bool { return true }
		all, total := hq.Associations(everything, 0, 100)
		if total != 4 || len(all) != 4 {
			t.Fatalf("%d SAs: %+v", total, all)
		}
		// In the order of the policies: those by hand are first.
		for i, want := range []struct {
			owner, entry string
			byHand       bool
			direction    sad.Direction
		}{{"out", "out", true, sad.Out}, {"in", "in", true, sad.In}, {"leeds", "leeds", false, sad.Out}, {"leeds", "leeds", false, sad.In}} {
			a := all[i]
			if a.Owner != want.owner || a.Entry != want.entry || a.ByHand != want.byHand || a.Direction != want.direction {
				t.Errorf("%d: %s of %s, %v", i, a.Owner, a.Entry, a)
			}
			if a.EncryptionKey != nil || a.IntegrityKey != nil {
				t.Errorf("%s shows its keys", a.SPI)
			}
			if a.Usage.Packets != 1 || a.Usage.Bytes != 100 || a.Since.IsZero() || len(a.LocalTS) == 0 || len(a.RemoteTS) == 0 {
				t.Errorf("%s: %+v", a.SPI, a.Usage)
			}
		}
		if sa := all[3]; sa.Encap == nil || sa.ReplayWindow != replayWindow || sa.Lifetime.Hard.Time != time.Hour || !sa.ESN && sa.Suite.String() != "aes256gcm16" {
			t.Errorf("the SA by IKE: %+v", sa.SA)
		}
		one, total := hq.Associations(func(a Association) bool { return a.Owner == "leeds" }, 1, 1)
		if total != 2 || len(one) != 1 || one[0].Direction != sad.In {
			t.Errorf("a part: %d %v", total, one)
		}

		entries, total := hq.Entries(func(Entry) bool { return true }, 0, 100)
		if total != 3 || !entries[0].ByHand || entries[0].Place != 1 || entries[2].Name != "leeds" || entries[2].Place != 3 {
			t.Fatalf("%d policies: %+v", total, entries)
		}
		if e := entries[0]; e.SAs != 1 || e.Sent.Packets != 1 || e.Received.Packets != 0 || e.Refused != uint64(e.ID)*100 {
			t.Errorf("by hand: %+v", e)
		}
		if e := entries[2]; e.SAs != 2 || e.Owner != "leeds" || e.Sent.Bytes < 100 || e.Received.Bytes < 100 {
			t.Errorf("by IKE: %+v", e)
		}
		before := entries[2]
		// What old SAs carried still counts, and an SA that is gone is not shown.
		if !hq.RekeyChildren("leeds") {
			t.Fatal("no tunnel")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if entries, _ = hq.Entries(func(e Entry) bool { return e.Name == "leeds" }, 0, 1); entries[0].Sent.Packets != before.Sent.Packets+1 {
			t.Errorf("after new keys: %+v", entries[0])
		}
		if refused, known := hq.Refused(); !known || refused[sad.BadICV] != 3 {
			t.Error("refused packets are not told")
		}
		must(t, hq.Apply(nil, Manual{}))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if left, n := hq.Associations(everything, 0, 100); n != 0 {
			t.Errorf("left: %v", left)
		}
		if _, n := hq.Entries(func(Entry) bool { return true }, 0, 0); n != 0 {
			t.Errorf("%d policies are left", n)
		}
	})
}

// BenchmarkAPageOfTenThousandSAs is what one look at the page costs.
func BenchmarkAPageOfTenThousandSAs(b *testing.B) {
	wire := &cable{ends: map[netip.Addr]*Manager{}}
	s := newSide(wire, hqAddr, 0x1000)
	c, err := newConnection(s.Manager, connection0("leeds", branchAddr.String(), true, key, "10.1.0.0/24", "10.2.0.0/24"))
	if err != nil {
		b.Fatal(err)
	}
	owner := &session{m: s.Manager, conn: c}
	for i := range 10_000 {
		s.owned(owner, sad.SA{SPI: sad.SPI(0x10000 + i), Protocol: sad.ESP, Direction: sad.Direction(i % 2), Local: hqAddr, Remote: branchAddr, Policy: 1})
	}
	for b.Loop() {
		if part, total := s.Associations(func(Association) bool { return true }, 5000, 50); total != 10_000 || len(part) != 50 {
			b.Fatalf("%d of %d", len(part), total)
		}
	}
}
