package ike

import (
	"slices"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// How a child SA comes to be, in IKE_AUTH or CREATE_CHILD_SA (RFC 7296 sections
// 1.2, 1.3.1), for both roles.

// childKeying is what the making of a child's keys and selectors needs.
type childKeying struct {
	initiator bool // of the exchange that makes the child
	prf       crypto.PRFID
	d         []byte
	ni, nr    []byte
	// withGroups says that the exchange can carry a key exchange of its own:
	// IKE_AUTH cannot.
	withGroups bool
	// want is which of ours it is. A responder has it for a rekey only, and looks
	// for one otherwise.
	want *wanted
	// For an initiator: what it sent.
	kx            crypto.KeyExchange
	group         crypto.GroupID
	spi           sad.SPI
	local, remote []sad.Selector
}

// made is what two sides agreed on.
type made struct {
	choice
	mode          sad.Mode
	shared        []byte
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

// acceptChild is the responder's part of making a child SA. It gives the child,
// not installed yet, and the payloads of the answer; or no child, a notify as the
// answer, and the reason.
func (sa *SA) acceptChild(ps []wire.Payload, k childKeying) (*child, []wire.Payload, Reason) {
	offer, ok1 := wire.Find[*wire.SA](ps)
	tsi, tsr, ok2 := selectorsIn(ps)
	if !ok1 || !ok2 {
		return nil, notifyOnly(wire.InvalidSyntax, nil), Reason{Code: BadMessage, Detail: "a child SA without SA, TSi or TSr"}
	}
	ke, hasKE := wire.Find[*wire.KeyExchange](ps)
	r := asked{
		offer: offer, tsi: tsi, tsr: tsr, withGroups: k.withGroups,
		transport: wire.FindNotify(ps, wire.UseTransportMode) != nil,
	}
	if hasKE && k.withGroups {
		r.group = crypto.GroupID(ke.Group)
	}
	m, answer, why := sa.meet(&k, r)
	if answer != nil {
		return nil, answer, why
	}
	var exchange []wire.Payload
	if m.suite.Group != crypto.GroupNone {
		kx, err := crypto.NewKeyExchange(m.suite.Group, sa.env.Rand)
		if err == nil {
			m.shared, err = kx.Shared(ke.Data)
		}
		if err != nil {
			return nil, notifyOnly(wire.InvalidSyntax, nil), Reason{Code: BadMessage, Detail: err.Error()}
		}
		exchange = append(exchange, &wire.KeyExchange{Group: uint16(m.suite.Group), Data: kx.Public()})
	}
	var ok bool
	if k.spi, ok = sa.allocateSPI(); !ok {
		return nil, notifyOnly(wire.TemporaryFailure, nil), sa.closeReason
	}
	c, err := sa.makeChild(k, m)
	if err != nil {
		return nil, notifyOnly(wire.TemporaryFailure, nil), Reason{Code: InternalError, Detail: err.Error()}
	}
	answer = append([]wire.Payload{&wire.SA{Proposals: []wire.Proposal{m.answer(k.spi)}}}, exchange...)
	local, remote := m.local, m.remote
	if m.mode == sad.Transport {
		// The caller is told the addresses that it asked for (section 2.23.1).
		local, remote = onHost(local, tsr[0].First), onHost(remote, tsi[0].First)
	}
	// TSi and TSr keep the initiator's point of view.
	answer = append(answer, tsPayload(remote, false), tsPayload(local, true))
	if m.mode == sad.Transport {
		answer = append(answer, &wire.Notify{NotifyType: wire.UseTransportMode})
	}
	return c, answer, Reason{}
}

// childAnswered is the initiator's part: it checks the answer, makes the child
// and uses it at once. replaces is nil for a new one.
func (sa *SA) childAnswered(ps []wire.Payload, k childKeying, replaces *child) *child {
	m, why := sa.readChildAnswer(ps, k)
	if why.Code == "" {
		var c *child
		if c, why = sa.usable(k, m); why.Code == "" {
			c.replaces = replaces
			sa.install(c)
			return c
		}
		if c != nil {
			// The peer has it, and must hear that it is not wanted.
			sa.install(c)
			sa.deleteChild(c)
		}
	}
	if replaces != nil && replaces.untested && why.Code == NoProposal {
		why = sa.pfsDiffers(k.want, nil, true)
		k.want.once = true
	}
	sa.problem(why)
	if replaces == nil {
		k.want.at = sa.now.Add(childRetry)
	}
	return nil
}

// usable makes the child, and says why what the peer made may not be used.
func (sa *SA) usable(k childKeying, m made) (*child, Reason) {
	c, err := sa.makeChild(k, m)
	switch {
	case err != nil:
		return nil, Reason{Code: InternalError, Detail: err.Error()}
	case m.mode != k.want.Mode:
		// The peer took it for a tunnel (section 1.3.1).
		return c, Reason{Code: ModeRefused, ByPeer: true, Detail: "the peer has no transport mode for this"}
	case k.want.Protocol == sad.AH && sa.behind:
		return c, behindNAT
	}
	return c, Reason{}
}

func (sa *SA) readChildAnswer(ps []wire.Payload, k childKeying) (m made, why Reason) {
	suites := sa.peer.suites(&k.want.Child)
	if n := wire.FirstError(ps); n != nil {
		r := authRefusal(n, suites)
		r.Detail = n.NotifyType.String()
		if r.Code == SelectorsRefused {
			r.Sent = append(selectorNames(k.local), selectorNames(k.remote)...)
		}
		return m, r
	}
	answer, ok1 := wire.Find[*wire.SA](ps)
	tsi, tsr, ok2 := selectorsIn(ps)
	if !ok1 || !ok2 {
		return m, Reason{Code: BadMessage, Detail: "a child SA answered without SA, TSi or TSr"}
	}
	if !k.withGroups {
		suites = withoutGroups(suites)
	}
	var ok bool
	if m.choice, ok = chosenChild(answer, k.want.Protocol, suites); !ok {
		return m, Reason{Code: BadMessage, Sent: suiteNames(suites), Got: describeSA(answer), Detail: "the peer chose what was not offered"}
	}
	if wire.FindNotify(ps, wire.UseTransportMode) != nil {
		m.mode = sad.Transport
		if k.want.Mode != sad.Transport {
			return m, Reason{Code: BadMessage, Detail: "the peer answered in transport mode, which was not offered"}
		}
		if sa.nat {
			tsi, tsr = onHost(tsi, sa.local.Addr()), onHost(tsr, sa.remote.Addr())
		}
	}
	if !within(tsi, k.local) || !within(tsr, k.remote) || !sharedFamilies(tsi, tsr) {
		return m, Reason{Code: SelectorsRefused, Sent: append(selectorNames(k.local), selectorNames(k.remote)...),
			Got: append(selectorNames(tsi), selectorNames(tsr)...), Detail: "the peer answered with other networks"}
	}
	m.local, m.remote = tsi, tsr
	if m.suite.Group != crypto.GroupNone {
		ke, ok := wire.Find[*wire.KeyExchange](ps)
		if !ok || m.suite.Group != k.group || ke.Group != uint16(k.group) {
			return m, Reason{Code: BadMessage, Detail: "the peer answered with another key exchange group"}
		}
		var err error
		if m.shared, err = k.kx.Shared(ke.Data); err != nil {
			return m, Reason{Code: BadMessage, Detail: err.Error()}
		}
	}
	return m, Reason{}
}

// makeChild derives keys and describes both SAs.
func (sa *SA) makeChild(k childKeying, m made) (*child, error) {
	keys, err := crypto.DeriveChild(k.prf, k.d, m.suite, m.shared, k.ni, k.nr)
	if err != nil {
		return nil, err
	}
	outE, outA, inE, inA := keys.Ei, keys.Ai, keys.Er, keys.Ar
	if !k.initiator {
		outE, outA, inE, inA = inE, inA, outE, outA
	}
	base := sad.SA{
		Protocol: k.want.Protocol, Mode: m.mode, Local: sa.local.Addr(), Remote: sa.remote.Addr(),
		Suite: m.suite, ESN: m.esn, Policy: k.want.Policy, LocalTS: slices.Clone(m.local), RemoteTS: slices.Clone(m.remote),
		Lifetime: sad.Lifetime{Hard: sad.Bound{Time: k.want.Lifetime + expireMargin}},
	}
	if sa.nat && k.want.Protocol == sad.ESP {
		base.Encap = &sad.Encap{LocalPort: sa.local.Port(), RemotePort: sa.remote.Port()}
	}
	c := &child{want: k.want, in: k.spi, out: m.peerSPI(), suite: m.suite, inSA: base, outSA: base, untested: !k.withGroups}
	c.inSA.SPI, c.inSA.Direction, c.inSA.ReplayWindow = c.in, sad.In, sa.peer.ReplayWindow
	c.inSA.EncryptionKey, c.inSA.IntegrityKey = inE, inA
	c.outSA.SPI, c.outSA.Direction = c.out, sad.Out
	c.outSA.EncryptionKey, c.outSA.IntegrityKey = outE, outA
	c.lowestNonce = lowest(k.ni, k.nr)
	c.rekeyAt = sa.now.Add(sooner(k.want.Lifetime))
	c.expireAt = sa.now.Add(k.want.Lifetime)
	return c, nil
}
