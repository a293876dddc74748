package ike

import (
	"bytes"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wire"
)

// Post-quantum preshared keys (RFC 8784): a key that both sides have from
// elsewhere goes into SK_d, SK_pi and SK_pr, so that whoever breaks every key
// exchange still lacks it. Both say in IKE_SA_INIT that they have one, the
// initiator names it in IKE_AUTH, and the responder says that it took it.

// ppkFixed is the type of an identity that both sides were given (RFC 8784
// section 5.1).
const ppkFixed = 2

// PPK is a post-quantum preshared key.
type PPK struct {
	// ID names it; Key is at least 32 bytes.
	ID  string
	Key []byte
	// Optional lets peers connect that have none, or another.
	Optional bool
}

func usePPK() wire.Payload { return &wire.Notify{NotifyType: wire.UsePPK} }

// takePPK mixes the key in and remembers the keys without it.
func (sa *SA) takePPK(g *generation) {
	sa.start.without = g.keys
	g.keys = crypto.MixPPK(g.suite.PRF, sa.peer.PPK.Key, g.keys)
	sa.start.mixed = true
}

// leavePPK goes back to the keys without it.
func (sa *SA) leavePPK(g *generation) {
	g.keys, sa.start.mixed = sa.start.without, false
}

// missesPPK is why a peer without the key is refused; nil if it need not have it.
func (sa *SA) missesPPK() *Reason {
	if p := sa.peer.PPK; p != nil && !p.Optional {
		return &Reason{Code: PPKMissing, Sent: []string{p.ID}}
	}
	return nil
}

// identifyPPK is the initiator's part of IKE_AUTH: which key it uses, and its
// AUTH without it where the peer may do without (RFC 8784 section 3).
func (sa *SA) identifyPPK(id *wire.ID) ([]wire.Payload, *Reason) {
	if !sa.start.mixed {
		return nil, nil
	}
	ps := []wire.Payload{&wire.Notify{NotifyType: wire.PPKIdentity, Data: append([]byte{ppkFixed}, sa.peer.PPK.ID...)}}
	if !sa.peer.PPK.Optional {
		return ps, nil
	}
	sa.leavePPK(sa.cur)
	_, proof, why := sa.prove(sa.signedByInitiator(id))
	sa.takePPK(sa.cur)
	if why != nil {
		return nil, why
	}
	return append(ps, &wire.Notify{NotifyType: wire.NoPPKAuth, Data: proof.Data}), nil
}

// settlePPK is the responder's part: it takes the key if the caller has the same,
// and otherwise the AUTH that was made without one, if that may be.
func (sa *SA) settlePPK(g *generation, m *wire.Message, proof **wire.Auth) *Reason {
	named := wire.FindNotify(m.Payloads, wire.PPKIdentity)
	ours := sa.peer.PPK
	switch {
	case named == nil:
		return sa.missesPPK()
	case ours != nil && bytes.Equal(named.Data, append([]byte{ppkFixed}, ours.ID...)):
		sa.takePPK(g)
		return nil
	}
	without := wire.FindNotify(m.Payloads, wire.NoPPKAuth)
	if without == nil || *proof == nil || ours != nil && !ours.Optional {
		why := &Reason{Code: PPKMissing, Sent: []string{"none"}, Got: []string{printable(named.Data)}}
		if ours != nil {
			why.Sent = []string{ours.ID}
		}
		return why
	}
	*proof = &wire.Auth{Method: (*proof).Method, Data: without.Data}
	return nil
}

// confirmPPK is how the responder says that it took the key.
func (sa *SA) confirmPPK() []wire.Payload {
	if !sa.start.mixed {
		return nil
	}
	return []wire.Payload{&wire.Notify{NotifyType: wire.PPKIdentity}}
}

// agreedPPK is what the initiator learns from the answer.
func (sa *SA) agreedPPK(g *generation, m *wire.Message) *Reason {
	taken := wire.FindNotify(m.Payloads, wire.PPKIdentity) != nil
	if taken || !sa.start.mixed {
		return nil
	}
	if why := sa.missesPPK(); why != nil {
		return why
	}
	sa.leavePPK(g)
	return nil
}

// printable is an identity of a PPK for people.
func printable(data []byte) string {
	if len(data) < 2 {
		return "a key without a name"
	}
	for _, b := range data[1:] {
		if b <= ' ' || b > '~' {
			return "a key with an unreadable name"
		}
	}
	return string(data[1:])
}
