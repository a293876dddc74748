package ike

import (
	"encoding/binary"
	"fmt"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wire"
)

// IKE_INTERMEDIATE (RFC 9242) with an additional key exchange (RFC 9370): after
// IKE_SA_INIT and before IKE_AUTH, protected by the keys of the first exchange.
// Its secret goes into all keys from then on, so that what is recorded today
// stays closed to whoever breaks only one of both.
//
//	HDR, SK {KEi(1)} ──────▶
//	      ◀────── HDR, SK {KEr(1)}

// intermediate is what AUTH must cover of these exchanges, and what is left to do.
type intermediate struct {
	// want is the method of the exchange that must come next; 0: none.
	want crypto.GroupID
	kem  crypto.KeyExchange
	// byInitiator and byResponder are IntAuth_i and IntAuth_r (RFC 9242 section
	// 3.3.2); nil without an exchange.
	byInitiator, byResponder []byte
}

// intermediateNotify says that we can.
func intermediateNotify() wire.Payload {
	return &wire.Notify{NotifyType: wire.IntermediateExchangeSupported}
}

// hybrid says whether any suite has an additional key exchange.
func hybrid(suites []crypto.Suite) bool {
	for _, s := range suites {
		if s.Additional != crypto.GroupNone {
			return true
		}
	}
	return false
}

// classical are the suites without additional exchanges. A rekey uses them: its
// keys come from SK_d, which has the additional secret in it already.
func classical(suites []crypto.Suite) []crypto.Suite {
	var out []crypto.Suite
	seen := map[crypto.Suite]bool{}
	for _, s := range suites {
		s.Additional = crypto.GroupNone
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// sendIntermediate is the initiator's first half.
func (sa *SA) sendIntermediate() {
	i := &sa.start.intermediate
	var err error
	if i.kem, err = crypto.NewKEM(i.want, sa.env.Rand); err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
		return
	}
	ps := []wire.Payload{&wire.KeyExchange{Group: uint16(i.want), Data: i.kem.Public()}}
	sa.move(StateIntermediate)
	sa.ask(sa.cur, wire.IKEIntermediate, ps, request{})
	if sa.cur.pending != nil {
		sa.cover(&i.byInitiator, sa.cur.keys.Pi, sa.cur.pending.raws[0], ps)
	}
}

// intermediateRequest is the responder's part.
func (sa *SA) intermediateRequest(g *generation, d Datagram, h wire.Header, m *wire.Message) {
	i := &sa.start.intermediate
	ke, ok := wire.Find[*wire.KeyExchange](m.Payloads)
	if !ok || ke.Group != uint16(i.want) {
		sa.answer(g, d, h, notifyOnly(wire.InvalidSyntax, nil))
		sa.fail(Reason{Code: BadMessage, Detail: "IKE_INTERMEDIATE without the key exchange that was agreed on"})
		return
	}
	ciphertext, shared, err := crypto.Encapsulate(i.want, ke.Data)
	if err != nil {
		sa.answer(g, d, h, notifyOnly(wire.InvalidSyntax, nil))
		sa.fail(Reason{Code: BadMessage, Detail: fmt.Sprintf("IKE_INTERMEDIATE: %v", err)})
		return
	}
	sa.covered(&i.byInitiator, g.keys.Pi, d.Data)
	ps := []wire.Payload{&wire.KeyExchange{Group: ke.Group, Data: ciphertext}}
	sa.answer(g, d, h, ps)
	if sa.state == StateClosed {
		return
	}
	sa.cover(&i.byResponder, g.keys.Pr, g.lastResponse[0], ps)
	sa.deepen(g, shared)
}

// intermediateResponse is the initiator's second half.
func (sa *SA) intermediateResponse(g *generation, raw []byte, m *wire.Message) {
	i := &sa.start.intermediate
	if n := wire.FirstError(m.Payloads); n != nil {
		sa.fail(Reason{Code: PeerError, ByPeer: true, Detail: "IKE_INTERMEDIATE, " + n.NotifyType.String()})
		return
	}
	ke, ok := wire.Find[*wire.KeyExchange](m.Payloads)
	if !ok || ke.Group != uint16(i.want) {
		sa.fail(Reason{Code: BadMessage, Detail: "IKE_INTERMEDIATE answered without the key exchange that was agreed on"})
		return
	}
	shared, err := i.kem.Shared(ke.Data)
	if err != nil {
		sa.fail(Reason{Code: BadMessage, Detail: fmt.Sprintf("IKE_INTERMEDIATE: %v", err)})
		return
	}
	sa.covered(&i.byResponder, g.keys.Pr, raw)
	if sa.deepen(g, shared) {
		sa.sendAuth()
	}
}

// deepen puts another secret into the keys (RFC 9370 section 2.2.2).
func (sa *SA) deepen(g *generation, shared []byte) bool {
	i := &sa.start.intermediate
	i.want, i.kem = crypto.GroupNone, nil
	keys, err := crypto.DeriveIKERekey(g.suite.PRF, g.keys.D, g.suite, shared, sa.start.ni, sa.start.nr, g.spii, g.spir)
	if err == nil {
		err = g.setKeys(g.suite, keys)
	}
	if err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
	}
	return err == nil
}

// cover adds a message of ours to what AUTH covers, with the key that held when
// it was sent.
func (sa *SA) cover(into *[]byte, key, raw []byte, ps []wire.Payload) {
	first, plain, err := wire.MarshalPayloads(ps)
	if err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
		return
	}
	*into = sa.cur.suite.PRF.Sum(key, *into, wire.IntermediateOctets(raw, first, plain))
}

// covered adds a message of the peer.
func (sa *SA) covered(into *[]byte, key, raw []byte) {
	*into = sa.cur.suite.PRF.Sum(key, *into, wire.IntermediateOctets(raw, sa.inside.first, sa.inside.plain))
}

// intAuth is the end of the signed octets: both sides' messages and the ID of
// the first IKE_AUTH message (RFC 9242 section 3.3.2); empty without an exchange.
func (sa *SA) intAuth() []byte {
	i := sa.start.intermediate
	if i.byInitiator == nil {
		return nil
	}
	return binary.BigEndian.AppendUint32(append(append([]byte(nil), i.byInitiator...), i.byResponder...), sa.start.authID)
}

// sealedFirst reads the type of the first payload inside of a message whose last
// payload is SK: it stands in that payload's own header.
func sealedFirst(raw []byte) wire.PayloadType {
	m, err := wire.Parse(raw)
	if err != nil {
		return wire.NoNext
	}
	if sk, ok := wire.Find[*wire.Encrypted](m.Payloads); ok {
		return sk.First
	}
	return wire.NoNext
}
