package ike

import (
	"crypto/sha256"
	"math/rand/v2"
	"net/netip"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// generation is one set of IKE keys with its SPIs and its two message ID
// counters, which start at zero after a rekey (RFC 7296 section 2.2).
type generation struct {
	spii, spir uint64
	initiator  bool // this side is its original initiator
	suite      crypto.Suite
	keys       crypto.IKEKeys
	seal, open *crypto.Cipher

	// lowestNonce of the rekey that made it decides collisions (section 2.8.2).
	lowestNonce []byte

	sendID, recvID uint32
	// The last answered request and its answer, for retransmits (section 2.1).
	lastRequest  [sha256.Size]byte
	lastResponse [][]byte
	pending      *request
	// What has come in pieces of the peer's next request and of its answer to ours.
	requestIn, responseIn *pieces
}

// request is our one outstanding request (window size 1, section 2.3).
type request struct {
	task     task
	exchange wire.ExchangeType
	id       uint32
	raws     [][]byte // several if it goes in pieces
	tries    int
	next     time.Time
	wait     time.Duration
	// What the answer needs, for exchanges that make an SA.
	ni     []byte
	kx     crypto.KeyExchange
	group  crypto.GroupID
	spi    sad.SPI
	ikeSPI uint64
	from   netip.Addr // where an update of addresses was asked for
}

func (g *generation) localSPI() uint64 {
	if g.initiator {
		return g.spii
	}
	return g.spir
}

// setKeys derives nothing; it turns derived keys into ciphers.
func (g *generation) setKeys(s crypto.Suite, k crypto.IKEKeys) error {
	sealKey, sealAuth, openKey, openAuth := k.Ei, k.Ai, k.Er, k.Ar
	if !g.initiator {
		sealKey, sealAuth, openKey, openAuth = openKey, openAuth, sealKey, sealAuth
	}
	var err error
	if g.seal, err = crypto.NewCipher(s, sealKey, sealAuth); err != nil {
		return err
	}
	if g.open, err = crypto.NewCipher(s, openKey, openAuth); err != nil {
		return err
	}
	g.suite, g.keys = s, k
	return nil
}

func (g *generation) header(e wire.ExchangeType, id uint32, response bool) wire.Header {
	h := wire.Header{SPIi: g.spii, SPIr: g.spir, Exchange: e, MessageID: id}
	if g.initiator {
		h.Flags |= wire.FlagInitiator
	}
	if response {
		h.Flags |= wire.FlagResponse
	}
	return h
}

// ask sends a request and arms its retransmission.
func (sa *SA) ask(g *generation, e wire.ExchangeType, ps []wire.Payload, r request) {
	r.exchange, r.id = e, g.sendID
	r.raws = sa.sealed(g, g.header(e, r.id, false), ps)
	if r.raws == nil {
		return
	}
	g.sendID++
	g.pending = &r
	sa.transmit(&r)
}

// transmit sends a request for the first time or again.
func (sa *SA) transmit(r *request) {
	if r.tries == 0 {
		r.wait = firstRetransmit
	} else {
		r.wait = r.wait * 9 / 5
	}
	r.tries++
	// A tenth of jitter, so that two sides or many peers do not march in step.
	r.next = sa.now.Add(r.wait + rand.N(r.wait/10))
	sa.sendAll(sa.local, sa.remote, r.raws)
}

// answer sends a response and keeps its bytes for retransmits of the request.
func (sa *SA) answer(g *generation, d Datagram, h wire.Header, ps []wire.Payload) {
	raws := sa.sealed(g, g.header(h.Exchange, h.MessageID, true), ps)
	if raws == nil {
		return
	}
	g.lastRequest, g.lastResponse = sha256.Sum256(d.Data), raws
	g.recvID = h.MessageID + 1
	sa.sendAll(d.Local, d.Remote, raws)
}

func (sa *SA) sendAll(local, remote netip.AddrPort, raws [][]byte) {
	for _, raw := range raws {
		sa.emit(Send{Local: local, Remote: remote, Data: raw})
	}
}

// receiveSealed handles a protected message of a generation.
func (sa *SA) receiveSealed(g *generation, d Datagram, h wire.Header) {
	if h.Response() {
		if g.pending == nil || h.MessageID != g.pending.id || h.Exchange != g.pending.exchange {
			return
		}
	} else if h.MessageID != g.recvID {
		// Only the very request we answered last gets that answer again.
		if g.recvID > 0 && h.MessageID == g.recvID-1 && g.lastRequest == sha256.Sum256(d.Data) {
			sa.sendAll(d.Local, d.Remote, g.lastResponse)
		}
		return
	}
	var m *wire.Message
	var err error
	authentic := false
	if h.NextPayload == wire.TypeSKF {
		m, authentic, err = sa.gather(g, &d, h)
	} else {
		m, err = wire.OpenMessage(d.Data, func(ad, sealed []byte) ([]byte, error) {
			plain, err := g.open.Open(ad, sealed)
			authentic = err == nil
			sa.inside.plain = plain
			return plain, err
		})
		if authentic {
			sa.inside.first = sealedFirst(d.Data)
		}
	}
	if !authentic {
		return // noise, or an attacker: nothing may change (section 2.4)
	}
	sa.lastSeen = sa.now
	if m == nil && err == nil {
		return // others are missing
	}
	if err != nil {
		// The peer itself sent nonsense (section 2.21.2).
		if !h.Response() {
			sa.answer(g, d, h, notifyOnly(wire.InvalidSyntax, nil))
		}
		sa.fail(Reason{Code: BadMessage, Detail: err.Error()})
		return
	}
	sa.follow(d)
	if h.Response() {
		r := g.pending
		g.pending, g.responseIn = nil, nil
		sa.response(g, r, d, m)
		return
	}
	if t, bad := unknownCritical(m.Payloads); bad {
		sa.answer(g, d, h, notifyOnly(wire.UnsupportedCriticalPayload, []byte{byte(t)}))
		return
	}
	sa.request(g, d, h, m)
}

// request dispatches an authentic request of the peer.
func (sa *SA) request(g *generation, d Datagram, h wire.Header, m *wire.Message) {
	switch {
	case h.Exchange == wire.IKEIntermediate && sa.state == StateInitDone && sa.start.intermediate.want != crypto.GroupNone:
		sa.intermediateRequest(g, d, h, m)
	case h.Exchange == wire.IKEAuth && sa.state == StateInitDone && sa.start.intermediate.want == crypto.GroupNone:
		sa.authRequest(g, d, h, m)
	case h.Exchange == wire.CreateChildSA && sa.state >= StateEstablished:
		sa.answer(g, d, h, sa.createChild(g, m))
	case h.Exchange == wire.Informational && sa.state >= StateEstablished:
		sa.informational(g, d, h, m)
	default:
		sa.answer(g, d, h, notifyOnly(wire.InvalidSyntax, nil))
		sa.fail(Reason{Code: BadMessage, Detail: h.Exchange.String() + " in state " + sa.state.String()})
	}
}

// response dispatches an authentic answer of the peer.
func (sa *SA) response(g *generation, r *request, d Datagram, m *wire.Message) {
	if r.exchange == wire.IKEIntermediate {
		sa.intermediateResponse(g, d.Data, m)
		return
	}
	if r.exchange == wire.IKEAuth {
		sa.authResponse(g, m)
		return
	}
	switch r.task.kind {
	case taskUpdate:
		sa.updated(r, m)
	case taskRekeyChild, taskNewChild:
		sa.childResponse(g, r, m)
	case taskRekeyIKE:
		sa.rekeyIKEResponse(g, r, m)
	case taskDeleteChild:
		sa.childDeleted(r.task.child)
	case taskDeleteIKE:
		sa.generationDeleted(g)
	case taskProbe:
		sa.routable(r, m)
	}
}

// follow learns a peer's new address, but only from an authentic message
// (section 2.23). ESP SAs cannot be moved without their counters, so children
// are rekeyed onto the new path.
func (sa *SA) follow(d Datagram) {
	if sa.remote == d.Remote && sa.local == d.Local || sa.paths.mobike && !sa.nat {
		return // who speaks MOBIKE says when it moves (RFC 4555 section 3.5)
	}
	sa.moveTo(d.Local, d.Remote)
}

func unknownCritical(ps []wire.Payload) (wire.PayloadType, bool) {
	for _, p := range ps {
		if u, ok := p.(*wire.Unknown); ok && u.Critical {
			return u.PType, true
		}
	}
	return 0, false
}

func notifyOnly(t wire.NotifyType, data []byte) []wire.Payload {
	return []wire.Payload{&wire.Notify{NotifyType: t, Data: data}}
}
