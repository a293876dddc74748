package ike

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
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

var (
	leftAddr  = netip.MustParseAddrPort("203.0.113.2:500")
	rightAddr = netip.MustParseAddrPort("198.51.100.2:500")
	epoch     = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// side is one state machine of a test and what it did.
type side struct {
	name   string
	sa     *SA
	addr   netip.AddrPort
	plane  map[string]sad.SA // what is installed
	events []Effect
	next   sad.SPI
}

// link joins two state machines in virtual time and writes down the ladder.
type link struct {
	t           *testing.T
	now         time.Time
	left, right *side
	ladder      strings.Builder
	inFlight    []flight
	sent        int
	// lose decides about the n-th datagram, counted from 1.
	lose func(n int) bool
	// copies is how often each datagram arrives.
	copies int
	// nat is the address that left has for the world; invalid: its own.
	nat netip.Addr
	// addresses are those that a side has besides the one in use, by its name; what
	// goes to dead, or comes from there, is lost.
	addresses map[string][]netip.Addr
	dead      netip.Addr
}

type flight struct {
	at time.Time
	to *side
	d  Datagram
}

// everyInit are the notifies of every IKE_SA_INIT, which ladders leave out.
var everyInit = map[wire.NotifyType]bool{
	wire.NATDetectionSourceIP: true, wire.NATDetectionDestIP: true,
	wire.SignatureHashAlgorithms: true, wire.FragmentationSupported: true, wire.IntermediateExchangeSupported: true,
	wire.UsePPK: true,
}

const delay = 10 * time.Millisecond

func testPeer(name string, local, remote string) Peer {
	return Peer{
		Name: name, PSK: []byte("a key of enough length"),
		IKE:         crypto.DefaultIKESuites(),
		Children:    []Child{testChild(1, local, remote)},
		IKELifetime: 4 * time.Hour, DPD: 30 * time.Second,
		ForceEncap: true, ReplayWindow: 64,
	}
}

func testID(name string) auth.Identity {
	id, err := auth.ParseIdentity(name)
	if err != nil {
		panic(err)
	}
	return id
}

func testChild(policy uint32, local, remote string) Child {
	return Child{
		Name: local + " to " + remote, Policy: policy, Protocol: sad.ESP, Suites: crypto.DefaultESPSuites(),
		LocalTS:  []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix(local))},
		RemoteTS: []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix(remote))},
		Lifetime: time.Hour,
	}
}

func (s *side) env(peer Peer, force bool) Env {
	return Env{
		Rand: rand.Reader, ForceEncap: force,
		AllocateSPI: func() (sad.SPI, error) { s.next++; return s.next, nil },
		Suites:      func(netip.Addr) []crypto.Suite { return peer.IKE },
		FindPeer:    func(Query) (Peer, *Reason) { return peer, nil },
		UsePPK:      func(netip.Addr) bool { return peer.PPK != nil },
	}
}

// newLink lets left call right; the ladder begins with the first message.
func newLink(t *testing.T, left, right Peer, change ...func(*link)) *link {
	t.Helper()
	l := &link{t: t, now: epoch, copies: 1,
		left:  &side{name: "left", addr: leftAddr, plane: map[string]sad.SA{}, next: 0x1000},
		right: &side{name: "right", addr: rightAddr, plane: map[string]sad.SA{}, next: 0x2000},
	}
	for _, c := range change {
		c(l)
	}
	var err error
	envOf := func(s *side, p Peer) Env {
		env := s.env(p, p.ForceEncap)
		env.Addresses = func() []netip.Addr { return l.addresses[s.name] }
		return env
	}
	if l.right.sa, err = NewResponder(envOf(l.right, right), l.now); err != nil {
		t.Fatal(err)
	}
	sa, effects, err := NewInitiator(envOf(l.left, left), left, leftAddr, rightAddr, l.now)
	if err != nil {
		t.Fatal(err)
	}
	l.left.sa = sa
	l.carryOut(l.left, effects)
	return l
}

func (l *link) other(s *side) *side {
	if s == l.left {
		return l.right
	}
	return l.left
}

func key(spi sad.SPI, d sad.Direction) string { return fmt.Sprintf("%d/%s", d, spi) }

func (l *link) carryOut(s *side, effects []Effect) {
	l.t.Helper()
	for i, e := range effects {
		switch e := e.(type) {
		case Send:
			l.send(s, e)
		case Install:
			if err := e.SA.Validate(); err != nil {
				l.t.Errorf("%s installs an invalid SA: %v", s.name, err)
			}
			if _, twice := s.plane[key(e.SA.SPI, e.SA.Direction)]; twice {
				l.t.Errorf("%s installs %s twice", s.name, e.SA)
			}
			s.plane[key(e.SA.SPI, e.SA.Direction)] = e.SA
		case Remove:
			if _, there := s.plane[key(e.SPI, e.Direction)]; !there {
				l.t.Errorf("%s removes %s, which is not there", s.name, e.SPI)
			}
			delete(s.plane, key(e.SPI, e.Direction))
		case Closed:
			if i != len(effects)-1 {
				l.t.Errorf("%s: Closed is not the last effect", s.name)
			}
			s.events = append(s.events, e)
		default:
			s.events = append(s.events, e)
		}
	}
}

func (l *link) send(s *side, e Send) {
	l.sent++
	lost := l.lose != nil && l.lose(l.sent) || l.dead.IsValid() && (e.Remote.Addr() == l.dead || e.Local.Addr() == l.dead)
	l.narrate(s, e.Data, lost)
	if lost {
		return
	}
	local, remote := e.Remote, e.Local
	if l.nat.IsValid() && s == l.left {
		remote = netip.AddrPortFrom(l.nat, remote.Port()+10000)
	} else if l.nat.IsValid() {
		local = netip.AddrPortFrom(leftAddr.Addr(), local.Port()-10000)
	}
	for i := range l.copies {
		l.inFlight = append(l.inFlight, flight{
			at: l.now.Add(delay * time.Duration(i+1)), to: l.other(s),
			d: Datagram{Local: local, Remote: remote, Data: bytes.Clone(e.Data)},
		})
	}
}

// narrate draws a datagram as one rung of the ladder.
func (l *link) narrate(s *side, raw []byte, lost bool) {
	h, err := wire.ParseHeader(raw)
	if err != nil {
		l.t.Fatalf("%s sends nonsense: %v", s.name, err)
	}
	kind := "request"
	if h.Response() {
		kind = "response"
	}
	var names []string
	if m, err := wire.Parse(raw); err == nil {
		for _, p := range m.Payloads {
			if n, ok := p.(*wire.Notify); ok && !everyInit[n.NotifyType] {
				names = append(names, "N("+n.NotifyType.String()+")")
			} else if f, is := p.(*wire.Fragment); is {
				names = append(names, fmt.Sprintf("SKF %d of %d", f.Number, f.Total))
			} else if !ok {
				names = append(names, p.Type().String())
			}
		}
	}
	what := fmt.Sprintf("%s %s %d {%s}", h.Exchange, kind, h.MessageID, strings.Join(names, ", "))
	arrow := "left  ---> " + what
	if s == l.right {
		arrow = "      <--- right " + what
	}
	if lost {
		arrow += "  (lost)"
	}
	fmt.Fprintln(&l.ladder, arrow)
}

// run lets time pass: datagrams arrive, timers fire.
func (l *link) run(d time.Duration) {
	l.t.Helper()
	end := l.now.Add(d)
	for steps := 0; ; steps++ {
		if steps > 100000 {
			l.t.Fatal("the two sides do not come to rest")
		}
		next, fire := end, func() {}
		for i, f := range l.inFlight {
			if f.at.Before(next) {
				next, fire = f.at, func() {
					l.inFlight = append(l.inFlight[:i:i], l.inFlight[i+1:]...)
					l.step(f.to, f.d)
				}
			}
		}
		for _, s := range []*side{l.left, l.right} {
			if at := s.sa.Deadline(); !at.IsZero() && at.Before(next) {
				next, fire = at, func() { l.step(s, Tick{}) }
			}
		}
		if next.After(l.now) {
			l.now = next
		}
		if !next.Before(end) {
			l.now = end
			return
		}
		fire()
	}
}

func (l *link) step(s *side, in Input) {
	l.t.Helper()
	l.carryOut(s, s.sa.Step(l.now, in))
}

// paired checks that both planes hold exactly n pairs that fit each other.
func (l *link) paired(n int) {
	l.t.Helper()
	for _, s := range []*side{l.left, l.right} {
		in, out := 0, 0
		for _, sa := range s.plane {
			if sa.Direction == sad.In {
				in++
				continue
			}
			out++
			theirs, ok := l.other(s).plane[key(sa.SPI, sad.In)]
			if !ok {
				l.t.Errorf("%s sends by %s, which the other side does not have", s.name, sa.SPI)
			} else if !bytes.Equal(theirs.EncryptionKey, sa.EncryptionKey) || !bytes.Equal(theirs.IntegrityKey, sa.IntegrityKey) {
				l.t.Errorf("the keys of %s differ", sa.SPI)
			}
		}
		if in != n || out != n {
			l.t.Errorf("%s holds %d inbound and %d outbound SAs, want %d each", s.name, in, out, n)
		}
	}
}

func last[E Effect](s *side) (E, bool) {
	for i := len(s.events) - 1; i >= 0; i-- {
		if e, ok := s.events[i].(E); ok {
			return e, true
		}
	}
	var none E
	return none, false
}

func (l *link) wantLadder(want string) {
	l.t.Helper()
	want = strings.TrimSpace(strings.ReplaceAll(want, "\t", ""))
	if got := strings.TrimSpace(l.ladder.String()); got != want {
		l.t.Errorf("ladder:\n%s\n\nwant:\n%s", got, want)
	}
	l.ladder.Reset()
}
