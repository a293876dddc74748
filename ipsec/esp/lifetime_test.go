package esp

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/ipsec/sad"
)

// expiring is a pair whose outbound SA has a lifetime; its events come in order.
func expiring(t *testing.T, l sad.Lifetime) (a *Engine, out *outbound, events chan sad.Event) {
	t.Helper()
	a, _, out, _ = pair(t, "aes256gcm16")
	events = make(chan sad.Event, 16)
	a.cfg.Event = func(e sad.Event) { events <- e }
	sa := out.SA
	if err := a.Remove(sa.ID()); err != nil {
		t.Fatal(err)
	}
	sa.Lifetime = l
	if err := a.Install(sa); err != nil {
		t.Fatal(err)
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	return a, a.out[sa.ID()], events
}

func TestAnSAEndsAtItsHardBound(t *testing.T) {
	packet := udp4("10.1.0.5", "10.2.0.9", 72) // 100 bytes
	for _, row := range []struct {
		name       string
		life       sad.Lifetime
		soft, hard int // packets until then
	}{
		{"by packets", sad.Lifetime{Soft: sad.Bound{Packets: 3}, Hard: sad.Bound{Packets: 5}}, 3, 5},
		{"by bytes", sad.Lifetime{Soft: sad.Bound{Bytes: 250}, Hard: sad.Bound{Bytes: 400}}, 3, 4},
		{"whatever comes first", sad.Lifetime{Soft: sad.Bound{Bytes: 290, Packets: 2}, Hard: sad.Bound{Bytes: 300, Packets: 9}}, 2, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, out, events := expiring(t, row.life)
			for i := 1; i <= row.hard; i++ {
				if a.protectOne(packet) == nil {
					t.Fatalf("packet %d of %d was not sent", i, row.hard)
				}
				if i == row.soft {
					if e := <-events; e.Kind != sad.SoftExpired || e.SA != out.ID() {
						t.Fatalf("%+v", e)
					}
				}
			}
			if a.protectOne(packet) != nil {
				t.Error("a packet was sent behind the hard bound")
			}
			if e := <-events; e.Kind != sad.HardExpired || e.SA != out.ID() {
				t.Errorf("%+v", e)
			}
			if _, ok := a.Usage(out.ID()); ok {
				t.Error("the SA is still there")
			}
		})
	}
}

func TestAnSAEndsByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, out, events := expiring(t, sad.Lifetime{Soft: sad.Bound{Time: time.Hour}, Hard: sad.Bound{Time: 2 * time.Hour}})
		begin := time.Now()
		if e := <-events; e.Kind != sad.SoftExpired || time.Since(begin) != time.Hour {
			t.Errorf("%+v after %s", e, time.Since(begin))
		}
		if e := <-events; e.Kind != sad.HardExpired || time.Since(begin) != 2*time.Hour {
			t.Errorf("%+v after %s", e, time.Since(begin))
		}
		synctest.Wait()
		if _, ok := a.Usage(out.ID()); ok {
			t.Error("the SA is still there")
		}
	})
}

// An SA that is removed leaves no timer behind.
func TestARemovedSADoesNotExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, out, events := expiring(t, sad.Lifetime{Soft: sad.Bound{Time: time.Hour}, Hard: sad.Bound{Time: 2 * time.Hour}})
		if err := a.Remove(out.ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		if len(events) != 0 {
			t.Errorf("%+v", <-events)
		}
	})
}

// Keys that outlive a process go on counting where they were.
func TestCountersGoOnWhereTheyWere(t *testing.T) {
	a, b, out, in := pair(t, "aes128-sha256")
	for range 10 {
		b.unprotectOne(a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10)))
	}
	old := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))
	sent, _ := a.Usage(out.ID())
	seen, _ := b.Usage(in.ID())
	if sent.Sequence != 11 || seen.Sequence != 10 {
		t.Fatalf("sent %d, seen %d", sent.Sequence, seen.Sequence)
	}
	again := out.SA
	again.Sent = 1000
	inAgain := in.SA
	inAgain.Seen = 1000
	for _, err := range []error{a.Remove(out.ID()), b.Remove(in.ID()), a.Install(again), b.Install(inAgain)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if b.unprotectOne(old) != nil {
		t.Error("a packet of before passes")
	}
	if b.unprotectOne(a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))) == nil {
		t.Error("the next packet does not pass")
	}
	if u, _ := a.Usage(out.ID()); u.Sequence != 1001 {
		t.Errorf("counts at %d", u.Sequence)
	}
}

func TestWithoutReplayProtectionAPacketPassesTwice(t *testing.T) {
	a, b, _, in := pair(t, "aes128-sha256")
	sa := in.SA
	sa.NoReplay, sa.ReplayWindow = true, 0
	for _, err := range []error{b.Remove(in.ID()), b.Install(sa)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	sealed := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))
	for i := range 2 {
		if b.unprotectOne(sealed) == nil {
			t.Errorf("refused after it came %d times", i)
		}
	}
}
