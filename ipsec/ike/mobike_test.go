package ike

import (
	"net/netip"
	"testing"
	"time"

	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

var elsewhere = netip.MustParseAddr("203.0.113.99")

// plain are offices without a NAT, so that only MOBIKE moves anything.
func plain(t *testing.T, change ...func(*link)) *link {
	t.Helper()
	a, b := offices()
	a.ForceEncap, b.ForceEncap = false, false
	// They know one another by name, wherever they are.
	a.LocalID, b.RemoteID = testID("left.example"), testID("left.example")
	a.RemoteID, b.LocalID = testID("right.example"), testID("right.example")
	l := newLink(t, a, b, change...)
	l.run(15 * time.Second)
	l.settled()
	l.ladder.Reset()
	return l
}

// at checks where both sides take the path to lead.
func (l *link) at(left, right netip.Addr) {
	l.t.Helper()
	a, b := l.left.sa, l.right.sa
	if a.local.Addr() != left || b.remote.Addr() != left || a.remote.Addr() != right || b.local.Addr() != right {
		l.t.Errorf("left %s to %s, right %s to %s, want %s and %s", a.local, a.remote, b.local, b.remote, left, right)
	}
	for _, s := range []*side{l.left, l.right} {
		for _, c := range s.sa.children {
			if c.inSA.Local != s.sa.local.Addr() || c.outSA.Remote != s.sa.remote.Addr() {
				l.t.Errorf("%s: a child goes from %s to %s", s.name, c.inSA.Local, c.outSA.Remote)
			}
		}
	}
}

// RFC 4555 section 3.5, and 3.7: it must show that it receives there.
func TestOurUplinkChanges(t *testing.T) {
	l := plain(t)
	l.step(l.left, Relocate{Local: elsewhere})
	l.run(500 * time.Millisecond)
	l.wantLadder(`
	left  ---> INFORMATIONAL request 4 {SK}
	      <--- right INFORMATIONAL response 4 {SK}
	      <--- right INFORMATIONAL request 0 {SK}
	left  ---> INFORMATIONAL response 0 {SK}`)
	l.at(elsewhere, rightAddr.Addr())
	for _, s := range []*side{l.left, l.right} {
		if _, ok := last[Moved](s); !ok {
			t.Errorf("%s did not tell that it moved", s.name)
		}
	}
	l.run(20 * time.Second)
	l.settled()
}

func TestOurUplinkChangesWhileWeAskForSomething(t *testing.T) {
	l := plain(t)
	l.lose = func(int) bool { return true }
	l.step(l.left, RekeyChild)
	l.run(500 * time.Millisecond)
	l.lose = nil
	l.step(l.left, Relocate{Local: elsewhere})
	l.run(30 * time.Second)
	l.at(elsewhere, rightAddr.Addr())
	l.settled()
}

// Section 3.6: who answered only tells of its addresses.
func TestUplinkOfTheSideThatAnsweredChanges(t *testing.T) {
	l := plain(t)
	l.step(l.right, Relocate{Local: elsewhere})
	l.run(30 * time.Second)
	l.at(leftAddr.Addr(), elsewhere)
	l.settled()
}

// Section 3.4: the peer's other addresses are tried when the one in use is dead.
func TestDeadPathLeadsToTheOtherAddress(t *testing.T) {
	l := plain(t, func(l *link) {
		l.addresses = map[string][]netip.Addr{"right": {rightAddr.Addr(), elsewhere}}
	})
	l.dead = rightAddr.Addr()
	l.run(3 * time.Minute)
	l.at(leftAddr.Addr(), elsewhere)
	l.settled()
}

// Section 3.5: an address that the peer refuses ends the tunnel, and it is built
// anew from there.
func TestUnacceptableAddress(t *testing.T) {
	l := plain(t)
	l.right.sa.env.MayMove = func(_ string, a netip.Addr) bool { return a != elsewhere }
	l.step(l.left, Relocate{Local: elsewhere})
	l.run(30 * time.Second)
	if c, ok := last[Closed](l.left); !ok || c.Reason.Code != PathRefused || !c.Reason.ByPeer {
		t.Errorf("%+v", c)
	}
	if l.right.sa.remote.Addr() == elsewhere {
		t.Error("the refused address is in use")
	}
}

// Section 3.5: nothing but UPDATE_SA_ADDRESSES moves a peer that speaks MOBIKE.
func TestAddressOfADatagramAloneMovesNobody(t *testing.T) {
	l := plain(t)
	g := l.left.sa.cur
	raw := l.left.sa.sealed(g, g.header(wire.Informational, g.sendID, false), nil)[0]
	l.step(l.right, Datagram{Local: l.right.sa.local, Remote: netip.AddrPortFrom(elsewhere, 4500), Data: raw})
	if l.right.sa.remote.Addr() == elsewhere {
		t.Error("the peer was moved by an empty message")
	}
}

// Section 3.9: who allows no NAT hears of one.
func TestNATThatIsNotAllowed(t *testing.T) {
	for _, changed := range []bool{false, true} {
		l := plain(t)
		from, to := l.right.sa.remote, l.right.sa.local
		says := endpoints(from, to)
		if changed {
			from = netip.AddrPortFrom(elsewhere, 4500)
		}
		answer := l.right.sa.told(Datagram{Local: to, Remote: from}, &wire.Message{Payloads: append(
			notifyOnly(wire.UpdateSAAddresses, nil), &wire.Notify{NotifyType: wire.NoNATsAllowed, Data: says})})
		if got := wire.FindNotify(answer, wire.UnexpectedNATDetected) != nil; got != changed {
			t.Errorf("changed on the way %v: refused %v", changed, got)
		}
		if l.right.sa.remote != from != changed {
			t.Errorf("changed on the way %v: the peer is at %s", changed, l.right.sa.remote)
		}
	}
}

// Section 1.2: transport mode cannot move.
func TestTransportModeIsMadeAnewAtTheNewAddress(t *testing.T) {
	a, b := transportPeers()
	a.LocalID, b.RemoteID = testID("left.example"), testID("left.example")
	l := newLink(t, a, b)
	l.run(15 * time.Second)
	l.step(l.left, Relocate{Local: elsewhere})
	l.run(30 * time.Second)
	l.settled()
	for _, sa := range l.right.plane {
		if sa.Mode != sad.Transport || sa.RemoteTS[0].First != elsewhere {
			t.Errorf("%s %v", sa, sa.RemoteTS)
		}
	}
}

// A peer without MOBIKE follows what proves itself (RFC 7296 section 2.23).
func TestPeerWithoutMobikeFollows(t *testing.T) {
	l := upLong(t)
	l.left.sa.paths.mobike, l.right.sa.paths.mobike = false, false
	l.step(l.left, Relocate{Local: elsewhere})
	l.run(30 * time.Second)
	l.at(elsewhere, rightAddr.Addr())
	l.settled()
}
