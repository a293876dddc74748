package ike

import (
	"bytes"
	"crypto/rand"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

func offices() (Peer, Peer) {
	return testPeer("leeds", "10.1.0.0/24", "10.2.0.0/24"), testPeer("hq", "10.2.0.0/24", "10.1.0.0/24")
}

func up(t *testing.T, change ...func(*link)) *link {
	t.Helper()
	a, b := offices()
	l := newLink(t, a, b, change...)
	l.run(time.Second)
	if !l.left.sa.Established() || !l.right.sa.Established() {
		t.Fatalf("not established: %s %s\n%s", l.left.sa.State(), l.right.sa.State(), l.ladder.String())
	}
	return l
}

func TestStart(t *testing.T) {
	l := up(t)
	l.wantLadder(`
	left  ---> IKE_SA_INIT request 0 {SA, KE, Nonce}
	      <--- right IKE_SA_INIT response 0 {SA, KE, Nonce}
	left  ---> IKE_AUTH request 1 {SK}
	      <--- right IKE_AUTH response 1 {SK}`)
	l.paired(1)
	e, _ := last[Established](l.left)
	if !e.NAT || e.Remote.Port() != 4500 || e.Local.Port() != 4500 || e.RemoteID.String() != "198.51.100.2" {
		t.Errorf("established as %+v, want forced encapsulation on port 4500", e)
	}
	for _, s := range []*side{l.left, l.right} {
		for _, sa := range s.plane {
			if sa.Encap == nil || sa.Encap.LocalPort != 4500 || sa.Encap.RemotePort != 4500 {
				t.Errorf("%s: encapsulation %+v", s.name, sa.Encap)
			}
		}
	}
}

func TestEverySuiteConnects(t *testing.T) {
	for _, name := range []string{"aes256gcm16-x25519", "aes128gcm16-ecp256", "aes256-sha256-modp2048", "aes128-sha256-x25519",
		"aes256gcm12-prfsha384-ecp384", "aes128gcm8-prfsha512-ecp521", "chacha20poly1305-x448", "aes128ccm16-modp3072",
		"aes192-sha384-modp4096", "aes256-sha512-modp6144", "aes256ctr-sha256-x25519", "aes128-aesxcbc-modp2048",
		"aes128-aescmac-modp1536", "3des-sha1-modp1024"} {
		t.Run(name, func(t *testing.T) {
			a, b := offices()
			s, err := crypto.ParseIKESuite(name)
			if err != nil {
				t.Fatal(err)
			}
			a.IKE, b.IKE = []crypto.Suite{s}, []crypto.Suite{s}
			l := newLink(t, a, b)
			l.run(time.Second)
			l.paired(1)
			if e, ok := last[Established](l.right); !ok || e.Suite != s {
				t.Errorf("established as %+v", e)
			}
		})
	}
}

// TestEveryChildSuiteIsAgreed negotiates every transform of ESP, so that none is
// only for keys made by hand.
func TestEveryChildSuiteIsAgreed(t *testing.T) {
	agree := func(name string) {
		t.Run(name, func(t *testing.T) {
			a, b := offices()
			s, err := crypto.ParseESPSuite(name)
			if err != nil {
				t.Fatal(err)
			}
			a.Children[0].Suites, b.Children[0].Suites = []crypto.Suite{s}, []crypto.Suite{s}
			a.Legacy, b.Legacy = true, true
			l := newLink(t, a, b)
			l.run(time.Second)
			l.paired(1)
			if e, ok := last[ChildUp](l.right); !ok || e.Suite != s {
				t.Errorf("the child is %+v", e)
			}
		})
	}
	for _, e := range crypto.Encryptions() {
		if e.AEAD {
			agree(e.Name)
			continue
		}
		for _, i := range crypto.Integrities() {
			if !i.AH {
				agree(e.Name + "-" + i.Name)
			}
		}
	}
}

func TestNoNATWithoutForce(t *testing.T) {
	a, b := offices()
	a.ForceEncap, b.ForceEncap = false, false
	l := newLink(t, a, b)
	l.run(time.Second)
	e, _ := last[Established](l.left)
	if e.NAT || e.Remote.Port() != natPort {
		t.Errorf("established as %+v, want no NAT, and port 4500 in case one comes (RFC 4555 section 3.3)", e)
	}
	for _, sa := range l.left.plane {
		if sa.Encap != nil {
			t.Errorf("encapsulated without a NAT")
		}
	}
}

func TestWrongGroupIsAskedForAgain(t *testing.T) {
	a, b := offices()
	b.IKE = []crypto.Suite{{Encryption: crypto.EncrAESGCM16, KeyBits: 256, PRF: crypto.PRFHMACSHA256, Group: crypto.GroupECP256}}
	l := newLink(t, a, b)
	l.run(time.Second)
	l.wantLadder(`
	left  ---> IKE_SA_INIT request 0 {SA, KE, Nonce}
	      <--- right IKE_SA_INIT response 0 {N(INVALID_KE_PAYLOAD)}
	left  ---> IKE_SA_INIT request 0 {SA, KE, Nonce}
	      <--- right IKE_SA_INIT response 0 {SA, KE, Nonce}
	left  ---> IKE_AUTH request 1 {SK}
	      <--- right IKE_AUTH response 1 {SK}`)
	l.paired(1)
}

func TestRefusals(t *testing.T) {
	other, _ := crypto.ParseESPSuite("aes128-sha256")
	for name, tc := range map[string]struct {
		change      func(a, b *Peer)
		left, right Code
		byPeer      bool // on the left
	}{
		"a wrong key": {func(a, b *Peer) { b.PSK = []byte("quite another key") }, RejectedByPeer, WrongKey, true},
		"no common IKE proposal": {func(a, b *Peer) {
			a.IKE, b.IKE = a.IKE[:1], []crypto.Suite{{Encryption: crypto.EncrAESCBC, KeyBits: 128, Integrity: crypto.IntegrityHMACSHA256128, PRF: crypto.PRFHMACSHA256, Group: crypto.GroupX25519}}
		}, NoProposal, NoProposal, true},
		"the responder is somebody else": {func(a, b *Peer) {
			a.RemoteID = auth.IdentityFromAddr(netip.MustParseAddr("192.0.2.9"))
			b.LocalID = auth.IdentityFromAddr(netip.MustParseAddr("192.0.2.8"))
		}, WrongIdentity, RejectedByPeer, false},
		"no common ESP proposal":   {func(a, b *Peer) { b.Children[0].Suites = []crypto.Suite{other} }, NoProposal, NoProposal, true},
		"no networks in common":    {func(a, b *Peer) { a.Children[0].RemoteTS = a.Children[0].LocalTS }, SelectorsRefused, SelectorsRefused, true},
		"the responder has no key": {func(a, b *Peer) { b.PSK = nil }, RejectedByPeer, WrongKey, true},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := offices()
			tc.change(&a, &b)
			l := newLink(t, a, b)
			l.run(20 * time.Second)
			for _, w := range []struct {
				s    *side
				code Code
			}{{l.left, tc.left}, {l.right, tc.right}} {
				r, ok := failure(w.s)
				if !ok || r.Code != w.code {
					t.Errorf("%s: %+v, want %s", w.s.name, r, w.code)
				}
				if w.s == l.left && r.ByPeer != tc.byPeer {
					t.Errorf("left: by peer %v, want %v", r.ByPeer, tc.byPeer)
				}
			}
			if len(l.left.plane)+len(l.right.plane) != 0 {
				t.Errorf("SAs are installed")
			}
		})
	}
}

// failure is the last problem, or the reason of the end.
func failure(s *side) (Reason, bool) {
	if p, ok := last[Problem](s); ok {
		return p.Reason, true
	}
	c, ok := last[Closed](s)
	return c.Reason, ok
}

func TestUnknownCallerIsRefused(t *testing.T) {
	a, b := offices()
	l := newLink(t, a, b, func(l *link) {})
	l.right.sa.env.FindPeer = func(q Query) (Peer, *Reason) {
		return Peer{}, &Reason{Code: UnknownPeer, Got: []string{q.RemoteID.String()}}
	}
	l.run(time.Minute)
	if r, _ := failure(l.left); r.Code != RejectedByPeer {
		t.Errorf("left: %+v", r)
	}
	if c, ok := last[Closed](l.right); !ok || c.Reason.Code != UnknownPeer || c.Peer != "" {
		t.Errorf("right: %+v", c)
	}
}

func TestNarrowing(t *testing.T) {
	a, b := offices()
	a.Children[0].RemoteTS = []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix("10.0.0.0/8"))}
	l := newLink(t, a, b)
	l.run(time.Second)
	c, ok := last[ChildUp](l.left)
	if !ok || len(c.RemoteTS) != 1 || c.RemoteTS[0].String() != "10.2.0.0/24" {
		t.Errorf("child %+v, want the remote side narrowed to 10.2.0.0/24", c)
	}
	l.step(l.left, RekeyChild)
	l.run(10 * time.Second)
	if c, _ := last[ChildUp](l.left); c.Replaces == 0 || c.RemoteTS[0].String() != "10.2.0.0/24" {
		t.Errorf("after a rekey: %+v", c)
	}
	l.paired(1)
}

func TestChildRekey(t *testing.T) {
	for _, esp := range []string{"aes256gcm16", "aes256-sha256", "aes256gcm16-x25519", "aes256gcm16-modp2048"} {
		for _, who := range []string{"left", "right"} {
			t.Run(esp+" by "+who, func(t *testing.T) {
				a, b := offices()
				s, err := crypto.ParseESPSuite(esp)
				if err != nil {
					t.Fatal(err)
				}
				a.Children[0].Suites, b.Children[0].Suites = []crypto.Suite{s}, []crypto.Suite{s}
				l := newLink(t, a, b)
				l.run(time.Second)
				l.ladder.Reset()
				first, _ := last[ChildUp](l.left)
				from := l.left
				if who == "right" {
					from = l.right
				}
				l.step(from, RekeyChild)
				l.run(time.Second)
				if who == "left" {
					l.wantLadder(`
					left  ---> CREATE_CHILD_SA request 2 {SK}
					      <--- right CREATE_CHILD_SA response 2 {SK}
					left  ---> INFORMATIONAL request 3 {SK}
					      <--- right INFORMATIONAL response 3 {SK}`)
				}
				l.run(10 * time.Second)
				l.paired(1)
				second, _ := last[ChildUp](l.left)
				if second.Replaces != first.In || second.In == first.In {
					t.Errorf("after the rekey: %+v, before: %+v", second, first)
				}
			})
		}
	}
}

func TestOldInboundLivesOnAfterARekey(t *testing.T) {
	l := up(t)
	first, _ := last[ChildUp](l.left)
	l.step(l.left, RekeyChild)
	l.run(time.Second)
	if _, ok := l.left.plane[key(first.In, sad.In)]; !ok {
		t.Errorf("the old inbound SA is gone a second after the rekey")
	}
	if _, ok := l.left.plane[key(first.Out, sad.Out)]; ok {
		t.Errorf("the old outbound SA is still there")
	}
	l.run(10 * time.Second)
	l.paired(1)
}

func TestPeerThatDemandsPFSGetsIt(t *testing.T) {
	a, b := offices()
	pfs, _ := crypto.ParseESPSuite("aes256gcm16-ecp256")
	a.Children[0].Suites = []crypto.Suite{pfs}
	l := newLink(t, a, b)
	l.run(time.Second)
	l.step(l.left, RekeyChild)
	l.run(10 * time.Second)
	l.paired(1)
	if c, _ := last[ChildUp](l.right); c.Suite.Group != crypto.GroupECP256 {
		t.Errorf("rekeyed with %s", c.Suite)
	}
}

func TestBothRekeyTheSameChildAtOnce(t *testing.T) {
	for range 20 { // the nonces decide who wins
		l := up(t)
		l.step(l.left, RekeyChild)
		l.step(l.right, RekeyChild)
		l.run(30 * time.Second)
		l.paired(1)
		if len(l.left.sa.children) != 1 || len(l.right.sa.children) != 1 {
			t.Fatalf("children left: %d and %d", len(l.left.sa.children), len(l.right.sa.children))
		}
	}
}

func TestIKERekey(t *testing.T) {
	for _, who := range []string{"left", "right"} {
		t.Run(who, func(t *testing.T) {
			a, b := offices()
			if who == "left" {
				a.IKELifetime = time.Minute
			} else {
				b.IKELifetime = time.Minute
			}
			l := newLink(t, a, b)
			l.run(time.Second)
			before := l.left.sa.cur.spii
			l.run(59 * time.Second)
			if l.left.sa.cur.spii == before || l.left.sa.cur.spii != l.right.sa.cur.spii {
				t.Errorf("the IKE SPIs did not change together\n%s", l.ladder.String())
			}
			if l.left.sa.old != nil || l.right.sa.old != nil {
				t.Errorf("an old generation is left over")
			}
			l.step(l.right, RekeyChild)
			l.run(10 * time.Second)
			l.paired(1)
			l.step(l.left, Close)
			l.run(time.Second)
			if l.right.sa.State() != StateClosed {
				t.Errorf("right is %s after left closed", l.right.sa.State())
			}
		})
	}
}

func TestLossOfAnyOneDatagramIsRepaired(t *testing.T) {
	for n := 1; n <= 12; n++ {
		t.Run("datagram "+strconv.Itoa(n), func(t *testing.T) {
			a, b := offices()
			l := newLink(t, a, b, func(l *link) { l.lose = func(i int) bool { return i == n } })
			l.run(20 * time.Second)
			l.step(l.left, RekeyChild)
			l.run(20 * time.Second)
			l.step(l.right, RekeyChild)
			l.run(20 * time.Second)
			l.paired(1)
		})
	}
}

func TestDuplicatesChangeNothing(t *testing.T) {
	l := up(t, func(l *link) { l.copies = 3 })
	l.step(l.left, RekeyChild)
	l.run(10 * time.Second)
	l.paired(1)
}

func TestThirdOfAllDatagramsLost(t *testing.T) {
	for range 10 {
		a, b := offices()
		a.Children[0].Lifetime, b.Children[0].Lifetime = 3*time.Minute, 3*time.Minute
		seed := make([]byte, 1000)
		rand.Read(seed)
		l := newLink(t, a, b, func(l *link) { l.lose = func(n int) bool { return seed[n%1000] < 77 } })
		l.run(30 * time.Minute)
		l.lose = nil
		// A rekey may be under way at any one moment; it is over soon.
		for i := 0; i < 20 && len(l.left.plane)+len(l.right.plane) != 4; i++ {
			l.run(7 * time.Second)
		}
		if l.left.sa.Established() && l.right.sa.Established() {
			l.paired(1)
		}
		for _, s := range []*side{l.left, l.right} {
			if s.sa.State() == StateClosed && len(s.plane) != 0 {
				t.Errorf("%s is closed and left SAs", s.name)
			}
		}
	}
}

func TestSilentPeerIsProbedThenGivenUp(t *testing.T) {
	l := up(t)
	l.lose = func(int) bool { return true }
	l.run(29 * time.Second)
	if l.left.sa.State() != StateEstablished {
		t.Fatalf("given up too early")
	}
	l.run(2 * time.Minute)
	c, ok := last[Closed](l.left)
	if !ok || c.Reason.Code != PeerDead || len(l.left.plane) != 0 {
		t.Errorf("closed %+v, %d SAs left", c, len(l.left.plane))
	}
}

func TestTrafficMakesProbesNeedless(t *testing.T) {
	l := up(t)
	l.run(10 * time.Second)
	l.ladder.Reset()
	for range 20 {
		l.step(l.left, Traffic{Last: l.now})
		l.step(l.right, Traffic{Last: l.now})
		l.run(10 * time.Second)
	}
	l.wantLadder("")
}

func TestCloseTellsThePeer(t *testing.T) {
	l := up(t)
	l.ladder.Reset()
	l.step(l.left, Close)
	l.run(time.Second)
	l.wantLadder(`
	left  ---> INFORMATIONAL request 2 {SK}
	      <--- right INFORMATIONAL response 2 {SK}`)
	if c, ok := last[Closed](l.right); !ok || c.Reason.Code != DeletedByPeer {
		t.Errorf("right: %+v", c)
	}
	if c, ok := last[Closed](l.left); !ok || c.Reason.Code != ClosedHere {
		t.Errorf("left: %+v", c)
	}
	if len(l.left.plane)+len(l.right.plane) != 0 {
		t.Errorf("SAs are left")
	}
}

func TestChildIsAskedForAgainAfterARefusal(t *testing.T) {
	a, b := offices()
	good := b.Children[0].RemoteTS
	b.Children[0].RemoteTS = []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix("10.9.0.0/24"))}
	l := newLink(t, a, b)
	l.run(time.Second)
	if !l.left.sa.Established() || len(l.left.plane) != 0 {
		t.Fatalf("want an IKE SA without a child, have %s and %d SAs", l.left.sa.State(), len(l.left.plane))
	}
	l.right.sa.wants[0].RemoteTS = good
	l.run(time.Minute)
	l.paired(1)
}

func TestUnknownCriticalPayloadIsRefusedAndForgiven(t *testing.T) {
	l := up(t)
	g := l.left.sa.cur
	raw := l.left.sa.sealed(g, g.header(wire.Informational, g.sendID, false), []wire.Payload{&wire.Unknown{PType: 200, Critical: true}})[0]
	g.sendID++
	l.step(l.right, Datagram{Local: rightAddr, Remote: leftAddr, Data: raw})
	if !l.right.sa.Established() {
		t.Errorf("an unknown critical payload ended the IKE SA")
	}
	if !strings.Contains(l.ladder.String(), "right INFORMATIONAL response 2 {SK}") {
		t.Errorf("no answer:\n%s", l.ladder.String())
	}
}

func TestForgedMessagesChangeNothing(t *testing.T) {
	l := up(t)
	g := l.left.sa.cur
	raw := l.left.sa.sealed(g, g.header(wire.Informational, g.sendID, false), []wire.Payload{&wire.Delete{Protocol: wire.ProtocolIKE}})[0]
	stranger := netip.MustParseAddrPort("192.0.2.66:4500")
	for i := range raw {
		forged := bytes.Clone(raw)
		forged[i] ^= 0x40
		l.step(l.right, Datagram{Local: rightAddr, Remote: stranger, Data: forged})
	}
	if !l.right.sa.Established() || l.right.sa.remote == stranger {
		t.Errorf("a forged message moved or ended the IKE SA")
	}
	l.paired(1)
}

func TestPeerMayMoveWhenItProvesItself(t *testing.T) {
	l := up(t)
	g := l.left.sa.cur
	raw := l.left.sa.sealed(g, g.header(wire.Informational, g.sendID, false), nil)[0]
	g.sendID++
	moved := netip.MustParseAddrPort("203.0.113.77:61000")
	l.step(l.right, Datagram{Local: l.right.sa.local, Remote: moved, Data: raw})
	if e, ok := last[Moved](l.right); !ok || e.Remote != moved {
		t.Errorf("%+v", e)
	}
}

func TestCookies(t *testing.T) {
	jar := NewCookieJar(rand.Reader)
	a, b := offices()
	l := newLink(t, a, b)
	raw := l.inFlight[0].d.Data
	l.inFlight = nil
	if jar.Check(raw, leftAddr, l.now) {
		t.Fatal("a message without a cookie passes")
	}
	reply, err := jar.Challenge(raw, leftAddr, l.now)
	if err != nil {
		t.Fatal(err)
	}
	l.step(l.left, Datagram{Local: leftAddr, Remote: rightAddr, Data: reply})
	again := l.inFlight[0].d.Data
	if !jar.Check(again, leftAddr, l.now.Add(90*time.Second)) {
		t.Error("the cookie of a minute ago is refused")
	}
	if jar.Check(again, netip.MustParseAddrPort("192.0.2.1:500"), l.now) {
		t.Error("the cookie is good for another address")
	}
	if jar.Check(again, leftAddr, l.now.Add(10*time.Minute)) {
		t.Error("the cookie is good for ever")
	}
	l.run(time.Second)
	l.paired(1)
}

func TestEndlessCookiesAreGivenUp(t *testing.T) {
	a, b := offices()
	l := newLink(t, a, b)
	for range 20 {
		if len(l.inFlight) == 0 {
			break
		}
		raw := l.inFlight[len(l.inFlight)-1].d.Data
		l.inFlight = nil
		jar := NewCookieJar(rand.Reader)
		reply, err := jar.Challenge(raw, leftAddr, l.now)
		if err != nil {
			t.Fatal(err)
		}
		l.step(l.left, Datagram{Local: leftAddr, Remote: rightAddr, Data: reply})
	}
	if l.left.sa.State() != StateClosed || l.sent > maxInitRetries+1 {
		t.Errorf("%s after %d messages", l.left.sa.State(), l.sent)
	}
}

func TestHalfOpenEnds(t *testing.T) {
	a, b := offices()
	l := newLink(t, a, b, func(l *link) { l.lose = func(n int) bool { return n > 1 } })
	l.run(halfOpenLife + time.Second)
	if l.right.sa.State() != StateClosed {
		t.Errorf("a caller who does not go on is still held: %s", l.right.sa.State())
	}
}

func TestResponderMayNotChooseWhatWasNotOffered(t *testing.T) {
	offered := []crypto.Suite{{Encryption: crypto.EncrAESGCM16, KeyBits: 256, PRF: crypto.PRFHMACSHA256, Group: crypto.GroupX25519}}
	good := ikeProposals(offered, nil)
	if _, _, ok := chosenSuite(&wire.SA{Proposals: good}, wire.ProtocolIKE, offered); !ok {
		t.Fatal("the offer itself is refused")
	}
	weaker := ikeProposals(offered, nil)
	weaker[0].Transforms[0].KeyLength = 128
	two := ikeProposals(offered, nil)
	two[0].Transforms = append(two[0].Transforms, two[0].Transforms[0])
	missing := ikeProposals(offered, nil)
	missing[0].Transforms = missing[0].Transforms[:2]
	odd := ikeProposals(offered, nil)
	odd[0].Transforms[0].Unknown = true
	for name, ps := range map[string][]wire.Proposal{
		"a shorter key": weaker, "two of one type": two, "no group": missing, "an unknown attribute": odd,
		"two proposals": append(ikeProposals(offered, nil), good...), "none": nil,
	} {
		if _, _, ok := chosenSuite(&wire.SA{Proposals: ps}, wire.ProtocolIKE, offered); ok {
			t.Errorf("%s is accepted", name)
		}
	}
}
