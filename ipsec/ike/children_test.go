package ike

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

func espSuites(t *testing.T, names ...string) (out []crypto.Suite) {
	t.Helper()
	for _, n := range names {
		s, err := crypto.ParseESPSuite(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func TestExtendedSequenceNumbersWhereBothCan(t *testing.T) {
	l := up(t)
	for _, s := range []*side{l.left, l.right} {
		for _, sa := range s.plane {
			if !sa.ESN {
				t.Errorf("%s: %s counts to 32 bits", s.name, sa)
			}
		}
	}
}

func TestSequenceNumbersAreWhatTheOfferAllows(t *testing.T) {
	suites := crypto.DefaultESPSuites()[:1]
	offer := func(ids ...uint16) *wire.SA {
		ps := proposals(suites, wire.ProtocolESP, []byte{0, 0, 2, 0}, false)
		for _, id := range ids {
			ps[0].Transforms = append(ps[0].Transforms, wire.Transform{Type: wire.TransformESN, ID: id})
		}
		return &wire.SA{Proposals: ps}
	}
	for name, tc := range map[string]struct {
		offer            *wire.SA
		ok, esn, counted bool
	}{
		"both are offered":           {offer(0, 1), true, true, true},
		"only 32 bits are offered":   {offer(0), true, false, true},
		"only 64 bits are offered":   {offer(1), true, true, true},
		"nothing is said":            {offer(), true, false, false},
		"only an unknown is offered": {offer(7), false, false, false},
	} {
		c, ok := chooseChild(sad.ESP, suites, tc.offer, crypto.GroupNone, false)
		if ok != tc.ok || c.esn != tc.esn || ok && c.counted != tc.counted {
			t.Errorf("%s: %v %+v", name, ok, c)
		}
		if !ok {
			continue
		}
		back, ok := chosenChild(&wire.SA{Proposals: []wire.Proposal{c.answer(0x300)}}, sad.ESP, suites)
		if !ok || back.esn != tc.esn {
			t.Errorf("%s: the answer reads %v %+v", name, ok, back)
		}
	}
	twice := offer(0, 1)
	if _, ok := chosenChild(twice, sad.ESP, suites); ok {
		t.Error("an answer with both is accepted")
	}
}

func TestAuthenticationHeader(t *testing.T) {
	for _, name := range []string{"sha256", "sha512-ecp256", "aes256gmac-x25519"} {
		t.Run(name, func(t *testing.T) {
			a, b := offices()
			s, err := crypto.ParseAHSuite(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []*Peer{&a, &b} {
				p.ForceEncap = false
				p.Children[0].Protocol, p.Children[0].Suites = sad.AH, []crypto.Suite{s}
			}
			l := newLink(t, a, b)
			l.run(time.Second)
			l.paired(1)
			l.step(l.right, RekeyChild)
			l.run(20 * time.Second)
			l.paired(1)
			if c, _ := last[ChildUp](l.left); c.Protocol != sad.AH || c.Suite != s || c.Replaces == 0 {
				t.Errorf("%+v", c)
			}
			l.step(l.left, Close)
			l.run(time.Second)
			if len(l.left.plane)+len(l.right.plane) != 0 {
				t.Error("SAs are left")
			}
		})
	}
}

func TestAHAndESPDoNotMeet(t *testing.T) {
	a, b := offices()
	s, _ := crypto.ParseAHSuite("sha256")
	b.Children[0].Protocol, b.Children[0].Suites = sad.AH, []crypto.Suite{s}
	l := newLink(t, a, b)
	l.run(time.Second)
	if r, _ := failure(l.left); r.Code != NoProposal {
		t.Errorf("%+v", r)
	}
	if r, _ := failure(l.right); r.Code != NoProposal || !slices.Contains(r.Sent, "sha256") {
		t.Errorf("%+v", r)
	}
}

func TestLegacySuitesNeedTheSwitch(t *testing.T) {
	for _, both := range []bool{true, false} {
		a, b := offices()
		for _, p := range []*Peer{&a, &b} {
			p.Children[0].Suites = espSuites(t, "3des-sha256")
		}
		a.Legacy, b.Legacy = true, both
		l := newLink(t, a, b)
		l.run(time.Second)
		if got := len(l.right.plane) == 2; got != both {
			t.Errorf("with the switch on both sides %v: a tunnel %v", both, got)
		}
	}
}

func transportPeers() (Peer, Peer) {
	a, b := offices()
	for _, p := range []*Peer{&a, &b} {
		p.ForceEncap = false
		p.Children[0].Mode, p.Children[0].LocalTS, p.Children[0].RemoteTS = sad.Transport, nil, nil
	}
	return a, b
}

func TestTransportMode(t *testing.T) {
	a, b := transportPeers()
	l := newLink(t, a, b)
	l.run(10 * time.Second)
	l.paired(1)
	l.step(l.right, RekeyChild)
	l.run(10 * time.Second)
	l.paired(1)
	for _, s := range []*side{l.left, l.right} {
		for _, sa := range s.plane {
			if sa.Mode != sad.Transport || sa.Encap != nil || sa.LocalTS[0].First != sa.Local || sa.RemoteTS[0].Last != sa.Remote {
				t.Errorf("%s: %s %v %v", s.name, sa, sa.LocalTS, sa.RemoteTS)
			}
		}
	}
}

// RFC 7296 section 2.23.1: each side knows the other by another address.
func TestTransportModeThroughANAT(t *testing.T) {
	public := netip.MustParseAddr("192.0.2.77")
	a, b := transportPeers()
	a.RemoteID, b.RemoteID = a.LocalID, a.LocalID
	l := newLink(t, a, b, func(l *link) { l.nat = public })
	l.run(10 * time.Second)
	l.paired(1)
	l.step(l.left, RekeyChild)
	l.run(10 * time.Second)
	l.paired(1)
	for _, sa := range l.left.plane {
		if sa.Encap == nil || sa.LocalTS[0].First != leftAddr.Addr() || sa.RemoteTS[0].First != rightAddr.Addr() {
			t.Errorf("left: %s %v %v", sa, sa.LocalTS, sa.RemoteTS)
		}
	}
	for _, sa := range l.right.plane {
		if sa.Encap == nil || sa.Encap.RemotePort != 14500 || sa.RemoteTS[0].First != public || sa.Remote != public {
			t.Errorf("right: %s %v %v", sa, sa.LocalTS, sa.RemoteTS)
		}
	}
}

func TestSecondHostBehindOneAddressIsRefusedTransportMode(t *testing.T) {
	a, b := transportPeers()
	l := newLink(t, a, b, func(l *link) { l.nat = netip.MustParseAddr("192.0.2.77") })
	l.right.sa.env.Taken = func(string, netip.Addr) string { return "the other one" }
	l.run(time.Second)
	if r, _ := failure(l.left); r.Code != SelectorsRefused {
		t.Errorf("left: %+v", r)
	}
	if r, _ := failure(l.right); r.Code != AddressTaken || !slices.Contains(r.Sent, "the other one") {
		t.Errorf("right: %+v", r)
	}
}

func TestModesMustAgree(t *testing.T) {
	for _, who := range []string{"left", "right"} {
		a, b := transportPeers()
		tunnel := testChild(1, leftAddr.Addr().String()+"/32", rightAddr.Addr().String()+"/32")
		if who == "left" {
			a.Children = []Child{tunnel}
		} else {
			tunnel.LocalTS, tunnel.RemoteTS = tunnel.RemoteTS, tunnel.LocalTS
			b.Children = []Child{tunnel}
		}
		l := newLink(t, a, b)
		l.run(8 * time.Second)
		l.left.sa.wants[0].at, l.right.sa.wants[0].at = time.Time{}, time.Time{}
		want := l.right // of two that disagree, the one that wants transport mode knows
		if who == "right" {
			want = l.left
		}
		if r, _ := failure(want); r.Code != ModeRefused {
			t.Errorf("%s wants a tunnel: %s says %+v", who, want.name, r)
		}
		if who == "right" && (len(l.left.plane) != 0 || len(l.right.plane) != 0) {
			t.Errorf("the tunnel that nobody wanted is there: %d %d", len(l.left.plane), len(l.right.plane))
		}
	}
}

func threeChildren() (Peer, Peer) {
	a, b := offices()
	a.Children = append(a.Children, testChild(2, "10.1.1.0/24", "10.2.1.0/24"), testChild(3, "10.1.0.0/24", "10.2.2.0/24"))
	for i := range a.Children {
		c := a.Children[i]
		c.LocalTS, c.RemoteTS = c.RemoteTS, c.LocalTS
		if i == 0 {
			b.Children[0].Policy = 11
			continue
		}
		c.Policy += 10
		b.Children = append(b.Children, c)
	}
	return a, b
}

func TestSeveralChildren(t *testing.T) {
	a, b := threeChildren()
	l := newLink(t, a, b)
	l.run(time.Second)
	l.wantLadder(`
	left  ---> IKE_SA_INIT request 0 {SA, KE, Nonce}
	      <--- right IKE_SA_INIT response 0 {SA, KE, Nonce}
	left  ---> IKE_AUTH request 1 {SK}
	      <--- right IKE_AUTH response 1 {SK}
	left  ---> CREATE_CHILD_SA request 2 {SK}
	      <--- right CREATE_CHILD_SA response 2 {SK}
	left  ---> CREATE_CHILD_SA request 3 {SK}
	      <--- right CREATE_CHILD_SA response 3 {SK}`)
	l.paired(3)
	l.run(20 * time.Second)
	l.step(l.right, RekeyChild)
	l.run(20 * time.Second)
	l.paired(3)
	for _, sa := range l.left.plane {
		want := a.Children[sa.Policy-1]
		if sa.LocalTS[0] != want.LocalTS[0] || sa.RemoteTS[0] != want.RemoteTS[0] {
			t.Errorf("policy %d has %v %v", sa.Policy, sa.LocalTS, sa.RemoteTS)
		}
	}
	for _, sa := range l.right.plane {
		want := b.Children[sa.Policy-11]
		if sa.LocalTS[0] != want.LocalTS[0] || sa.RemoteTS[0] != want.RemoteTS[0] {
			t.Errorf("policy %d has %v %v", sa.Policy, sa.LocalTS, sa.RemoteTS)
		}
	}
	l.step(l.left, Close)
	l.run(time.Second)
	if len(l.left.plane)+len(l.right.plane) != 0 {
		t.Error("SAs are left")
	}
}

func TestOneRefusedChildLeavesTheOthers(t *testing.T) {
	a, b := threeChildren()
	b.Children = slices.Delete(b.Children, 1, 2)
	l := newLink(t, a, b)
	l.run(2 * time.Minute)
	if !l.left.sa.Established() || !l.right.sa.Established() {
		t.Fatal("the IKE SA is gone")
	}
	l.paired(2)
	if r, _ := failure(l.left); r.Code != SelectorsRefused || !slices.Contains(r.Sent, "10.2.1.0/24") {
		t.Errorf("%+v", r)
	}
}

func TestLostChildComesBackAlone(t *testing.T) {
	a, b := threeChildren()
	l := newLink(t, a, b)
	l.run(10 * time.Second)
	second := l.right.sa.children[1]
	l.right.sa.deleteChild(second)
	l.step(l.right, Tick{})
	l.run(20 * time.Second)
	l.paired(3)
}

// Pitfall 22: IKE_AUTH carries no group, so this comes up, and would break at the
// first rekey in an hour.
func TestDifferingForwardSecrecyIsFoundAtOnce(t *testing.T) {
	for name, suites := range map[string][2][]string{
		"other groups":         {{"aes256gcm16-x25519"}, {"aes256gcm16-modp2048"}},
		"only the other wants": {{"aes256gcm16"}, {"aes256gcm16-ecp256"}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := offices()
			a.Children[0].Suites, b.Children[0].Suites = espSuites(t, suites[0]...), espSuites(t, suites[1]...)
			l := newLink(t, a, b)
			l.run(10 * time.Second)
			r, ok := last[Problem](l.left)
			if !ok || r.Reason.Code != PFSDiffers || !r.Reason.ByPeer {
				t.Errorf("left: %+v", r)
			}
			r, ok = last[Problem](l.right)
			if !ok || r.Reason.Code != PFSDiffers || r.Reason.ByPeer || strings.Join(r.Reason.Sent, "") == strings.Join(r.Reason.Got, "") {
				t.Errorf("right: %+v", r)
			}
			l.paired(1)
		})
	}
}

func TestAgreedForwardSecrecyIsNoProblem(t *testing.T) {
	a, b := offices()
	a.Children[0].Suites, b.Children[0].Suites = espSuites(t, "aes256gcm16-x25519", "aes256gcm16-ecp256"), espSuites(t, "aes256gcm16-ecp256")
	l := newLink(t, a, b)
	l.run(20 * time.Second)
	l.paired(1)
	for _, s := range []*side{l.left, l.right} {
		if p, ok := last[Problem](s); ok {
			t.Errorf("%s: %+v", s.name, p)
		}
	}
	if c, _ := last[ChildUp](l.left); c.Suite.Group != crypto.GroupECP256 {
		t.Errorf("%+v", c)
	}
}

// Section 2.9: the packet that wants the tunnel stands in front.
func TestTriggeringPacketIsOfferedFirst(t *testing.T) {
	a, _ := offices()
	sa := &SA{}
	sa.serve(a)
	w := sa.wants[0]
	w.trigger.local = sad.Selector{First: netip.MustParseAddr("10.1.0.9"), Last: netip.MustParseAddr("10.1.0.9"), Protocol: 6, FirstPort: 4000, LastPort: 4000}
	w.trigger.remote = sad.Selector{First: netip.MustParseAddr("10.2.0.9"), Last: netip.MustParseAddr("10.2.0.9"), Protocol: 6, FirstPort: 80, LastPort: 80}
	tsi, tsr, ok := selectorsIn(sa.childOffer(w, 0x1000, false))
	if !ok || len(tsi) != 2 || tsi[0] != w.trigger.local || tsi[1] != w.LocalTS[0] || tsr[0] != w.trigger.remote {
		t.Errorf("%v %v", tsi, tsr)
	}
	if got := narrow(tsi, w.LocalTS); !slices.Equal(got, w.LocalTS) {
		t.Errorf("who allows all answers %v", got)
	}
}

// A peer that takes one network only takes the one that the packet is for.
func TestPacketAsksForItsChildAtOnce(t *testing.T) {
	a, b := threeChildren()
	l := newLink(t, a, b)
	l.run(10 * time.Second)
	i := slices.IndexFunc(l.right.sa.children, func(c *child) bool { return c.want == l.right.sa.wants[1] })
	l.right.sa.deleteChild(l.right.sa.children[i])
	l.step(l.right, Tick{})
	l.run(100 * time.Millisecond)
	l.ladder.Reset()
	l.left.sa.wants[1].at = time.Time{}
	l.step(l.left, Acquire{Child: a.Children[1].Name, Source: netip.MustParseAddr("10.1.1.7"), Destination: netip.MustParseAddr("10.2.1.7")})
	l.step(l.left, Acquire{Child: a.Children[1].Name, Source: netip.MustParseAddr("192.0.2.7"), Destination: netip.MustParseAddr("10.2.1.7")})
	if w := l.left.sa.wants[1]; w.trigger.local.First.String() != "10.1.1.7" {
		t.Errorf("offered first: %v", w.trigger)
	}
	l.run(100 * time.Millisecond)
	l.wantLadder(`
	left  ---> CREATE_CHILD_SA request 6 {SK}
	      <--- right CREATE_CHILD_SA response 6 {SK}`)
}

// AH covers the outer addresses, so there is none through a NAT; who is behind it says
// so, whoever called.
func TestAHIsRefusedBehindANAT(t *testing.T) {
	a, b := offices()
	s, _ := crypto.ParseAHSuite("sha256")
	for _, p := range []*Peer{&a, &b} {
		p.ForceEncap = false
		p.Children[0].Protocol, p.Children[0].Suites = sad.AH, []crypto.Suite{s}
	}
	l := newLink(t, a, b, func(l *link) { l.nat = netip.MustParseAddr("192.0.2.77") })
	l.run(time.Second)
	if r, _ := failure(l.left); r.Code != AHBehindNAT || !l.left.sa.Established() {
		t.Errorf("%+v", r)
	}
	l.run(10 * time.Second)
	if len(l.left.plane)+len(l.right.plane) != 0 {
		t.Errorf("SAs that carry nothing are left: %d %d", len(l.left.plane), len(l.right.plane))
	}
	l.left.sa.wants[0].at = time.Time{}
	l.right.sa.behind = true
	if _, answer, why := l.right.sa.meet(&childKeying{}, asked{tsi: b.Children[0].RemoteTS, tsr: b.Children[0].LocalTS}); answer == nil || why.Code != AHBehindNAT {
		t.Errorf("who is called says %+v", why)
	}
}

// Where forward secrecy differs the tunnel lives as long as its first keys, and who
// called begins anew then: a child could not be made again in this IKE SA.
func TestDifferingForwardSecrecyEndsTheIKESAWithTheFirstKeys(t *testing.T) {
	a, b := offices()
	a.Children[0].Suites, b.Children[0].Suites = espSuites(t, "aes256gcm16-x25519"), espSuites(t, "aes256gcm16-modp2048")
	l := newLink(t, a, b)
	l.run(a.Children[0].Lifetime - time.Minute)
	l.paired(1)
	l.run(2 * time.Minute)
	for _, s := range []*side{l.left, l.right} {
		if s.sa.State() != StateClosed || len(s.plane) != 0 {
			t.Errorf("%s is %s with %d SAs", s.name, s.sa.State(), len(s.plane))
		}
	}
	if c, _ := last[Closed](l.left); c.Reason.Code != PFSDiffers {
		t.Errorf("%+v", c)
	}
}
