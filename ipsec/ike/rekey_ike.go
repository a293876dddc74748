package ike

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wire"
)

// CREATE_CHILD_SA for the IKE SA itself (RFC 7296 sections 1.3.2, 2.8.2, 2.18). The
// children move to the new generation; the initiator deletes the old one.
//
// If both sides rekey at once, each answers the other, and two generations are made.
// The one with the lowest of the four nonces is redundant, and who asked for it
// deletes it. A side that has its answer before it sees the other's request knows of
// no collision: it says TEMPORARY_FAILURE, and the other takes what was made.

func (sa *SA) askRekeyIKE(t task) {
	spi, err := newSPI(sa.env.Rand)
	if err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
		return
	}
	group := sa.cur.suite.Group
	kx, err := crypto.NewKeyExchange(group, sa.env.Rand)
	if err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
		return
	}
	r := request{task: t, ni: sa.random(crypto.NonceSize), kx: kx, group: group, ikeSPI: spi}
	// The suite in use is offered, and only that: both sides agreed on it, so
	// that a rekey cannot fail where the start did not.
	suites := classical([]crypto.Suite{sa.cur.suite})
	sa.ask(sa.cur, wire.CreateChildSA, []wire.Payload{
		&wire.SA{Proposals: ikeProposals(suites, binary.BigEndian.AppendUint64(nil, spi))},
		&wire.Nonce{Data: r.ni},
		&wire.KeyExchange{Group: uint16(group), Data: kx.Public()},
	}, r)
}

func (sa *SA) rekeyIKEResponse(g *generation, r *request, m *wire.Message) {
	if n := wire.FirstError(m.Payloads); n != nil {
		if sa.takeSpare() {
			return // the peer's own rekey is what counts
		}
		// Refused for now; the IKE SA goes on.
		sa.rekeyAt = sa.now.Add(busyRetry + rand.N(5*busyRetry))
		if n.NotifyType != wire.TemporaryFailure {
			sa.rekeyAt = sa.now.Add(10 * childRetry)
			sa.problem(Reason{Code: PeerError, ByPeer: true, Detail: "rekey of the IKE SA, " + n.NotifyType.String()})
		}
		return
	}
	answer, ok1 := wire.Find[*wire.SA](m.Payloads)
	ke, ok2 := wire.Find[*wire.KeyExchange](m.Payloads)
	nonce, ok3 := wire.Find[*wire.Nonce](m.Payloads)
	if !ok1 || !ok2 || !ok3 {
		sa.close(Reason{Code: BadMessage, Detail: "rekey of the IKE SA answered without SA, KE or Nonce"})
		return
	}
	suite, p, ok := chosenSuite(answer, wire.ProtocolIKE, classical([]crypto.Suite{g.suite}))
	if !ok || len(p.SPI) != 8 || ke.Group != uint16(r.group) {
		sa.close(Reason{Code: BadMessage, Got: describeSA(answer), Detail: "the peer chose what was not offered"})
		return
	}
	shared, err := r.kx.Shared(ke.Data)
	if err != nil {
		sa.close(Reason{Code: BadMessage, Detail: err.Error()})
		return
	}
	next := &generation{spii: r.ikeSPI, spir: binary.BigEndian.Uint64(p.SPI), initiator: true}
	if !sa.deriveNext(g, next, suite, shared, r.ni, nonce.Data) {
		return
	}
	if sa.spare != nil && bytes.Compare(next.lowestNonce, sa.spare.lowestNonce) < 0 {
		// Ours is redundant. The peer deletes the old one.
		winner := sa.spare
		sa.succeed(winner)
		sa.spare = next
		sa.ask(next, wire.Informational, []wire.Payload{&wire.Delete{Protocol: wire.ProtocolIKE}}, request{task: task{kind: taskDeleteIKE}})
		return
	}
	sa.succeed(next) // a spare is for the peer to delete
	sa.ask(sa.old, wire.Informational, []wire.Payload{&wire.Delete{Protocol: wire.ProtocolIKE}}, request{task: task{kind: taskDeleteIKE}})
}

func (sa *SA) acceptRekeyIKE(g *generation, m *wire.Message, offer *wire.SA, nonce *wire.Nonce) []wire.Payload {
	// While anything of ours is half done, the peer must wait (section
	// 2.25.2), except for the very same.
	both := g.pending != nil && g.pending.task.kind == taskRekeyIKE
	if g.pending != nil && !both && g.pending.task.kind != taskProbe || sa.old != nil || sa.spare != nil {
		return notifyOnly(wire.TemporaryFailure, nil)
	}
	ke, ok := wire.Find[*wire.KeyExchange](m.Payloads)
	if !ok {
		return notifyOnly(wire.InvalidSyntax, nil)
	}
	suite, p, ok := chooseIKE(classical(sa.peer.IKE), offer, crypto.GroupID(ke.Group))
	if !ok || len(p.SPI) != 8 || binary.BigEndian.Uint64(p.SPI) == 0 {
		sa.problem(Reason{Code: NoProposal, Sent: suiteNames(sa.peer.IKE), Got: describeSA(offer), Detail: "rekey of the IKE SA"})
		return notifyOnly(wire.NoProposalChosen, nil)
	}
	if suite.Group != crypto.GroupID(ke.Group) {
		return notifyOnly(wire.InvalidKEPayload, binary.BigEndian.AppendUint16(nil, uint16(suite.Group)))
	}
	spi, err := newSPI(sa.env.Rand)
	if err != nil {
		return notifyOnly(wire.TemporaryFailure, nil)
	}
	kx, err := crypto.NewKeyExchange(suite.Group, sa.env.Rand)
	if err != nil {
		return notifyOnly(wire.TemporaryFailure, nil)
	}
	shared, err := kx.Shared(ke.Data)
	if err != nil {
		return notifyOnly(wire.InvalidSyntax, nil)
	}
	nr := sa.random(crypto.NonceSize)
	next := &generation{spii: binary.BigEndian.Uint64(p.SPI), spir: spi}
	if sa.state == StateClosed || !sa.deriveNext(g, next, suite, shared, bytes.Clone(nonce.Data), nr) {
		return notifyOnly(wire.TemporaryFailure, nil)
	}
	if both {
		sa.spare, sa.oldExpireAt = next, sa.now.Add(oldGenerationLife)
	} else {
		sa.succeed(next)
	}
	return []wire.Payload{
		&wire.SA{Proposals: []wire.Proposal{answerProposal(p, suite, binary.BigEndian.AppendUint64(nil, spi))}},
		&wire.Nonce{Data: nr},
		&wire.KeyExchange{Group: uint16(suite.Group), Data: kx.Public()},
	}
}

func (sa *SA) deriveNext(old, next *generation, suite crypto.Suite, shared, ni, nr []byte) bool {
	keys, err := crypto.DeriveIKERekey(old.suite.PRF, old.keys.D, suite, shared, ni, nr, next.spii, next.spir)
	if err == nil {
		err = next.setKeys(suite, keys)
	}
	if err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
	}
	next.lowestNonce = lowest(ni, nr)
	return err == nil
}

// takeSpare makes what the peer's rekey made the generation for everything new.
func (sa *SA) takeSpare() bool {
	if sa.spare == nil {
		return false
	}
	next := sa.spare
	sa.spare = nil
	sa.succeed(next)
	return true
}

// forgetOld ends generations that the peer never deleted.
func (sa *SA) forgetOld() {
	if both := sa.cur.pending != nil && sa.cur.pending.task.kind == taskRekeyIKE; both && sa.takeSpare() {
		return // our own rekey was not answered in all that time
	}
	sa.old, sa.spare = nil, nil
}

// succeed makes next the generation for everything new.
func (sa *SA) succeed(next *generation) {
	sa.old, sa.cur = sa.cur, next
	sa.oldExpireAt = sa.now.Add(oldGenerationLife)
	sa.rekeyAt = sa.now.Add(sooner(sa.peer.IKELifetime))
}

// generationDeleted is the peer's answer to our Delete of a generation.
func (sa *SA) generationDeleted(g *generation) {
	switch g {
	case sa.old:
		sa.old = nil
	case sa.spare:
		sa.spare = nil
	default:
		sa.fail(sa.closeReason)
	}
}
