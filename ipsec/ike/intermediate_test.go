package ike

import (
	"bytes"
	"testing"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wire"
)

// hybridOffices are two Gatehouses with what they offer by default.
func hybridOffices() (Peer, Peer) {
	a, b := offices()
	a.IKE, _ = crypto.ForGatehouse.Suites()
	b.IKE, _ = crypto.ForGatehouse.Suites()
	return a, b
}

func TestTwoGatehousesAddMLKEM(t *testing.T) {
	a, b := hybridOffices()
	l := newLink(t, a, b)
	l.run(time.Second)
	l.wantLadder(`
	left  ---> IKE_SA_INIT request 0 {SA, KE, Nonce}
	      <--- right IKE_SA_INIT response 0 {SA, KE, Nonce}
	left  ---> IKE_INTERMEDIATE request 1 {SKF 1 of 2}
	left  ---> IKE_INTERMEDIATE request 1 {SKF 2 of 2}
	      <--- right IKE_INTERMEDIATE response 1 {SK}
	left  ---> IKE_AUTH request 2 {SK}
	      <--- right IKE_AUTH response 2 {SK}`)
	l.paired(1)
	for _, s := range []*side{l.left, l.right} {
		if e, ok := last[Established](s); !ok || e.Suite.Additional != crypto.KEMML768 {
			t.Errorf("%s: %+v", s.name, e)
		}
	}
	// A rekey takes its keys from SK_d and needs no exchange of its own.
	l.left.sa.want(task{kind: taskRekeyIKE})
	l.step(l.left, RekeyChild)
	l.run(10 * time.Second)
	l.paired(1)
	if !l.left.sa.Established() || !l.right.sa.Established() {
		t.Error("a rekey ended it")
	}
}

// The keys after the exchange are not those that the first one gave.
func TestMLKEMChangesTheKeys(t *testing.T) {
	a, b := hybridOffices()
	l := newLink(t, a, b)
	l.run(2*delay + delay/2)
	first := bytes.Clone(l.left.sa.cur.keys.D)
	l.run(time.Second)
	if now := l.left.sa.cur.keys.D; len(first) == 0 || bytes.Equal(first, now) || !bytes.Equal(now, l.right.sa.cur.keys.D) {
		t.Errorf("SK_d was %x and is %x, the other side's is %x", first, now, l.right.sa.cur.keys.D)
	}
}

// Every message of it may be lost.
func TestLostMessagesOfMLKEMAreSentAgain(t *testing.T) {
	for n := 1; n <= 7; n++ {
		a, b := hybridOffices()
		l := newLink(t, a, b, func(l *link) { l.lose = func(i int) bool { return i == n } })
		l.run(4 * time.Second)
		if !l.left.sa.Established() || !l.right.sa.Established() {
			t.Errorf("message %d lost: %s, %s\n%s", n, l.left.sa.State(), l.right.sa.State(), l.ladder.String())
		}
	}
}

// AUTH covers what went before it (RFC 9242 section 3.3): with the same keys on
// both sides, one octet that differs in what they saw is found.
func TestAUTHCoversTheIntermediateExchange(t *testing.T) {
	a, b := hybridOffices()
	l := newLink(t, a, b)
	l.run(3*delay + delay/2)
	i := &l.right.sa.start.intermediate
	if len(i.byInitiator) == 0 || len(i.byResponder) == 0 {
		t.Fatalf("nothing is covered\n%s", l.ladder.String())
	}
	i.byInitiator[0] ^= 1
	l.run(5 * time.Second)
	if r, _ := failure(l.right); r.Code != WrongKey {
		t.Errorf("right: %+v", r)
	}
	if l.left.sa.Established() {
		t.Error("left is established")
	}
}

// A side that knows nothing of it gets what it knows; a strict one refuses.
func TestPeersWithoutMLKEM(t *testing.T) {
	a, b := hybridOffices()
	b.IKE = crypto.DefaultIKESuites()
	l := newLink(t, a, b)
	l.run(time.Second)
	l.paired(1)
	a, b = hybridOffices()
	a.IKE = crypto.DefaultIKESuites()
	l = newLink(t, a, b)
	l.run(time.Second)
	l.paired(1)
	a, _ = hybridOffices()
	b.IKE, _ = crypto.Strict.Suites()
	l = newLink(t, a, b)
	l.run(5 * time.Second)
	if r, _ := failure(l.left); r.Code != NoProposal {
		t.Errorf("a strict responder: %+v", r)
	}
}

// IKE_AUTH must not come before what was agreed on, nor anything else in its
// place.
func TestTheIntermediateExchangeCannotBeLeftOut(t *testing.T) {
	for name, send := range map[string]func(sa *SA){
		"IKE_AUTH at once": func(sa *SA) { sa.sendAuth() },
		"another method": func(sa *SA) {
			sa.ask(sa.cur, wire.IKEIntermediate, []wire.Payload{&wire.KeyExchange{Group: 37, Data: make([]byte, 1568)}}, request{})
		},
		"a key that is none": func(sa *SA) {
			sa.ask(sa.cur, wire.IKEIntermediate, []wire.Payload{&wire.KeyExchange{Group: 36, Data: make([]byte, 12)}}, request{})
		},
		"nothing": func(sa *SA) { sa.ask(sa.cur, wire.IKEIntermediate, nil, request{}) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := hybridOffices()
			l := newLink(t, a, b)
			l.run(2*delay + delay/2)
			sa := l.left.sa
			l.inFlight, sa.cur.pending, sa.cur.sendID = nil, nil, 1
			send(sa)
			l.carryOut(l.left, sa.flush())
			l.run(5 * time.Second)
			if c, ok := last[Closed](l.right); !ok || c.Reason.Code != BadMessage {
				t.Errorf("right: %+v", c)
			}
			if l.left.sa.Established() {
				t.Error("left is established")
			}
		})
	}
}
