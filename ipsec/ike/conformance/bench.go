package conformance

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

var (
	subjectAddr = netip.MustParseAddrPort("198.51.100.2:500")
	peerAddr    = netip.MustParseAddrPort("203.0.113.2:500")
	ours        = netip.MustParsePrefix("10.2.0.0/24") // behind the subject
	theirs      = netip.MustParsePrefix("10.1.0.0/24")
)

const psk = "a key of enough length"

// Bench is one subject, its peer, and what went between them.
type Bench struct {
	t    testing.TB
	now  time.Time
	sa   *ike.SA
	Peer *Peer
	// from is where the peer sends from, to where it sends to.
	from, to netip.AddrPort

	ladder strings.Builder
	sent   [][]byte // by the subject, since the last look
	events []ike.Effect
	plane  map[sad.ID]sad.SA
	next   sad.SPI
}

// config is the subject's connection.
func config() ike.Peer {
	return ike.Peer{
		Name: "peer", PSK: []byte(psk), IKE: crypto.DefaultIKESuites(), IKELifetime: 4 * time.Hour, DPD: time.Hour, ReplayWindow: 64,
		Children: []ike.Child{{
			Name: "net", Policy: 1, Protocol: sad.ESP, Suites: crypto.DefaultESPSuites(), Lifetime: 2 * time.Hour,
			LocalTS:  []sad.Selector{sad.SelectorFromPrefix(ours)},
			RemoteTS: []sad.Selector{sad.SelectorFromPrefix(theirs)},
		}},
	}
}

func newBench(t testing.TB) *Bench {
	b := &Bench{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), from: peerAddr, to: subjectAddr, plane: map[sad.ID]sad.SA{}, next: 0x1000}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what went between the peer and the subject:\n%s", b.ladder.String())
		}
	})
	return b
}

func (b *Bench) env(p ike.Peer) ike.Env {
	return ike.Env{
		Rand:        rand.Reader,
		AllocateSPI: func() (sad.SPI, error) { b.next++; return b.next, nil },
		Suites:      func(netip.Addr) []crypto.Suite { return p.IKE },
		FindPeer: func(q ike.Query) (ike.Peer, *ike.Reason) {
			if q.RemoteID != auth.IdentityFromAddr(peerAddr.Addr()) {
				return ike.Peer{}, &ike.Reason{Code: ike.UnknownPeer, Got: []string{q.RemoteID.String()}}
			}
			return p, nil
		},
	}
}

// Responder is a bench whose subject waits to be called.
func Responder(t testing.TB, p ike.Peer) *Bench {
	b := newBench(t)
	var err error
	if b.sa, err = ike.NewResponder(b.env(p), b.now); err != nil {
		t.Fatal(err)
	}
	b.Peer = newPeer(t, true)
	return b
}

// Initiator is a bench whose subject calls; its first message has been sent.
func Initiator(t testing.TB, p ike.Peer) *Bench {
	b := newBench(t)
	sa, effects, err := ike.NewInitiator(b.env(p), p, subjectAddr, peerAddr, b.now)
	if err != nil {
		t.Fatal(err)
	}
	b.sa = sa
	b.Peer = newPeer(t, false)
	b.carryOut(effects)
	return b
}

func (b *Bench) carryOut(effects []ike.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case ike.Send:
			b.draw("      <--- subject ", e.Data)
			b.sent = append(b.sent, e.Data)
		case ike.Install:
			if err := e.SA.Validate(); err != nil {
				b.t.Errorf("the subject installs an SA that cannot be: %v", err)
			}
			b.plane[e.SA.ID()] = e.SA
		case ike.Remove:
			for id := range b.plane {
				if id.SPI == e.SPI && id.Protocol == e.Protocol && id.Direction == e.Direction {
					delete(b.plane, id)
				}
			}
		default:
			b.events = append(b.events, e)
		}
	}
}

// draw is one rung of the ladder, with what is inside if the peer can open it.
func (b *Bench) draw(who string, raw []byte) {
	h, err := wire.ParseHeader(raw)
	if err != nil {
		fmt.Fprintf(&b.ladder, "%s%d bytes that are no message\n", who, len(raw))
		return
	}
	kind := "request"
	if h.Response() {
		kind = "response"
	}
	var names []string
	m, err := wire.Parse(raw)
	if b.Peer != nil {
		if inside, ok := b.Peer.peek(raw); ok {
			m, err = inside, nil
		}
	}
	if err == nil {
		for _, p := range m.Payloads {
			if n, ok := p.(*wire.Notify); ok {
				names = append(names, "N("+n.NotifyType.String()+")")
			} else {
				names = append(names, p.Type().String())
			}
		}
	}
	fmt.Fprintf(&b.ladder, "%s%s %s %d {%s}\n", who, h.Exchange, kind, h.MessageID, strings.Join(names, ", "))
}

// Send gives the subject a datagram, and returns what it sends then.
func (b *Bench) Send(raw []byte) [][]byte {
	b.draw("peer  ---> ", raw)
	b.sent = nil
	b.carryOut(b.sa.Step(b.now, ike.Datagram{Local: b.to, Remote: b.from, Data: bytes.Clone(raw)}))
	return b.take()
}

// Wait lets time pass, and returns what the subject sends then.
func (b *Bench) Wait(d time.Duration) [][]byte {
	end := b.now.Add(d)
	for range 1000 {
		at := b.sa.Deadline()
		if at.IsZero() || at.After(end) {
			break
		}
		if at.After(b.now) {
			b.now = at
		}
		b.carryOut(b.sa.Step(b.now, ike.Tick{}))
	}
	b.now = end
	return b.take()
}

// Command tells the subject what its admin wants.
func (b *Bench) Command(c ike.Command) [][]byte {
	b.carryOut(b.sa.Step(b.now, c))
	return b.take()
}

func (b *Bench) take() [][]byte {
	out := b.sent
	b.sent = nil
	return out
}

// Children counts the pairs that are in place whole.
func (b *Bench) Children() int {
	n := 0
	for id := range b.plane {
		if id.Direction == sad.Out {
			n++
		}
	}
	return n
}

// Ended is why the subject ended, or failed in part; empty if neither.
func (b *Bench) Ended() ike.Code {
	for i := len(b.events) - 1; i >= 0; i-- {
		switch e := b.events[i].(type) {
		case ike.Closed:
			return e.Reason.Code
		case ike.Problem:
			return e.Reason.Code
		}
	}
	return ""
}
