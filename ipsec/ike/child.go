package ike

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// child is one pair of ESP SAs.
type child struct {
	in, out   sad.SPI
	suite     crypto.Suite
	inSA      sad.SA
	outSA     sad.SA
	installed bool // inbound
	active    bool // outbound too
	// lowestNonce of the exchange that made it decides collisions (section
	// 2.8.1).
	lowestNonce []byte
	// replaces is the child that this one took over from.
	replaces *child
	// rival was made by the peer while our own rekey of this child was under
	// way.
	rival *child

	rekeyAt, expireAt time.Time
	busy              bool // a task about it waits or runs
	// leaving says that it is being deleted; its inbound half may live on
	// until removeAt.
	leaving  bool
	removeAt time.Time
}

// childKeying is what the making of a child's keys and selectors needs.
type childKeying struct {
	initiator bool // of the exchange that makes the child
	prf       crypto.PRFID
	d         []byte
	ni, nr    []byte
	// For a responder with a KE payload of its own, and an initiator that
	// sent one.
	withGroups bool
	kx         crypto.KeyExchange
	group      crypto.GroupID
	// For an initiator: what it offered.
	suites        []crypto.Suite
	spi           sad.SPI
	local, remote []sad.Selector
}

func (sa *SA) allocateSPI() (sad.SPI, bool) {
	spi, err := sa.env.AllocateSPI()
	if err != nil {
		sa.fail(Reason{Code: InternalError, Detail: "no SPI: " + err.Error()})
		return 0, false
	}
	return spi, true
}

// acceptChild is the responder's part of making a child SA, in IKE_AUTH or
// CREATE_CHILD_SA. It gives the child, not installed yet, and the payloads of
// the answer; or no child, a notify as the answer, and the reason.
func (sa *SA) acceptChild(ps []wire.Payload, k childKeying) (*child, []wire.Payload, Reason) {
	offer, ok1 := wire.Find[*wire.SA](ps)
	tsi, tsr, ok2 := selectorsIn(ps)
	if !ok1 || !ok2 {
		return nil, notifyOnly(wire.InvalidSyntax, nil), Reason{Code: BadMessage, Detail: "a child SA without SA, TSi or TSr"}
	}
	ke, hasKE := wire.Find[*wire.KeyExchange](ps)
	var sent crypto.GroupID
	if hasKE && k.withGroups {
		sent = crypto.GroupID(ke.Group)
	}
	suite, proposal, ok := chooseESP(sa.peer.ESP, offer, sent, k.withGroups)
	if !ok {
		return nil, notifyOnly(wire.NoProposalChosen, nil),
			Reason{Code: NoProposal, Sent: suiteNames(sa.peer.ESP), Got: describeSA(offer)}
	}
	if suite.Group != sent {
		group := binary.BigEndian.AppendUint16(nil, uint16(suite.Group))
		return nil, notifyOnly(wire.InvalidKEPayload, group),
			Reason{Code: NoProposal, Sent: []string{suite.String()}, Got: describeSA(offer), Detail: "another group is needed"}
	}
	local, remote := narrow(tsr, sa.peer.LocalTS), narrow(tsi, sa.peer.RemoteTS)
	if !sharedFamilies(local, remote) {
		return nil, notifyOnly(wire.TSUnacceptable, nil), Reason{Code: SelectorsRefused,
			Sent: append(selectorNames(sa.peer.LocalTS), selectorNames(sa.peer.RemoteTS)...),
			Got:  append(selectorNames(tsr), selectorNames(tsi)...)}
	}
	var answer []wire.Payload
	var shared []byte
	if suite.Group != crypto.GroupNone {
		kx, err := crypto.NewKeyExchange(suite.Group, sa.env.Rand)
		if err == nil {
			shared, err = kx.Shared(ke.Data)
		}
		if err != nil {
			return nil, notifyOnly(wire.InvalidSyntax, nil), Reason{Code: BadMessage, Detail: err.Error()}
		}
		answer = append(answer, &wire.KeyExchange{Group: uint16(suite.Group), Data: kx.Public()})
	}
	spi, ok := sa.allocateSPI()
	if !ok {
		return nil, notifyOnly(wire.TemporaryFailure, nil), sa.closeReason
	}
	k.spi = spi
	c, err := sa.makeChild(k, suite, spiOf(proposal), shared, local, remote)
	if err != nil {
		return nil, notifyOnly(wire.TemporaryFailure, nil), Reason{Code: InternalError, Detail: err.Error()}
	}
	ourSPI := binary.BigEndian.AppendUint32(nil, uint32(spi))
	head := []wire.Payload{&wire.SA{Proposals: []wire.Proposal{answerProposal(proposal, suite, ourSPI)}}}
	answer = append(head, answer...)
	// TSi and TSr keep the initiator's point of view.
	return c, append(answer, tsPayload(remote, false), tsPayload(local, true)), Reason{}
}

func spiOf(p wire.Proposal) sad.SPI { return sad.SPI(binary.BigEndian.Uint32(p.SPI)) }

// selectorsIn finds both TS payloads.
func selectorsIn(ps []wire.Payload) (tsi, tsr []sad.Selector, ok bool) {
	var haveI, haveR bool
	for _, p := range ps {
		if t, is := p.(*wire.TS); is {
			if t.Responder {
				tsr, haveR = selectorsOf(t), true
			} else {
				tsi, haveI = selectorsOf(t), true
			}
		}
	}
	return tsi, tsr, haveI && haveR
}

// childAnswered is the initiator's part: it checks the answer, makes the child
// and uses it at once. replaces is nil for a new one.
func (sa *SA) childAnswered(ps []wire.Payload, k childKeying, replaces *child) *child {
	c, why := sa.readChildAnswer(ps, k)
	if c == nil {
		sa.problem(why)
		if replaces == nil {
			sa.childAt = sa.now.Add(childRetry)
		}
		return nil
	}
	c.replaces = replaces
	sa.install(c)
	return c
}

func (sa *SA) readChildAnswer(ps []wire.Payload, k childKeying) (*child, Reason) {
	if n := wire.FirstError(ps); n != nil {
		r := authRefusal(n, k.suites)
		r.Detail = n.NotifyType.String()
		if r.Code == SelectorsRefused {
			r.Sent = append(selectorNames(k.local), selectorNames(k.remote)...)
		}
		return nil, r
	}
	answer, ok1 := wire.Find[*wire.SA](ps)
	tsi, tsr, ok2 := selectorsIn(ps)
	if !ok1 || !ok2 {
		return nil, Reason{Code: BadMessage, Detail: "a child SA answered without SA, TSi or TSr"}
	}
	offered := k.suites
	if !k.withGroups {
		offered = withoutGroups(offered)
	}
	suite, proposal, ok := chosenSuite(answer, wire.ProtocolESP, offered)
	if !ok || len(proposal.SPI) != 4 || spiOf(proposal) < 256 {
		return nil, Reason{Code: BadMessage, Sent: suiteNames(offered), Got: describeSA(answer), Detail: "the peer chose what was not offered"}
	}
	if !within(tsi, k.local) || !within(tsr, k.remote) || !sharedFamilies(tsi, tsr) {
		return nil, Reason{Code: SelectorsRefused, Sent: append(selectorNames(k.local), selectorNames(k.remote)...),
			Got: append(selectorNames(tsi), selectorNames(tsr)...), Detail: "the peer answered with other networks"}
	}
	var shared []byte
	if suite.Group != crypto.GroupNone {
		ke, ok := wire.Find[*wire.KeyExchange](ps)
		if !ok || suite.Group != k.group || ke.Group != uint16(k.group) {
			return nil, Reason{Code: BadMessage, Detail: "the peer answered with another key exchange group"}
		}
		var err error
		if shared, err = k.kx.Shared(ke.Data); err != nil {
			return nil, Reason{Code: BadMessage, Detail: err.Error()}
		}
	}
	c, err := sa.makeChild(k, suite, spiOf(proposal), shared, tsi, tsr)
	if err != nil {
		return nil, Reason{Code: InternalError, Detail: err.Error()}
	}
	return c, Reason{}
}

func withoutGroups(in []crypto.Suite) []crypto.Suite {
	out := make([]crypto.Suite, len(in))
	for i, s := range in {
		s.Group = crypto.GroupNone
		out[i] = s
	}
	return out
}

// makeChild derives keys and describes both SAs.
func (sa *SA) makeChild(k childKeying, suite crypto.Suite, peerSPI sad.SPI, shared []byte, local, remote []sad.Selector) (*child, error) {
	keys, err := crypto.DeriveChild(k.prf, k.d, suite, shared, k.ni, k.nr)
	if err != nil {
		return nil, err
	}
	outE, outA, inE, inA := keys.Ei, keys.Ai, keys.Er, keys.Ar
	if !k.initiator {
		outE, outA, inE, inA = inE, inA, outE, outA
	}
	base := sad.SA{
		Protocol: sad.ESP, Mode: sad.Tunnel, Local: sa.local.Addr(), Remote: sa.remote.Addr(),
		Suite: suite, Policy: sa.peer.Policy, LocalTS: local, RemoteTS: remote,
		Lifetime: sad.Lifetime{Hard: sad.Bound{Time: sa.peer.ChildLifetime + expireMargin}},
	}
	if sa.nat {
		base.Encap = &sad.Encap{LocalPort: sa.local.Port(), RemotePort: sa.remote.Port()}
	}
	c := &child{in: k.spi, out: peerSPI, suite: suite, inSA: base, outSA: base}
	c.inSA.SPI, c.inSA.Direction, c.inSA.ReplayWindow = k.spi, sad.In, sa.peer.ReplayWindow
	c.inSA.EncryptionKey, c.inSA.IntegrityKey = inE, inA
	c.outSA.SPI, c.outSA.Direction = peerSPI, sad.Out
	c.outSA.EncryptionKey, c.outSA.IntegrityKey = outE, outA
	c.lowestNonce = k.ni
	if bytes.Compare(k.nr, k.ni) < 0 {
		c.lowestNonce = k.nr
	}
	c.rekeyAt = sa.now.Add(sooner(sa.peer.ChildLifetime))
	c.expireAt = sa.now.Add(sa.peer.ChildLifetime)
	return c, nil
}

// expireMargin is how long the data plane may keep a child SA that nobody removes at
// its end: it outlives this process where the kernel carries it.
const expireMargin = time.Minute

// sooner is about nine tenths of a lifetime, so that a replacement is ready
// in time, and jittered so that both sides seldom begin at once.
func sooner(life time.Duration) time.Duration {
	tenth := life / 10
	return life - tenth - rand.N(tenth/2+1)
}

// install puts the inbound half in place.
func (sa *SA) install(c *child) {
	sa.children = append(sa.children, c)
	c.installed = true
	sa.emit(Install{SA: c.inSA})
}

// activate puts the outbound half in place: from now on traffic leaves by c.
func (sa *SA) activate(c *child) {
	if c.active || c.leaving || !c.installed {
		return
	}
	c.active = true
	sa.emit(Install{SA: c.outSA})
	up := ChildUp{Peer: sa.peer.Name, In: c.in, Out: c.out, Suite: c.suite, LocalTS: c.inSA.LocalTS, RemoteTS: c.inSA.RemoteTS}
	if c.replaces != nil {
		up.Replaces = c.replaces.in
	}
	sa.emit(up)
	sa.childAt = time.Time{}
}

// removals take both halves out of the data plane.
func (c *child) removals() []Effect {
	var out []Effect
	if c.active {
		out = append(out, Remove{SPI: c.out, Direction: sad.Out})
	}
	if c.installed {
		out = append(out, Remove{SPI: c.in, Direction: sad.In})
	}
	return out
}

// retire stops sending by a child and lets its inbound half live on for what
// is still on its way.
func (sa *SA) retire(c *child) {
	if c.active {
		c.active = false
		sa.emit(Remove{SPI: c.out, Direction: sad.Out})
	}
	c.leaving = true
	if c.removeAt.IsZero() {
		c.removeAt = sa.now.Add(oldInbound)
	}
}

// drop forgets a child for good.
func (sa *SA) drop(c *child) {
	for i, held := range sa.children {
		if held != c {
			continue
		}
		sa.children = append(sa.children[:i:i], sa.children[i+1:]...)
		sa.out = append(sa.out, c.removals()...)
		sa.emit(ChildDown{Peer: sa.peer.Name, In: c.in})
		break
	}
	// A replacement must not keep the whole chain of its ancestors in memory.
	for _, held := range sa.children {
		if held.replaces == c {
			sa.activate(held) // if the peer never used or deleted anything
			held.replaces = nil
		}
		if held.rival == c {
			held.rival = nil
		}
	}
}

// childByOut finds a child by the SPI that the peer uses for its own inbound,
// which is our outbound one.
func (sa *SA) childByOut(spi sad.SPI) *child {
	for _, c := range sa.children {
		if c.out == spi {
			return c
		}
	}
	return nil
}
