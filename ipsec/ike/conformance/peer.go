package conformance

import (
	"crypto/rand"
	"encoding/binary"
	"testing"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wire"
)

// Peer is the scripted side. It keeps no state but what is needed to seal and open.
type Peer struct {
	t         testing.TB
	initiator bool
	SPIi      uint64
	SPIr      uint64
	// ID is the next message ID of its requests.
	ID uint32

	suite             crypto.Suite
	kx                crypto.KeyExchange
	ni, nr            []byte
	request, response []byte // IKE_SA_INIT as it went
	keys              crypto.IKEKeys
	seal, open        *crypto.Cipher
}

// suite is the one that a good peer uses.
var suite = crypto.Suite{Encryption: crypto.EncrAESGCM16, KeyBits: 256, PRF: crypto.PRFHMACSHA256, Group: crypto.GroupX25519}

func newPeer(t testing.TB, initiator bool) *Peer {
	p := &Peer{t: t, initiator: initiator, suite: suite, ni: random(32), nr: random(32)}
	if initiator {
		p.SPIi = 0x1122334455667788
	} else {
		p.SPIr = 0x99aabbccddeeff00
	}
	p.newKE(suite.Group)
	return p
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func (p *Peer) newKE(g crypto.GroupID) {
	kx, err := crypto.NewKeyExchange(g, rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	p.kx, p.suite.Group = kx, g
}

// ikeProposal is what a good peer offers or answers.
func ikeProposal(s crypto.Suite, spi []byte) wire.Proposal {
	return wire.Proposal{Number: 1, Protocol: wire.ProtocolIKE, SPI: spi, Transforms: []wire.Transform{
		{Type: wire.TransformEncryption, ID: uint16(s.Encryption), KeyLength: uint16(s.KeyBits)},
		{Type: wire.TransformPRF, ID: uint16(s.PRF)}, {Type: wire.TransformGroup, ID: uint16(s.Group)},
	}}
}

// espProposal is AES-GCM without extended sequence numbers.
func espProposal(spi uint32, more ...wire.Transform) wire.Proposal {
	return wire.Proposal{Number: 1, Protocol: wire.ProtocolESP, SPI: binary.BigEndian.AppendUint32(nil, spi), Transforms: append([]wire.Transform{
		{Type: wire.TransformEncryption, ID: uint16(crypto.EncrAESGCM16), KeyLength: 256}, {Type: wire.TransformESN, ID: 0}}, more...)}
}

// Init is the peer's IKE_SA_INIT, as a request or as the answer.
func (p *Peer) Init() *wire.Message {
	h := wire.Header{SPIi: p.SPIi, SPIr: p.SPIr, Exchange: wire.IKESAInit, Flags: wire.FlagResponse}
	nonce := p.nr
	if p.initiator {
		h.SPIr, h.Flags, nonce = 0, wire.FlagInitiator, p.ni
	}
	return &wire.Message{Header: h, Payloads: []wire.Payload{
		&wire.SA{Proposals: []wire.Proposal{ikeProposal(p.suite, nil)}},
		&wire.KeyExchange{Group: uint16(p.suite.Group), Data: p.kx.Public()},
		&wire.Nonce{Data: nonce},
	}}
}

// keyed takes both messages of IKE_SA_INIT and derives the keys.
func (p *Peer) keyed(request, response []byte) {
	p.request, p.response = request, response
	their := response
	if !p.initiator {
		their = request
	}
	m, err := wire.Parse(their)
	if err != nil {
		p.t.Fatal(err)
	}
	ke, ok1 := wire.Find[*wire.KeyExchange](m.Payloads)
	nonce, ok2 := wire.Find[*wire.Nonce](m.Payloads)
	if !ok1 || !ok2 {
		p.t.Fatalf("no KE or Nonce in %v", m.Payloads)
	}
	if p.initiator {
		p.SPIr, p.nr = m.Header.SPIr, nonce.Data
	} else {
		p.SPIi, p.ni = m.Header.SPIi, nonce.Data
	}
	shared, err := p.kx.Shared(ke.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.keys, err = crypto.DeriveIKE(p.suite, shared, p.ni, p.nr, p.SPIi, p.SPIr); err != nil {
		p.t.Fatal(err)
	}
	p.ciphers()
	p.ID = 1
}

func (p *Peer) ciphers() {
	se, sa, oe, oa := p.keys.Ei, p.keys.Ai, p.keys.Er, p.keys.Ar
	if !p.initiator {
		se, sa, oe, oa = oe, oa, se, sa
	}
	var err error
	if p.seal, err = crypto.NewCipher(p.suite, se, sa); err != nil {
		p.t.Fatal(err)
	}
	if p.open, err = crypto.NewCipher(p.suite, oe, oa); err != nil {
		p.t.Fatal(err)
	}
}

// Auth are the payloads of a good IKE_AUTH, as a request or as the answer.
func (p *Peer) Auth() []wire.Payload {
	me := auth.IdentityFromAddr(peerAddr.Addr())
	id := &wire.ID{Responder: !p.initiator, IDType: me.Type, Data: me.Bytes()}
	message, nonce, key := p.request, p.nr, p.keys.Pi
	if !p.initiator {
		message, nonce, key = p.response, p.ni, p.keys.Pr
	}
	proof := auth.SharedKey(p.suite.PRF, []byte(psk), crypto.SignedOctets(p.suite.PRF, message, nonce, key, id.Body()))
	return append([]wire.Payload{id, &wire.Auth{Method: wire.AuthSharedKey, Data: proof}}, p.Child(0x3000)...)
}

// Child are the payloads about a child SA, without a nonce.
func (p *Peer) Child(spi uint32) []wire.Payload {
	near, far := theirs, ours // the peer's view
	if !p.initiator {
		near, far = ours, theirs
	}
	return []wire.Payload{&wire.SA{Proposals: []wire.Proposal{espProposal(spi)}}, ts(false, near.String()), ts(true, far.String())}
}

// header is of a protected message of this peer.
func (p *Peer) header(e wire.ExchangeType, id uint32, response bool) wire.Header {
	h := wire.Header{SPIi: p.SPIi, SPIr: p.SPIr, Exchange: e, MessageID: id}
	if p.initiator {
		h.Flags |= wire.FlagInitiator
	}
	if response {
		h.Flags |= wire.FlagResponse
	}
	return h
}

// Seal protects payloads.
func (p *Peer) Seal(h wire.Header, ps ...wire.Payload) []byte {
	raw, err := wire.SealMessage(h, ps, wire.Sealer{Len: p.seal.SealedLen,
		Seal: func(ad, plain []byte) ([]byte, error) { return p.seal.Seal(rand.Reader, ad, plain) }})
	if err != nil {
		p.t.Fatal(err)
	}
	return raw
}

// peek opens what the subject sent; false if it is not for this peer's keys.
func (p *Peer) peek(raw []byte) (*wire.Message, bool) {
	if p.open == nil {
		return nil, false
	}
	for _, c := range []*crypto.Cipher{p.open, p.seal} { // or what the peer itself sent
		if m, err := wire.OpenMessage(raw, c.Open); err == nil {
			return m, true
		}
	}
	return nil, false
}
