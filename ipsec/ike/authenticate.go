package ike

import (
	"slices"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wire"
)

// IKE_AUTH (RFC 7296 section 1.2), both roles.

// localID is who we say we are.
func (sa *SA) localID() auth.Identity {
	if !sa.peer.LocalID.IsZero() {
		return sa.peer.LocalID
	}
	if own := sa.peer.Credential; own != nil && !own.Identity().IsZero() {
		return own.Identity()
	}
	return auth.IdentityFromAddr(sa.local.Addr())
}

// remoteID is who the peer must prove to be.
func (sa *SA) remoteID() auth.Identity {
	if !sa.peer.RemoteID.IsZero() {
		return sa.peer.RemoteID
	}
	return auth.IdentityFromAddr(sa.remote.Addr())
}

func idPayload(id auth.Identity, responder bool) *wire.ID {
	return &wire.ID{Responder: responder, IDType: id.Type, Data: id.Bytes()}
}

// signedByInitiator and signedByResponder are the octets of section 2.15, with
// those of RFC 9242 behind them.
func (sa *SA) signedByInitiator(id *wire.ID) []byte {
	return append(crypto.SignedOctets(sa.cur.suite.PRF, sa.start.request, sa.start.nr, sa.cur.keys.Pi, id.Body()), sa.intAuth()...)
}

func (sa *SA) signedByResponder(id *wire.ID) []byte {
	return append(crypto.SignedOctets(sa.cur.suite.PRF, sa.start.response, sa.start.ni, sa.cur.keys.Pr, id.Body()), sa.intAuth()...)
}

func (sa *SA) sendAuth() {
	spi, ok := sa.allocateSPI()
	if !ok {
		return
	}
	sa.start.childSPI, sa.start.authID = spi, sa.cur.sendID
	id := idPayload(sa.localID(), false)
	if sa.peer.PPK != nil && sa.start.peerPPK {
		sa.takePPK(sa.cur)
	}
	certs, proof, why := sa.prove(sa.signedByInitiator(id))
	if why != nil {
		sa.fail(*why)
		return
	}
	ppk, why := sa.identifyPPK(id)
	if why != nil {
		sa.fail(*why)
		return
	}
	ps := append([]wire.Payload{id}, certs...)
	ps = append(ps, sa.certRequest()...)
	if !sa.peer.RemoteID.IsZero() {
		ps = append(ps, idPayload(sa.peer.RemoteID, true))
	}
	ps = append(ps,
		proof,
		// Every start is a first contact: we keep nothing over a restart.
		&wire.Notify{NotifyType: wire.InitialContact})
	ps = append(ps, sa.childOffer(sa.wants[0], spi, false)...)
	ps = append(ps, sa.mobikeNotifies()...)
	ps = append(ps, ppk...)
	sa.move(StateAuthSent)
	sa.ask(sa.cur, wire.IKEAuth, ps, request{})
}

// authRequest is the responder's part: who calls, is it true, and which
// networks.
func (sa *SA) authRequest(g *generation, d Datagram, h wire.Header, m *wire.Message) {
	sa.start.authID = h.MessageID
	idi, ok1 := wire.Find[*wire.ID](m.Payloads)
	proof, _ := wire.Find[*wire.Auth](m.Payloads)
	if !ok1 || idi.Responder {
		sa.refuseAuth(g, d, h, wire.InvalidSyntax, Reason{Code: BadMessage, Detail: "IKE_AUTH without IDi"})
		return
	}
	id, err := auth.IdentityFromWire(idi.IDType, idi.Data)
	if err != nil {
		sa.refuseAuth(g, d, h, wire.AuthenticationFailed, Reason{Code: BadMessage, Detail: err.Error()})
		return
	}
	q := Query{RemoteID: id, Local: d.Local, Remote: d.Remote, Signed: proof != nil && proof.Method != wire.AuthSharedKey}
	if chain, failure := auth.ParseChain(rawCertificates(m.Payloads)); failure == nil {
		q.Certificate = chain[0]
	}
	for _, p := range m.Payloads {
		if idr, ok := p.(*wire.ID); ok && idr.Responder {
			q.LocalID, _ = auth.IdentityFromWire(idr.IDType, idr.Data)
		}
	}
	peer, why := sa.env.FindPeer(q)
	if why != nil {
		sa.refuseAuth(g, d, h, wire.AuthenticationFailed, *why)
		return
	}
	sa.serve(peer)
	if plain := classical([]crypto.Suite{g.suite}); !slices.Contains(peer.IKE, g.suite) && !slices.Contains(peer.IKE, plain[0]) {
		// Before it was known who calls, what any connection accepts was accepted.
		// More than this one asks for is no harm.
		sa.refuseAuth(g, d, h, wire.NoProposalChosen,
			Reason{Code: NoProposal, Sent: suiteNames(peer.IKE), Got: []string{g.suite.String()}})
		return
	}
	if why := sa.settlePPK(g, m, &proof); why != nil {
		sa.refuseAuth(g, d, h, wire.AuthenticationFailed, *why)
		return
	}
	if why := sa.verify(m.Payloads, id, proof, sa.signedByInitiator(idi)); why != nil {
		sa.refuseAuth(g, d, h, wire.AuthenticationFailed, *why)
		return
	}
	idr := idPayload(sa.localID(), true)
	certs, ours, why := sa.prove(sa.signedByResponder(idr))
	if why != nil {
		sa.refuseAuth(g, d, h, wire.AuthenticationFailed, *why)
		return
	}
	answer := append(append([]wire.Payload{idr}, certs...), ours)
	answer = append(answer, sa.confirmPPK()...)
	c, childAnswer, problem := sa.acceptChild(m.Payloads, childKeying{
		prf: g.suite.PRF, d: g.keys.D, ni: sa.start.ni, nr: sa.start.nr,
	})
	answer = append(answer, childAnswer...)
	if sa.learnMobike(m); sa.paths.mobike {
		answer = append(answer, sa.mobikeNotifies()...)
	}
	sa.established(id)
	if c != nil {
		// In a first exchange both sides begin at once.
		sa.install(c)
		sa.activate(c)
	} else {
		sa.problem(problem)
	}
	sa.answer(g, d, h, answer)
}

// refuseAuth answers and keeps answering retransmits for a while, because a
// lost refusal would leave the other admin without the reason.
func (sa *SA) refuseAuth(g *generation, d Datagram, h wire.Header, t wire.NotifyType, why Reason) {
	sa.answer(g, d, h, notifyOnly(t, nil))
	if sa.state == StateClosed {
		return
	}
	sa.problem(why)
	sa.closeReason = why
	sa.move(StateRefused)
	sa.expireAt = sa.now.Add(refusedLife)
}

// authResponse is the initiator's part.
func (sa *SA) authResponse(g *generation, m *wire.Message) {
	if sa.state != StateAuthSent {
		return
	}
	idr, ok1 := wire.Find[*wire.ID](m.Payloads)
	proof, ok2 := wire.Find[*wire.Auth](m.Payloads)
	if !ok1 || !ok2 {
		// Without AUTH the peer has not accepted us; an error says why.
		why := Reason{Code: BadMessage, Detail: "IKE_AUTH answered without IDr and AUTH"}
		if n := wire.FirstError(m.Payloads); n != nil {
			why = sa.ourOwnFault(authRefusal(n, sa.peer.suites(&sa.peer.Children[0])))
		}
		sa.fail(why)
		return
	}
	id, err := auth.IdentityFromWire(idr.IDType, idr.Data)
	if err != nil || !idr.Responder {
		sa.reject(Reason{Code: BadMessage, Detail: "IDr is malformed"})
		return
	}
	if why := sa.agreedPPK(g, m); why != nil {
		sa.reject(*why)
		return
	}
	if why := sa.verify(m.Payloads, id, proof, sa.signedByResponder(idr)); why != nil {
		sa.reject(*why)
		return
	}
	sa.established(id)
	sa.learnMobike(m)
	k := childKeying{
		initiator: true, prf: g.suite.PRF, d: g.keys.D,
		ni: sa.start.ni, nr: sa.start.nr, want: sa.wants[0], spi: sa.start.childSPI,
	}
	k.local, k.remote = sa.selectors(k.want)
	if c := sa.childAnswered(m.Payloads, k, nil); c != nil {
		sa.activate(c)
		sa.testPFS(c)
	}
	for _, w := range sa.wants[1:] {
		sa.want(task{kind: taskNewChild, want: w})
	}
	sa.start = handshake{}
}

// reject tells a responder that took us for authenticated that it is not so
// itself (section 2.21.2), and ends.
func (sa *SA) reject(why Reason) {
	sa.closeReason = why
	sa.problem(why)
	sa.move(StateClosing)
	sa.queue = []task{{kind: taskDeleteIKE, notify: wire.AuthenticationFailed}}
}

func authRefusal(n *wire.Notify, esp []crypto.Suite) Reason {
	r := Reason{ByPeer: true, Detail: "IKE_AUTH, " + n.NotifyType.String()}
	switch n.NotifyType {
	case wire.AuthenticationFailed:
		r.Code = RejectedByPeer
	case wire.NoProposalChosen:
		r.Code, r.Sent = NoProposal, suiteNames(esp)
	case wire.TSUnacceptable:
		r.Code = SelectorsRefused
	default:
		r.Code = PeerError
	}
	return r
}

// established begins the life of an authenticated IKE SA.
func (sa *SA) established(id auth.Identity) {
	sa.move(StateEstablished)
	sa.expireAt = sa.now.AddDate(1, 0, 0)
	sa.rekeyAt = sa.now.Add(sooner(sa.peer.IKELifetime))
	sa.emit(Established{
		Peer: sa.peer.Name, RemoteID: id, Suite: sa.cur.suite, Local: sa.local, Remote: sa.remote, NAT: sa.nat,
	})
}
