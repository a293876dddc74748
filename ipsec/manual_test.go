package ipsec

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// notebook is what survives a crash.
type notebook struct {
	kept   map[string]Kept // by Keys
	writes int
	broken bool
}

func (n *notebook) keep(all []Kept) error {
	if n.broken {
		return errors.New("the disk is full")
	}
	n.writes++
	for _, k := range all {
		n.kept[k.Keys] = k
	}
	return nil
}

func (n *notebook) all() (out []Kept) {
	for _, k := range n.kept {
		out = append(out, k)
	}
	return out
}

// gatewayWith is a Manager that keeps its counters there, as after a start.
func gatewayWith(n *notebook) *side {
	s := newSide(&cable{ends: map[netip.Addr]*Manager{}}, hqAddr, 0x1000)
	s.keep = n.keep
	s.Remember(n.all())
	s.plane.usage = map[sad.ID]sad.Usage{}
	return s
}

// of is what was noted last of an SA by that name.
func (n *notebook) of(name string) (out Kept) {
	for _, k := range n.kept {
		if k.SA == name && !k.Since.Before(out.Since) {
			out = k
		}
	}
	return out
}

func newNotebook() *notebook { return &notebook{kept: map[string]Kept{}} }

// joined is what joins two networks by ESP, with key as every byte of its keys.
func joined(key byte) Manual {
	suite := crypto.Suite{Encryption: crypto.EncrAESCBC, KeyBits: 256, Integrity: crypto.IntegrityHMACSHA256128}
	here := []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix("10.1.0.0/24"))}
	there := []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix("10.2.0.0/24"))}
	one := func(name string, d sad.Direction, spi sad.SPI) ManualPolicy {
		sa := sad.SA{SPI: spi, Protocol: sad.ESP, Direction: d, Local: hqAddr, Remote: branchAddr, Suite: suite,
			EncryptionKey: bytes.Repeat([]byte{key}, 32), IntegrityKey: bytes.Repeat([]byte{key + 1}, 32)}
		way := sad.Outward
		if d == sad.In {
			sa.ReplayWindow, way = 64, sad.Inward
		}
		return ManualPolicy{Policy: sad.Policy{Name: name, Action: sad.Protect, Way: way, LocalTS: here, RemoteTS: there}, SAs: []ManualSA{{Name: name, SA: sa}}}
	}
	return Manual{Policies: []ManualPolicy{one("out", sad.Out, 0x2001), one("in", sad.In, 0x2002)}}
}

func (s *side) byHandNow(t *testing.T, d sad.Direction) sad.SA {
	t.Helper()
	s.plane.mu.Lock()
	defer s.plane.mu.Unlock()
	for id, sa := range s.plane.sas {
		if id.Direction == d {
			return sa
		}
	}
	t.Fatal("no such SA")
	return sad.SA{}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestKeysThatOutliveTheGatewayCountOn(t *testing.T) {
	n := newNotebook()
	a := gatewayWith(n)
	must(t, a.Apply(nil, joined(1)))
	if out := a.byHandNow(t, sad.Out); out.Sent != 0 || n.of("out").Sequence != ahead {
		t.Errorf("begins at %d, noted %+v", out.Sent, n.of("out"))
	}
	// It sends and receives, and crashes after the next note.
	a.plane.usage[a.byHandNow(t, sad.Out).ID()] = sad.Usage{Packets: ahead - 10, Bytes: 99, Sequence: ahead - 10}
	a.plane.usage[a.byHandNow(t, sad.In).ID()] = sad.Usage{Packets: 7, Bytes: 70, Sequence: 41}
	if !a.noteCounters(false, false) {
		t.Error("more than half of what it took is used, and no note was due")
	}
	b := gatewayWith(n)
	must(t, b.Apply(nil, joined(1)))
	if out := b.byHandNow(t, sad.Out); out.Sent < ahead-10 || out.Sent > 2*ahead {
		t.Errorf("goes on at %d", out.Sent)
	}
	if in := b.byHandNow(t, sad.In); in.Seen != 41 {
		t.Errorf("what was received before %d can be sent again", in.Seen)
	}
	if n.of("out").Sequence <= b.byHandNow(t, sad.Out).Sent {
		t.Error("a crash right now would use numbers twice")
	}
	if st := b.ManualStatus(); len(st) != 2 || st[1].Usage.Bytes != 70+100 || st[0].State != InUse {
		t.Errorf("%+v", st)
	}
	// Other keys count anew.
	must(t, b.Apply(nil, joined(5)))
	if out, in := b.byHandNow(t, sad.Out), b.byHandNow(t, sad.In); out.Sent != 0 || in.Seen != 0 {
		t.Errorf("%d %d", out.Sent, in.Seen)
	}
	// The first ones, given back, count on where they were.
	for _, c := range []*side{b, gatewayWith(n)} {
		must(t, c.Apply(nil, joined(1)))
		if out, in := c.byHandNow(t, sad.Out), c.byHandNow(t, sad.In); out.Sent < ahead-10 || in.Seen != 41 {
			t.Errorf("%d %d", out.Sent, in.Seen)
		}
	}
}

func TestACleanStopNotesExactNumbers(t *testing.T) {
	n := newNotebook()
	a := gatewayWith(n)
	must(t, a.Apply(nil, joined(1)))
	a.plane.usage[a.byHandNow(t, sad.Out).ID()] = sad.Usage{Packets: 5, Sequence: 5}
	a.run()
	a.cancel()
	must(t, <-a.done)
	if got := n.of("out").Sequence; got < 5 || got > 5+inFlight {
		t.Errorf("noted %d", got)
	}
}

func TestWhatIsMadeByHandAndDidNotChangeIsNotTouched(t *testing.T) {
	a := gatewayWith(newNotebook())
	must(t, a.Apply(nil, joined(1)))
	branch := connection0("leeds", branchAddr.String(), false, "a key nobody guesses", "10.1.0.0/24", "10.2.0.0/24")
	must(t, a.Apply([]Connection{branch}, joined(1)))
	if a.plane.installs != 2 {
		t.Errorf("%d installs", a.plane.installs)
	}
	// Entries made by hand come first, whatever connections say.
	if p := a.plane.policies; len(p) != 3 || p[0].Name != "out" || p[1].Name != "in" || p[2].Name != "leeds" || p[0].Needs[0].Protocol != sad.ESP {
		t.Errorf("%+v", p)
	}
	must(t, a.Apply(nil, Manual{}))
	if a.plane.held() != 0 {
		t.Error("SAs are left")
	}
}

func TestKeysGrowOldAlsoOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := joined(1)
		old.Policies[0].SAs[0].Lifetime = sad.Lifetime{Soft: sad.Bound{Time: time.Hour}, Hard: sad.Bound{Time: 3 * time.Hour, Packets: 100}}
		next := joined(9).Policies[0].SAs[0]
		next.Name, next.SPI = "out-next", 0x3001
		old.Policies[0].SAs[0].Successor = &next
		n := newNotebook()
		a := gatewayWith(n)
		var told []Event
		a.event = func(e Event) { told = append(told, e) }
		must(t, a.Apply(nil, old))
		if a.plane.held() != 2 || a.ManualStatus()[1].State != Ready {
			t.Errorf("%+v", a.ManualStatus())
		}
		first := a.byHandNow(t, sad.Out).ID()
		a.PlaneEvent(sad.Event{Kind: sad.SoftExpired, SA: first})
		synctest.Wait()
		if a.plane.held() != 3 || len(told) != 1 || !told[0].Replaced || a.ManualStatus()[0].State != Leaving || a.ManualStatus()[1].State != InUse {
			t.Errorf("%+v %+v", told, a.ManualStatus())
		}
		// After a restart two hours later an hour is left, and the next one is used.
		time.Sleep(2 * time.Hour)
		b := gatewayWith(n)
		must(t, b.Apply(nil, old))
		for _, sa := range b.plane.sas {
			if sa.SPI == 0x2001 && (sa.Lifetime.Hard.Time != time.Hour || sa.Lifetime.Hard.Packets != 100) {
				t.Errorf("%+v", sa.Lifetime)
			}
		}
		if b.plane.held() != 3 || b.ManualStatus()[1].State != InUse {
			t.Errorf("%+v", b.ManualStatus())
		}
		time.Sleep(time.Hour)
		c := gatewayWith(n)
		must(t, c.Apply(nil, old))
		if st := c.ManualStatus(); c.plane.held() != 2 || st[0].State != Ended || st[1].State != InUse {
			t.Errorf("%+v", st)
		}
	})
}

func TestAnEndedSAStaysEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNotebook()
		a := gatewayWith(n)
		must(t, a.Apply(nil, joined(1)))
		id := a.byHandNow(t, sad.Out).ID()
		a.run()
		a.PlaneEvent(sad.Event{Kind: sad.Overflowed, SA: id})
		synctest.Wait()
		if a.plane.held() != 1 || !n.of("out").Ended {
			t.Errorf("%+v", n.kept)
		}
		b := gatewayWith(n)
		must(t, b.Apply(nil, joined(1)))
		if b.plane.held() != 1 || b.ManualStatus()[0].State != Ended {
			t.Errorf("%+v", b.ManualStatus())
		}
		a.cancel()
		<-a.done
	})
}

func TestCountersThatCannotBeKeptAreTold(t *testing.T) {
	n := newNotebook()
	n.broken = true
	a := gatewayWith(n)
	must(t, a.Apply(nil, joined(1)))
	if st := a.ManualStatus(); a.plane.held() != 2 || st[0].NotKept == "" {
		t.Errorf("%+v", st)
	}
}

func TestRefusedPacketsAreToldByTheNameOfTheirPolicy(t *testing.T) {
	s := gatewayWith(newNotebook())
	var told []Event
	s.event = func(e Event) { told = append(told, e) }
	if err := s.Apply(nil, joined(7)); err != nil {
		t.Fatal(err)
	}
	p := s.plane.policies[1]
	s.planeEvent(sad.Event{Kind: sad.Refused, Refusal: sad.WrongSA, Count: 3, Policy: p.ID, SA: sad.ID{SPI: 0x1002, Protocol: sad.ESP}})
	if len(told) != 1 || told[0].Policy != p.Name || told[0].Count != 3 || told[0].Refusal != sad.WrongSA || told[0].SPI != 0x1002 {
		t.Errorf("%+v", told)
	}
}
