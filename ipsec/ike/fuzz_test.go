package ike

import (
	"bytes"
	"testing"
	"time"
)

// recordStart gives the four messages of a start.
func recordStart(t testing.TB) [][]byte {
	a, b := offices()
	var out [][]byte
	l := newLink(&testing.T{}, a, b)
	for range 10 {
		for _, f := range l.inFlight {
			out = append(out, bytes.Clone(f.d.Data))
		}
		l.run(delay + time.Millisecond)
	}
	if len(out) < 4 {
		t.Fatalf("only %d messages", len(out))
	}
	return out
}

func TestTruncatedMessagesDoNoHarm(t *testing.T) {
	for _, raw := range recordStart(t) {
		for n := range raw {
			l := up(t)
			fresh, err := NewResponder(l.right.sa.env, l.now)
			if err != nil {
				t.Fatal(err)
			}
			cut := Datagram{Local: rightAddr, Remote: leftAddr, Data: bytes.Clone(raw[:n])}
			fresh.Step(l.now, cut)
			l.step(l.right, cut)
			l.step(l.left, cut)
			if !l.left.sa.Established() || !l.right.sa.Established() {
				t.Fatalf("a message cut at %d ended an IKE SA", n)
			}
			if n > 200 && n%37 != 0 {
				continue
			}
		}
	}
}

// FuzzResponder throws datagrams at a responder that knows nobody and at one
// with a tunnel.
func FuzzResponder(f *testing.F) {
	for _, raw := range recordStart(f) {
		f.Add(raw, true)
		f.Add(raw, false)
	}
	l := up(&testing.T{})
	f.Fuzz(func(t *testing.T, raw []byte, established bool) {
		d := Datagram{Local: rightAddr, Remote: leftAddr, Data: raw}
		if established {
			l.right.sa.Step(l.now, d)
			if !l.right.sa.Established() {
				t.Fatal("an unauthenticated datagram ended the IKE SA")
			}
			return
		}
		sa, err := NewResponder(l.right.sa.env, l.now)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if out := sa.Step(l.now, d); len(out) > 8 {
				t.Fatalf("%d effects of one datagram", len(out))
			}
		}
		if sa.Established() {
			t.Fatal("established without a key")
		}
	})
}

// FuzzInside sends what an authenticated peer might: any payloads in any
// exchange, well sealed.
func FuzzInside(f *testing.F) {
	f.Add(uint8(36), uint8(33), []byte{0, 0, 0, 4})
	f.Add(uint8(37), uint8(42), []byte{0, 0, 0, 8, 1, 0, 0, 0})
	f.Add(uint8(35), uint8(0), []byte{})
	f.Fuzz(func(t *testing.T, exchange, first uint8, inside []byte) {
		if len(inside) > 4096 {
			return
		}
		l := up(&testing.T{})
		g := l.left.sa.cur
		raw := sealRaw(l.left.sa, g, exchange, first, inside)
		l.step(l.right, Datagram{Local: l.right.sa.local, Remote: l.right.sa.remote, Data: raw})
		if n := len(l.right.sa.children); n > l.right.sa.maxPairs() {
			t.Fatalf("%d children", n)
		}
		l.run(time.Minute)
		if l.right.sa.State() == StateClosed && len(l.right.plane) != 0 {
			t.Fatal("closed and left SAs behind")
		}
	})
}
