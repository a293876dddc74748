package ike

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// playPlan lets both sides do what a plan says, with a network that loses, doubles
// and delays, then gives them time. Whatever came before: both are closed, or both
// hold the same IKE SA with at least the children that they want, and neither keeps anything
// that is over.
func playPlan(t *testing.T, plan []byte) {
	a, b := threeChildren()
	for _, p := range []*Peer{&a, &b} {
		p.IKELifetime, p.ForceEncap = 24*time.Hour, false
		for i := range p.Children {
			p.Children[i].Lifetime = 20 * time.Hour
		}
	}
	a.LocalID, b.RemoteID = testID("left.example"), testID("left.example")
	a.RemoteID, b.LocalID = testID("right.example"), testID("right.example")
	l := newLink(t, a, b)
	l.run(15 * time.Second)
	for _, what := range plan {
		s := l.left
		if what&1 != 0 {
			s = l.right
		}
		switch what >> 1 % 12 {
		case 0:
			l.step(s, RekeyChild)
		case 1:
			l.rekeyIKE(s)
		case 2:
			if n := len(s.sa.children); n > 0 && s.sa.Established() {
				s.sa.deleteChild(s.sa.children[int(what>>5)%n])
				l.step(s, Tick{})
			}
		case 3:
			l.step(s, Relocate{Local: netip.AddrFrom4([4]byte{192, 0, 2, what>>5 + 1})})
		case 4:
			l.step(s, Probe)
		case 5:
			from := l.sent
			l.lose = func(n int) bool { return n <= from+int(what>>5) }
		case 6:
			l.copies = 1 + int(what>>5)%3
		case 7:
			for i := range l.inFlight { // what is on the way is turned round
				l.inFlight[i].at = l.now.Add(time.Duration(len(l.inFlight)-i) * time.Millisecond)
			}
		case 8:
			l.run(time.Duration(what>>5) * 3 * time.Millisecond)
		case 9:
			l.run(time.Duration(what>>5) * time.Second)
		case 10:
			l.run(delay)
		case 11:
			if what>>5 == 7 {
				l.step(s, Close)
			}
		}
	}
	l.lose, l.copies = nil, 1
	l.run(5 * time.Minute)
	if l.left.sa.State() == StateClosed || l.right.sa.State() == StateClosed {
		l.run(time.Hour) // the other finds out by itself
		for _, s := range []*side{l.left, l.right} {
			if s.sa.State() != StateClosed || len(s.plane) != 0 {
				t.Fatalf("%v: one is closed, %s is %s with %d SAs\n%s", plan, s.name, s.sa.State(), len(s.plane), l.ladder.String())
			}
		}
		return
	}
	l.agreed()
	if t.Failed() {
		t.Fatalf("%v\n%s", plan, l.ladder.String())
	}
}

// agreed is settled, but for a pair more than is wanted: both sides may have asked for
// the same at once, and section 2.8 allows several.
func (l *link) agreed() {
	l.t.Helper()
	a, b := l.left.sa, l.right.sa
	if a.cur.spii != b.cur.spii || a.cur.spir != b.cur.spir || a.old != nil || a.spare != nil || b.old != nil || b.spare != nil {
		l.t.Error("the sides do not have one and the same IKE SA")
	}
	for _, s := range []*side{l.left, l.right} {
		for _, w := range s.sa.wants {
			if !s.sa.hasChild(w) {
				l.t.Errorf("%s has nothing for %s", s.name, w.Name)
			}
		}
		if len(s.sa.children) > 2*len(s.sa.wants) {
			l.t.Errorf("%s has %d children", s.name, len(s.sa.children))
		}
	}
	l.paired(len(a.children))
}

func TestWhateverBothSidesDoTheyComeToRest(t *testing.T) {
	r := rand.New(rand.NewPCG(2026, 11))
	for range 400 {
		plan := make([]byte, 3+r.IntN(25))
		for i := range plan {
			plan[i] = byte(r.Uint32())
		}
		playPlan(t, plan)
		if t.Failed() {
			return
		}
	}
}

// FuzzBothSides is the same with plans that somebody else thinks up.
func FuzzBothSides(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 20})
	f.Add([]byte{2, 3, 0, 1, 10 | 3<<5, 18 | 7<<5})
	f.Fuzz(func(t *testing.T, plan []byte) {
		if len(plan) < 60 {
			playPlan(t, plan)
		}
	})
}
