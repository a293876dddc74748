package planetest

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"gatehouse/ipsec/sad"
)

// disorder is what a bad network does to protected packets of one direction: one
// in a hundred is lost, one in fifty comes twice, one in fifty is followed by a
// forgery, and one in ten is late by some others.
type disorder struct {
	random *rand.Rand
	late   []Frame
}

// Disordered counts what a disorderly wire did.
type Disordered struct{ Lost, Doubled, Forged atomic.Uint64 }

// Disorder makes the wire lose, double, forge and reorder protected packets, in
// both directions, until the test ends.
func (w *Wire) Disorder(t testing.TB) *Disordered {
	d := new(Disordered)
	w.disorder.Store(d)
	t.Cleanup(func() { w.disorder.Store(nil) })
	return d
}

// pass gives a packet to send, and what is due before and after it.
func (d *disorder) pass(count *Disordered, f Frame, send func(Frame)) {
	const loss, double, forge, late = 1, 2, 2, 10 // percent
	chance := func(percent int) bool { return d.random.IntN(100) < percent }
	switch {
	case chance(loss):
		count.Lost.Add(1)
		return
	case chance(late):
		d.late = append(d.late, append(Frame(nil), f...))
		return
	}
	send(f)
	if chance(double) {
		count.Doubled.Add(1)
		send(f)
	}
	if chance(forge) {
		count.Forged.Add(1)
		f[len(f)-1] ^= 1
		send(f)
	}
	if len(d.late) > 0 && chance(30) {
		for i := len(d.late) - 1; i >= 0; i-- {
			send(d.late[i])
		}
		d.late = d.late[:0]
	}
}

// CarryInDisorder shows that real traffic passes a bad network whole, and that
// what came twice or was forged was refused. The link is of one SA.
func (l Link) CarryInDisorder(t testing.TB, hosts [2]*Host, w *Wire, first sad.SPI, n int) {
	t.Helper()
	l.Bind(t, hosts, first, nil)
	l.Ping(t, hosts)
	did := w.Disorder(t)
	for _, to := range l.Targets(hosts) {
		Transfer(t, hosts, to, n)
	}
	var replayed, invalid uint64
	for i, h := range hosts {
		u := mustUse(t, h.Plane, l.SA(t, hosts, i, 0, sad.In, first).ID())
		replayed, invalid = replayed+u.Replayed, invalid+u.Invalid
	}
	lost, doubled, forged := did.Lost.Load(), did.Doubled.Load(), did.Forged.Load()
	// A forgery has the number of a packet that has just come, so it is refused
	// for that already. A packet that was dropped on the way was not counted.
	if refused := replayed + invalid; lost == 0 || doubled == 0 || forged == 0 || refused == 0 || refused > doubled+forged {
		t.Errorf("%d packets were lost, %d doubled and %d forged; %d count as replayed and %d as not genuine", lost, doubled, forged, replayed, invalid)
	}
}
