package ike

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// manyNetworks make every message about a child long.
func manyNetworks() (Peer, Peer) {
	a, b := offices()
	a.Children[0].LocalTS, a.Children[0].RemoteTS = nil, nil
	for i := range 50 {
		p := netip.MustParsePrefix(fmt.Sprintf("fd00:1:%x::/64", i))
		q := netip.MustParsePrefix(fmt.Sprintf("fd00:2:%x::/64", i))
		a.Children[0].LocalTS = append(a.Children[0].LocalTS, sad.SelectorFromPrefix(p))
		a.Children[0].RemoteTS = append(a.Children[0].RemoteTS, sad.SelectorFromPrefix(q))
	}
	b.Children[0].LocalTS, b.Children[0].RemoteTS = a.Children[0].RemoteTS, a.Children[0].LocalTS
	return a, b
}

func TestLongMessagesGoInPieces(t *testing.T) {
	a, b := manyNetworks()
	l := newLink(t, a, b)
	l.run(time.Second)
	l.wantLadder(`
	left  ---> IKE_SA_INIT request 0 {SA, KE, Nonce}
	      <--- right IKE_SA_INIT response 0 {SA, KE, Nonce}
	left  ---> IKE_AUTH request 1 {SKF 1 of 4}
	left  ---> IKE_AUTH request 1 {SKF 2 of 4}
	left  ---> IKE_AUTH request 1 {SKF 3 of 4}
	left  ---> IKE_AUTH request 1 {SKF 4 of 4}
	      <--- right IKE_AUTH response 1 {SKF 1 of 4}
	      <--- right IKE_AUTH response 1 {SKF 2 of 4}
	      <--- right IKE_AUTH response 1 {SKF 3 of 4}
	      <--- right IKE_AUTH response 1 {SKF 4 of 4}`)
	l.run(20 * time.Second)
	l.step(l.right, RekeyChild)
	l.run(20 * time.Second)
	l.paired(1)
}

func TestNoDatagramIsLongerThanNetworksCarry(t *testing.T) {
	a, b := manyNetworks()
	l := newLink(t, a, b)
	for range 200 {
		for _, f := range l.inFlight {
			if len(f.d.Data) > maxDatagram {
				t.Fatalf("a datagram of %d bytes", len(f.d.Data))
			}
		}
		l.run(delay / 2)
	}
	l.paired(1)
}

func TestPiecesOnlyIfBothSaidSo(t *testing.T) {
	a, b := manyNetworks()
	l := newLink(t, a, b)
	l.run(delay + time.Millisecond) // the request has come; its answer is on the way
	l.right.sa.fragments = false
	raw := l.inFlight[0].d.Data
	m, err := wire.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	m.Payloads = slices.DeleteFunc(m.Payloads, func(p wire.Payload) bool {
		n, ok := p.(*wire.Notify)
		return ok && n.NotifyType == wire.FragmentationSupported
	})
	l.inFlight[0].d.Data, _ = m.Marshal()
	l.right.sa.start.response = l.inFlight[0].d.Data
	l.run(time.Second)
	if strings.Contains(l.ladder.String(), "SKF") {
		t.Errorf("pieces for somebody who knows none:\n%s", l.ladder.String())
	}
	l.paired(1)
}

func TestLostDoubledAndReorderedPieces(t *testing.T) {
	for n := 3; n <= 10; n++ {
		a, b := manyNetworks()
		l := newLink(t, a, b, func(l *link) { l.lose = func(i int) bool { return i == n }; l.copies = 2 })
		l.run(10 * time.Second)
		if !l.left.sa.Established() || !l.right.sa.Established() {
			t.Errorf("datagram %d lost: %s %s\n%s", n, l.left.sa.State(), l.right.sa.State(), l.ladder.String())
		}
	}
	a, b := manyNetworks()
	l := newLink(t, a, b)
	for range 300 {
		// Every few milliseconds what is on the way is turned round.
		for i := range l.inFlight {
			l.inFlight[i].at = l.now.Add(time.Duration(len(l.inFlight)-i) * time.Millisecond)
		}
		l.run(time.Duration(len(l.inFlight)+1) * time.Millisecond)
	}
	if !l.left.sa.Established() || !l.right.sa.Established() {
		t.Errorf("turned round: %s %s\n%s", l.left.sa.State(), l.right.sa.State(), l.ladder.String())
	}
}

// piecesOf seals a message of the left side in pieces of at most limit bytes.
func piecesOf(l *link, ps []wire.Payload, limit int) [][]byte {
	g := l.left.sa.cur
	raws, err := wire.SealFragments(g.header(wire.Informational, g.sendID, false), ps, wire.Sealer{
		Len:  g.seal.SealedLen,
		Seal: func(ad, plain []byte) ([]byte, error) { return g.seal.Seal(rand.Reader, ad, plain) },
	}, limit)
	if err != nil {
		l.t.Fatal(err)
	}
	return raws
}

func (l *link) toRight(raws ...[]byte) (answered bool) {
	l.t.Helper()
	sent := l.sent
	for _, raw := range raws {
		l.step(l.right, Datagram{Local: l.right.sa.local, Remote: l.right.sa.remote, Data: bytes.Clone(raw)})
	}
	return l.sent > sent
}

func TestPiecesAreJudgedAlone(t *testing.T) {
	ps := []wire.Payload{&wire.Unknown{PType: 200, Data: make([]byte, 900)}}
	for name, tc := range map[string]struct {
		send     func(l *link) [][]byte
		answered bool
	}{
		"all of them": {func(l *link) [][]byte { return piecesOf(l, ps, 300) }, true},
		"a forged one between": {func(l *link) [][]byte {
			p := piecesOf(l, ps, 300)
			forged := bytes.Clone(p[1])
			forged[len(forged)-1] ^= 1
			return slices.Insert(p, 1, forged)
		}, true},
		"a forged one in place of one": {func(l *link) [][]byte {
			p := piecesOf(l, ps, 300)
			p[1][60] ^= 1
			return p
		}, false},
		"one is missing":  {func(l *link) [][]byte { p := piecesOf(l, ps, 300); return slices.Delete(p, 1, 2) }, false},
		"one comes twice": {func(l *link) [][]byte { p := piecesOf(l, ps, 300); return slices.Insert(p, 1, p[0]) }, true},
		"cut smaller half-way": {func(l *link) [][]byte {
			return append(piecesOf(l, ps, 500)[:1], piecesOf(l, ps, 200)...)
		}, true},
		"cut larger half-way": {func(l *link) [][]byte {
			small := piecesOf(l, ps, 200)
			return slices.Concat(small[:2], piecesOf(l, ps, 500), small[2:])
		}, true},
		"cut larger, never finished": {func(l *link) [][]byte {
			return append(piecesOf(l, ps, 200)[:2], piecesOf(l, ps, 500)...)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := up(t)
			if got := l.toRight(tc.send(l)...); got != tc.answered {
				t.Errorf("answered %v, want %v", got, tc.answered)
			}
			if !l.right.sa.Established() {
				t.Error("the IKE SA is gone")
			}
		})
	}
}

func TestFirstPieceAgainBringsTheAnswerAgainOnce(t *testing.T) {
	l := up(t)
	p := piecesOf(l, []wire.Payload{&wire.Unknown{PType: 200, Data: make([]byte, 900)}}, 300)
	if !l.toRight(p...) {
		t.Fatal("no answer")
	}
	sent := l.sent
	l.toRight(p...)
	if l.sent != sent+1 {
		t.Errorf("%d answers to a request that came again in %d pieces, want one", l.sent-sent, len(p))
	}
}

func TestPiecesThatAreHeldAreBounded(t *testing.T) {
	l := up(t)
	g := l.left.sa.cur
	body := make([]byte, 4000)
	for n := range 100 {
		f := &wire.Fragment{First: 200, Number: uint16(n + 1), Total: 120}
		l.toRight(fragmentOf(l, g, f, body))
		if p := l.right.sa.cur.requestIn; p != nil && p.size > wire.MaxMessage {
			t.Fatalf("%d bytes are held", p.size)
		}
	}
	if l.toRight(fragmentOf(l, g, &wire.Fragment{First: 200, Number: 1, Total: wire.MaxFragments + 1}, body)); l.right.sa.cur.requestIn != nil &&
		l.right.sa.cur.requestIn.total > wire.MaxFragments {
		t.Error("more pieces than can be are waited for")
	}
	if !l.right.sa.Established() {
		t.Error("the IKE SA is gone")
	}
}

// fragmentOf seals one piece as it is said to be.
func fragmentOf(l *link, g *generation, f *wire.Fragment, inside []byte) []byte {
	m := &wire.Message{Header: g.header(wire.Informational, g.sendID, false)}
	f.Data = make([]byte, g.seal.SealedLen(len(inside)))
	m.Payloads = []wire.Payload{f}
	raw, err := m.Marshal()
	if err != nil {
		l.t.Fatal(err)
	}
	ad := raw[:len(raw)-len(f.Data)]
	sealed, err := g.seal.Seal(rand.Reader, ad, inside)
	if err != nil {
		l.t.Fatal(err)
	}
	return append(bytes.Clone(ad), sealed...)
}

// FuzzPieces sends what an authenticated peer might: any pieces in any order.
func FuzzPieces(f *testing.F) {
	f.Add([]byte{1, 2, 0, 2, 2, 0}, uint8(41))
	f.Add([]byte{1, 1, 0, 0, 0, 9}, uint8(0))
	f.Add([]byte{2, 3, 1, 1, 3, 1, 3, 3, 1, 1, 2, 0, 2, 2, 4}, uint8(42))
	f.Fuzz(func(t *testing.T, plan []byte, first uint8) {
		if len(plan) > 300 {
			return
		}
		l := up(&testing.T{})
		g := l.left.sa.cur
		for ; len(plan) >= 3; plan = plan[3:] {
			number, total := uint16(plan[0]), uint16(plan[1])
			if number == 0 || number > total {
				continue
			}
			piece := &wire.Fragment{First: wire.PayloadType(first), Number: number, Total: total}
			l.toRight(fragmentOf(l, g, piece, bytes.Repeat([]byte{plan[2]}, int(plan[2])*8)))
		}
		l.run(time.Minute)
		for _, s := range []*side{l.left, l.right} {
			if s.sa.State() == StateClosed && len(s.plane) != 0 {
				t.Fatal("closed and left SAs behind")
			}
		}
	})
}
