package planetest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"gatehouse/ipsec/sad"
)

// Replay is an anti-replay window and where the counters stand when it begins.
type Replay struct {
	// Window is in packets; 0 is no replay check.
	Window uint32
	// Before is the last sequence number that was used before.
	Before uint64
}

// Replays are windows of every size, in the middle of the numbers and, with
// extended ones, where their lower half begins anew.
func Replays(esn bool) []Replay {
	if !esn {
		return []Replay{{64, 1000}, {128, 1000}, {4096, 10000}, {0, 0}}
	}
	return []Replay{{64, 1<<32 - 150}, {128, 1<<33 - 200}, {4096, 1<<32 - 2500}}
}

func (r Replay) String() string {
	if r.Window == 0 {
		return "no window"
	}
	return fmt.Sprintf("a window of %d behind number %d", r.Window, r.Before)
}

// delivery is one packet that arrives.
type delivery struct {
	packet int // which one of those that were sent
	// forged: with a number so far ahead, and without the keys.
	forged bool
	ahead  uint32
}

// script is what arrives, of n packets: all that can go wrong with their order.
func (r Replay) script(n int, random *rand.Rand) (all []delivery) {
	arrive := func(packets ...int) {
		for _, p := range packets {
			all = append(all, delivery{packet: p})
		}
	}
	window := int(r.Window)
	// One packet in a hundred is lost, each is late by up to 15 others, and one
	// in ten comes twice.
	middle := n - window - 40
	late := middle - 20
	var order []int
	for p := range middle {
		if p == 0 || p == late || random.IntN(100) == 0 {
			continue
		}
		if order = append(order, p); random.IntN(10) == 0 {
			order = append(order, p)
		}
	}
	for i := range order {
		j := min(i+random.IntN(16), len(order)-1)
		order[i], order[j] = order[j], order[i]
	}
	arrive(order...)
	// Forgeries from ahead do not move the window: a late one still passes, once.
	for _, ahead := range []uint32{1, 100, 1 << 20, 1 << 31} {
		all = append(all, delivery{packet: middle, forged: true, ahead: ahead})
	}
	arrive(late, late, middle)
	// The edges: the top again, the lowest number inside, the highest below.
	top := n - 2
	arrive(top, top, top-window+1, top-window+1, top-window, top-window-1, 0)
	// Far ahead is the last; then all that the window has forgotten.
	arrive(n - 1)
	for p := range n {
		arrive(p)
	}
	return all
}

// window says what must pass, by the book: a set of numbers, RFC 4303 section 3.4.3.
type window struct {
	size, top uint64
	seen      map[uint64]bool
}

func (w *window) takes(seq uint64) bool {
	if w.size == 0 {
		return true
	}
	if seq <= w.top && (w.top-seq >= w.size || w.seen[seq]) {
		return false
	}
	w.seen[seq] = true
	w.top = max(w.top, seq)
	return true
}

// Replays shows what the second host takes of what the first one sends when
// packets are lost, late, double, old, forged. The link is a tunnel of one SA.
func (l Link) Replays(t testing.TB, hosts [2]*Host, w *Wire, first sad.SPI, r Replay) {
	t.Helper()
	l.Bind(t, hosts, first, func(sa *sad.SA) {
		if sa.Direction == sad.Out {
			sa.Sent = r.Before
			return
		}
		sa.Seen, sa.ReplayWindow, sa.NoReplay = r.Before, r.Window, r.Window == 0
	})
	in := l.SA(t, hosts, 1, 0, sad.In, first).ID()
	protocol := l.Needs[0].Protocol
	n := int(r.Window) + 300
	ear := listen(t, hosts, l.Targets(hosts)[0])
	w.Hold()
	defer w.Release()
	frames := make([]Frame, n)
	for i := range frames {
		ear.say(t, i)
		frames[i] = w.Next(t)
		if got, want := frames[i].Sequence(protocol), uint32(r.Before)+uint32(i)+1; got != want {
			t.Fatalf("packet %d has the number %d, not %d", i, got, want)
		}
	}
	before, ok := hosts[1].Plane.Usage(in)
	if !ok {
		t.Fatal("the SA is not there")
	}
	book := window{size: uint64(r.Window), top: r.Before, seen: map[uint64]bool{r.Before: true}}
	for s := uint64(0); s < book.size && s < r.Before; s++ {
		book.seen[r.Before-s] = true
	}
	script := r.script(n, rand.New(rand.NewPCG(4303, uint64(r.Window))))
	var delivered, replayed, forged uint64
	for batch := range slices.Chunk(script, 32) {
		var want []int
		for _, d := range batch {
			f := frames[d.packet]
			if d.forged {
				f = f.Forged(protocol, f.Sequence(protocol)+d.ahead)
				forged++
			} else if book.takes(r.Before + uint64(d.packet) + 1) {
				want = append(want, d.packet)
			} else {
				replayed++
			}
			w.Deliver(t, f)
			delivered++
		}
		u := settled(t, hosts[1].Plane, in, before, delivered)
		if got := ear.heard(t, len(want)); !slices.Equal(got, want) {
			t.Fatalf("of %+v came\n%v, not\n%v", batch, got, want)
		}
		// With extended numbers one below the window may be taken for one of the next
		// round, and is not genuine there.
		if got := u.Replayed - before.Replayed; got != replayed && !l.ESN {
			t.Fatalf("%d packets count as replayed, not %d", got, replayed)
		}
		if u.Replayed+u.Invalid-before.Replayed-before.Invalid != replayed+forged {
			t.Fatalf("refused are %+v, not %d replayed and %d forged", u, replayed, forged)
		}
	}
	if got, want := mustUse(t, hosts[1].Plane, in).Sequence, r.Before+uint64(n); got != want && r.Window > 0 {
		t.Errorf("the highest number seen is %d, not %d", got, want)
	}
	if replayed == 0 && r.Window > 0 || forged == 0 {
		t.Errorf("the script shows nothing: %d replayed, %d forged", replayed, forged)
	}
}

// Overflows shows that nothing leaves when the numbers are used up, that this is
// told, and that new keys put an end to it.
func (l Link) Overflows(t testing.TB, hosts [2]*Host, w *Wire, first sad.SPI) {
	t.Helper()
	const last, left = 1<<32 - 1, 3
	l.Bind(t, hosts, first, func(sa *sad.SA) {
		if sa.Direction == sad.Out {
			sa.Sent = last - left
		} else {
			sa.Seen = last - left
		}
	})
	out := l.SA(t, hosts, 0, 0, sad.Out, first)
	ear := listen(t, hosts, l.Targets(hosts)[0])
	w.Hold()
	defer w.Release()
	for i := range left {
		ear.say(t, i)
		f := w.Next(t)
		if got, want := f.Sequence(out.Protocol), uint32(last-left+1+i); got != want || f.SPI(out.Protocol) != out.SPI {
			t.Errorf("packet %d went by the SA %s with the number %d, not %d", i, f.SPI(out.Protocol), got, want)
		}
		w.Deliver(t, f)
	}
	if got := ear.heard(t, left); len(got) != left {
		t.Errorf("of the last packets came %v", got)
	}
	ear.say(t, left)
	for _, kind := range []sad.EventKind{sad.Exhausted, sad.Overflowed} {
		if e := hosts[0].Await(t, kind); e.SA != out.ID() {
			t.Errorf("%+v", e)
		}
	}
	l.Install(t, hosts, first+0x10, nil)
	next := l.SA(t, hosts, 0, 0, sad.Out, first+0x10)
	ear.say(t, left+1)
	// Had anything left between, it would be the next.
	f := w.Next(t)
	if f.SPI(out.Protocol) != next.SPI || f.Sequence(out.Protocol) != 1 {
		t.Errorf("then number %d went by the SA %s", f.Sequence(out.Protocol), f.SPI(out.Protocol))
	}
	w.Deliver(t, f)
	if got := ear.heard(t, 1); !slices.Equal(got, []int{left + 1}) {
		t.Errorf("with new keys came %v", got)
	}
}

func mustUse(t testing.TB, p Plane, id sad.ID) sad.Usage {
	t.Helper()
	u, ok := p.Usage(id)
	if !ok {
		t.Fatal("the SA is not there")
	}
	return u
}

// settled waits until an SA has counted what was delivered to it.
func settled(t testing.TB, p Plane, id sad.ID, before sad.Usage, delivered uint64) sad.Usage {
	t.Helper()
	for late := time.Now().Add(awaitTime); ; time.Sleep(50 * time.Microsecond) {
		u := mustUse(t, p, id)
		switch n := u.Packets + u.Replayed + u.Invalid - before.Packets - before.Replayed - before.Invalid; {
		case n == delivered:
			return u
		case n > delivered || time.Now().After(late):
			t.Fatalf("%d packets were delivered, and counted as %+v", delivered, u)
		}
	}
}

// ear hears on the second host what the first one says, in numbers.
type ear struct{ in, out net.Conn }

func listen(t testing.TB, hosts [2]*Host, at netip.Addr) ear {
	t.Helper()
	var e ear
	hosts[1].Inside(t, func() error {
		c, err := net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
		if err == nil {
			u := c.(*net.UDPConn)
			e.in = u
			err = u.SetReadBuffer(1 << 20)
		}
		return err
	})
	t.Cleanup(func() { e.in.Close() })
	hosts[0].Inside(t, func() (err error) {
		e.out, err = net.Dial("udp", e.in.LocalAddr().String())
		return err
	})
	t.Cleanup(func() { e.out.Close() })
	return e
}

func (e ear) say(t testing.TB, number int) {
	t.Helper()
	if _, err := e.out.Write(binary.BigEndian.AppendUint32(nil, uint32(number))); err != nil {
		t.Fatal(err)
	}
}

// heard are the next n numbers, and whatever else is there.
func (e ear) heard(t testing.TB, n int) (numbers []int) {
	t.Helper()
	var b [8]byte
	for {
		wait := awaitTime
		if len(numbers) >= n {
			wait = 0
		}
		e.in.SetReadDeadline(time.Now().Add(wait))
		if _, err := e.in.Read(b[:]); err != nil {
			return numbers
		}
		numbers = append(numbers, int(binary.BigEndian.Uint32(b[:])))
	}
}

// ReplayLinks are one tunnel of each protocol and family, with and without extended
// sequence numbers.
func ReplayLinks() (all []Link) {
	for _, outer6 := range []bool{false, true} {
		for _, esn := range []bool{false, true} {
			for _, l := range []Link{tunnel(sad.ESP, "aes128gcm16"), tunnel(sad.AH, "sha256")} {
				l.Outer6, l.ESN = outer6, esn
				all = append(all, l)
			}
		}
	}
	return all
}
