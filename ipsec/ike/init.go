package ike

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wire"
)

// IKE_SA_INIT (RFC 7296 section 1.2), both roles.

// sendInit sends the first message, also again after a COOKIE or
// INVALID_KE_PAYLOAD. The nonce stays, the key exchange only if the group does.
func (sa *SA) sendInit() error {
	h := &sa.start
	if h.ni == nil {
		h.ni = sa.random(crypto.NonceSize)
	}
	if h.kx == nil {
		kx, err := crypto.NewKeyExchange(h.group, sa.env.Rand)
		if err != nil {
			return Reason{Code: InternalError, Detail: err.Error()}
		}
		h.kx = kx
	}
	var ps []wire.Payload
	if h.cookie != nil {
		ps = append(ps, &wire.Notify{NotifyType: wire.Cookie, Data: h.cookie})
	}
	ps = append(ps,
		&wire.SA{Proposals: ikeProposals(h.suites, nil)},
		&wire.KeyExchange{Group: uint16(h.group), Data: h.kx.Public()},
		&wire.Nonce{Data: h.ni},
		hashNotify())
	if sa.peer.PPK != nil {
		ps = append(ps, usePPK())
	}
	if hybrid(h.suites) {
		ps = append(ps, intermediateNotify())
	}
	ps = append(ps, sa.natNotifies(sa.cur.spii, 0)...)
	ps = append(ps, fragmentNotify())
	m := wire.Message{
		Header:   wire.Header{SPIi: sa.cur.spii, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator},
		Payloads: ps,
	}
	raw, err := m.Marshal()
	if err != nil {
		return Reason{Code: InternalError, Detail: err.Error()}
	}
	h.request = raw
	h.pending = &request{exchange: wire.IKESAInit, raws: [][]byte{raw}}
	sa.transmit(h.pending)
	return nil
}

// initResponse handles the answer to our first message.
func (sa *SA) initResponse(d Datagram, h wire.Header) {
	if sa.state != StateInitSent || h.SPIi != sa.cur.spii || h.FromInitiator() || d.Remote != sa.remote {
		return
	}
	m, err := wire.Parse(d.Data)
	if err != nil {
		return // anybody can send this; the real answer may still come
	}
	if sa.retryInit(m) {
		return
	}
	if n := wire.FirstError(m.Payloads); n != nil {
		sa.fail(initRefusal(n, sa.start.suites))
		return
	}
	saPayload, ok1 := wire.Find[*wire.SA](m.Payloads)
	ke, ok2 := wire.Find[*wire.KeyExchange](m.Payloads)
	nonce, ok3 := wire.Find[*wire.Nonce](m.Payloads)
	if !ok1 || !ok2 || !ok3 || h.SPIr == 0 {
		return
	}
	suite, _, ok := chosenSuite(saPayload, wire.ProtocolIKE, sa.start.suites)
	if !ok || suite.Group != sa.start.group || ke.Group != uint16(suite.Group) {
		sa.fail(Reason{Code: BadMessage, Sent: suiteNames(sa.start.suites), Got: describeSA(saPayload),
			Detail: "the peer chose what was not offered"})
		return
	}
	shared, err := sa.start.kx.Shared(ke.Data)
	if err != nil {
		sa.fail(Reason{Code: BadMessage, Detail: err.Error()})
		return
	}
	sa.cur.spir = h.SPIr
	sa.start.nr, sa.start.response = bytes.Clone(nonce.Data), d.Data
	if !sa.derive(suite, shared) {
		return
	}
	sa.learnHashes(m.Payloads)
	sa.start.peerPPK = wire.FindNotify(m.Payloads, wire.UsePPK) != nil
	if why := sa.missesPPK(); why != nil && !sa.start.peerPPK {
		sa.fail(*why)
		return
	}
	sa.detectNAT(m.Payloads, d, h.SPIi, h.SPIr)
	sa.fragments = wire.FindNotify(m.Payloads, wire.FragmentationSupported) != nil
	if sa.nat || wire.FindNotify(m.Payloads, wire.NATDetectionSourceIP) != nil {
		// RFC 7296 section 2.23: from now on UDP 4500; and also without a NAT, in case
		// one comes between later (RFC 4555 section 3.3).
		sa.local = netip.AddrPortFrom(sa.local.Addr(), natPort)
		sa.remote = netip.AddrPortFrom(sa.remote.Addr(), natPort)
	}
	sa.start.pending = nil
	sa.cur.sendID = 1
	if sa.start.intermediate.want = suite.Additional; suite.Additional == crypto.GroupNone {
		sa.sendAuth()
		return
	}
	if wire.FindNotify(m.Payloads, wire.IntermediateExchangeSupported) == nil {
		sa.fail(Reason{Code: BadMessage, Detail: "the peer chose an additional key exchange without IKE_INTERMEDIATE"})
		return
	}
	sa.sendIntermediate()
}

// derive sets the keys of the first generation.
func (sa *SA) derive(suite crypto.Suite, shared []byte) bool {
	keys, err := crypto.DeriveIKE(suite, shared, sa.start.ni, sa.start.nr, sa.cur.spii, sa.cur.spir)
	if err == nil {
		err = sa.cur.setKeys(suite, keys)
	}
	if err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
	}
	return err == nil
}

// retryInit obeys COOKIE and INVALID_KE_PAYLOAD, a bounded number of times,
// and only for a group that we offered (sections 2.6, 2.7).
func (sa *SA) retryInit(m *wire.Message) bool {
	h := &sa.start
	if n := wire.FindNotify(m.Payloads, wire.Cookie); n != nil && len(n.Data) >= 1 && len(n.Data) <= maxCookie {
		h.cookie = bytes.Clone(n.Data)
	} else if n := wire.FindNotify(m.Payloads, wire.InvalidKEPayload); n != nil {
		if len(n.Data) != 2 {
			return true
		}
		group := crypto.GroupID(binary.BigEndian.Uint16(n.Data))
		offered := slices.ContainsFunc(h.suites, func(s crypto.Suite) bool { return s.Group == group })
		if !offered || group == h.group {
			sa.fail(Reason{Code: NoProposal, ByPeer: true, Sent: suiteNames(h.suites), Got: []string{group.String()},
				Detail: "INVALID_KE_PAYLOAD"})
			return true
		}
		h.group, h.kx = group, nil
	} else {
		return false
	}
	if h.retries++; h.retries > maxInitRetries {
		sa.fail(Reason{Code: BadMessage, Detail: "the peer asks for IKE_SA_INIT again and again"})
		return true
	}
	if err := sa.sendInit(); err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
	}
	return true
}

// initRefusal tells why the peer refused the first message.
func initRefusal(n *wire.Notify, ours []crypto.Suite) Reason {
	if n.NotifyType == wire.NoProposalChosen {
		return Reason{Code: NoProposal, ByPeer: true, Sent: suiteNames(ours), Detail: "IKE_SA_INIT, NO_PROPOSAL_CHOSEN"}
	}
	return Reason{Code: PeerError, ByPeer: true, Detail: "IKE_SA_INIT, " + n.NotifyType.String()}
}

// initRequest answers a caller's first message.
func (sa *SA) initRequest(d Datagram, h wire.Header) {
	if sa.initiator || !h.FromInitiator() || h.SPIr != 0 || h.SPIi == 0 {
		return
	}
	if sa.state != StateIdle {
		// A retransmit gets the same answer; anything else is not ours.
		if sa.state == StateInitDone && bytes.Equal(d.Data, sa.start.request) {
			sa.emit(Send{Local: d.Local, Remote: d.Remote, Data: sa.start.response})
		}
		return
	}
	sa.cur.spii, sa.local, sa.remote = h.SPIi, d.Local, d.Remote
	m, err := wire.Parse(d.Data)
	if err != nil {
		sa.refuseInit(wire.InvalidSyntax, nil, Reason{Code: BadMessage, Detail: err.Error()})
		return
	}
	if t, bad := unknownCritical(m.Payloads); bad {
		sa.refuseInit(wire.UnsupportedCriticalPayload, []byte{byte(t)}, Reason{Code: BadMessage, Detail: "unknown critical payload"})
		return
	}
	saPayload, ok1 := wire.Find[*wire.SA](m.Payloads)
	ke, ok2 := wire.Find[*wire.KeyExchange](m.Payloads)
	nonce, ok3 := wire.Find[*wire.Nonce](m.Payloads)
	if !ok1 || !ok2 || !ok3 {
		sa.refuseInit(wire.InvalidSyntax, nil, Reason{Code: BadMessage, Detail: "IKE_SA_INIT without SA, KE or Nonce"})
		return
	}
	suites := sa.env.Suites(d.Remote.Addr())
	if wire.FindNotify(m.Payloads, wire.IntermediateExchangeSupported) == nil {
		suites = slices.DeleteFunc(slices.Clone(suites), func(s crypto.Suite) bool { return s.Additional != crypto.GroupNone })
	}
	suite, proposal, ok := chooseIKE(suites, saPayload, crypto.GroupID(ke.Group))
	if !ok {
		sa.refuseInit(wire.NoProposalChosen, nil, Reason{Code: NoProposal, Sent: suiteNames(suites), Got: describeSA(saPayload)})
		return
	}
	if suite.Group != crypto.GroupID(ke.Group) {
		// Wait for the caller to come again with the right group.
		sa.replyInit(notifyOnly(wire.InvalidKEPayload, binary.BigEndian.AppendUint16(nil, uint16(suite.Group))), 0)
		return
	}
	sa.acceptInit(d, m, suite, proposal, ke, nonce)
}

func (sa *SA) acceptInit(d Datagram, m *wire.Message, suite crypto.Suite, proposal wire.Proposal, ke *wire.KeyExchange, nonce *wire.Nonce) {
	kx, err := crypto.NewKeyExchange(suite.Group, sa.env.Rand)
	if err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
		return
	}
	shared, err := kx.Shared(ke.Data)
	if err != nil {
		sa.refuseInit(wire.InvalidSyntax, nil, Reason{Code: BadMessage, Detail: err.Error()})
		return
	}
	sa.start.request = d.Data
	sa.start.ni, sa.start.nr = bytes.Clone(nonce.Data), sa.random(crypto.NonceSize)
	if sa.state == StateClosed || !sa.derive(suite, shared) {
		return
	}
	sa.nat = sa.env.ForceEncap
	sa.learnHashes(m.Payloads)
	sa.detectNAT(m.Payloads, d, sa.cur.spii, 0)
	ps := []wire.Payload{
		&wire.SA{Proposals: []wire.Proposal{answerProposal(proposal, suite, nil)}},
		&wire.KeyExchange{Group: uint16(suite.Group), Data: kx.Public()},
		&wire.Nonce{Data: sa.start.nr},
	}
	if sa.env.Trusted != nil {
		if authorities, ok := sa.env.Trusted(d.Remote.Addr()); ok {
			ps = append(ps, &wire.CertRequest{Encoding: wire.CertX509, Authorities: auth.AuthoritiesToWire(authorities)})
		}
	}
	ps = append(ps, hashNotify())
	if sa.env.UsePPK != nil && sa.env.UsePPK(d.Remote.Addr()) && wire.FindNotify(m.Payloads, wire.UsePPK) != nil {
		ps = append(ps, usePPK())
	}
	if sa.start.intermediate.want = suite.Additional; suite.Additional != crypto.GroupNone {
		ps = append(ps, intermediateNotify())
	}
	ps = append(ps, sa.natNotifies(sa.cur.spii, sa.cur.spir)...)
	if sa.fragments = wire.FindNotify(m.Payloads, wire.FragmentationSupported) != nil; sa.fragments {
		ps = append(ps, fragmentNotify())
	}
	sa.start.response = sa.replyInit(ps, sa.cur.spir)
	if sa.state == StateClosed {
		return
	}
	sa.cur.recvID = 1
	sa.move(StateInitDone)
}

// replyInit sends an unprotected answer and returns its bytes. Refusals carry
// no responder SPI, because nothing was created.
func (sa *SA) replyInit(ps []wire.Payload, spir uint64) []byte {
	m := wire.Message{
		Header:   wire.Header{SPIi: sa.cur.spii, SPIr: spir, Exchange: wire.IKESAInit, Flags: wire.FlagResponse},
		Payloads: ps,
	}
	raw, err := m.Marshal()
	if err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
		return nil
	}
	sa.emit(Send{Local: sa.local, Remote: sa.remote, Data: raw})
	return raw
}

func (sa *SA) refuseInit(t wire.NotifyType, data []byte, why Reason) {
	sa.replyInit(notifyOnly(t, data), 0)
	sa.fail(why)
}

// replyMajorVersion tells a caller which version we speak (section 2.5).
func (sa *SA) replyMajorVersion(d Datagram, h wire.Header) {
	m := wire.Message{
		Header:   wire.Header{SPIi: h.SPIi, Exchange: h.Exchange, Flags: wire.FlagResponse, MessageID: h.MessageID},
		Payloads: notifyOnly(wire.InvalidMajorVersion, nil),
	}
	if raw, err := m.Marshal(); err == nil {
		sa.emit(Send{Local: d.Local, Remote: d.Remote, Data: raw})
	}
	sa.fail(Reason{Code: BadMessage, Detail: "the caller speaks another major version of IKE"})
}
