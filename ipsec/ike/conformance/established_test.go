package conformance

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/wire"
)

// outSPI is the SPI that the subject sends by, as the peer chose it.
const outSPI = 0x3000

func spi32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func group(g crypto.GroupID) wire.Transform {
	return wire.Transform{Type: wire.TransformGroup, ID: uint16(g)}
}

// newChild are the payloads of CREATE_CHILD_SA for a child with the SPI.
func newChild(p *Peer, spi uint32, more ...wire.Payload) []wire.Payload {
	ps := with(p.Child(spi), ts(false, theirs.String()), ts(true, ours.String())) // who asks is the initiator
	return append(append([]wire.Payload{ps[0], &wire.Nonce{Data: random(32)}}, ps[1:]...), more...)
}

func rekeyOf(protocol uint8, spi []byte) *wire.Notify {
	return &wire.Notify{NotifyType: wire.RekeySA, Protocol: protocol, SPI: spi}
}

// What either side must do with a request once both are authenticated. The subject
// called or was called: each row is played both ways.
func TestRequests(t *testing.T) {
	for _, c := range []struct {
		name, section string
		exchange      wire.ExchangeType
		payloads      func(p *Peer) []wire.Payload
		header        func(h *wire.Header)
		bytes         func(raw []byte) []byte
		// notify is in the answer; 0 means that there is no error in it.
		notify   wire.NotifyType
		silent   bool
		closed   bool
		children int
	}{
		{name: "is anybody there", section: "2.4", exchange: wire.Informational, children: 1},
		{name: "an unknown status notify", section: "3.10.1", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{note(40000)} }, children: 1},
		{name: "an unknown error notify", section: "3.10.1", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{note(9000)} }, children: 1},
		{name: "INVALID_SELECTORS", section: "3.10.1", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{note(wire.InvalidSelectors, 1, 2)} }, children: 1},
		{name: "an unknown payload", section: "2.5", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{&wire.Unknown{PType: 210}} }, children: 1},
		{name: "an unknown critical payload", section: "2.5", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{&wire.Unknown{PType: 210, Critical: true}} }, notify: wire.UnsupportedCriticalPayload, children: 1},
		{name: "a window of five", section: "2.3", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{note(wire.SetWindowSize, 0, 0, 0, 5)} }, children: 1},
		{name: "a request ahead of its turn", section: "2.3", exchange: wire.Informational, header: func(h *wire.Header) { h.MessageID++ }, silent: true, children: 1},
		{name: "a request far ahead of its turn", section: "2.3", exchange: wire.Informational, header: func(h *wire.Header) { h.MessageID += 1 << 31 }, silent: true, children: 1},
		{name: "an answer that nobody waits for", section: "2.2", exchange: wire.Informational, header: func(h *wire.Header) { h.Flags |= wire.FlagResponse }, silent: true, children: 1},
		{name: "from the wrong end", section: "2.2", exchange: wire.Informational, header: func(h *wire.Header) { h.Flags ^= wire.FlagInitiator }, silent: true, children: 1},
		{name: "a changed bit in the header", section: "3.14", exchange: wire.Informational, bytes: func(raw []byte) []byte { raw[29] ^= 0x80; return raw }, silent: true, children: 1},
		{name: "a changed ICV", section: "3.14", exchange: wire.Informational, bytes: func(raw []byte) []byte { raw[len(raw)-1] ^= 1; return raw }, silent: true, children: 1},
		{name: "a Delete of the IKE SA with a changed ICV", section: "2.4", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{&wire.Delete{Protocol: wire.ProtocolIKE}} },
			bytes: func(raw []byte) []byte { raw[40] ^= 1; return raw }, silent: true, children: 1},
		{name: "a Delete of the IKE SA", section: "1.4.1", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{&wire.Delete{Protocol: wire.ProtocolIKE}} }, closed: true},
		{name: "a Delete of the child", section: "1.4.1", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload {
			return []wire.Payload{&wire.Delete{Protocol: wire.ProtocolESP, SPIs: [][]byte{spi32(outSPI)}}}
		}},
		{name: "a Delete of a child that is not there", section: "1.4.1", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload {
			return []wire.Payload{&wire.Delete{Protocol: wire.ProtocolESP, SPIs: [][]byte{spi32(0x9999)}}}
		}, children: 1},
		{name: "a Delete of the child as AH", section: "3.11", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload {
			return []wire.Payload{&wire.Delete{Protocol: wire.ProtocolAH, SPIs: [][]byte{spi32(outSPI)}}}
		}, children: 1},
		{name: "a Delete with SPIs of eight bytes", section: "3.11", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload {
			return []wire.Payload{&wire.Delete{Protocol: wire.ProtocolESP, SPIs: [][]byte{random(8)}}}
		}, children: 1},
		{name: "a Delete of two hundred children", section: "3.11", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload {
			d := &wire.Delete{Protocol: wire.ProtocolESP}
			for i := range 200 {
				d.SPIs = append(d.SPIs, spi32(uint32(0x5000+i)))
			}
			return []wire.Payload{d}
		}, children: 1},
		{name: "a Delete of an unknown protocol", section: "3.11", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload {
			return []wire.Payload{&wire.Delete{Protocol: 77, SPIs: [][]byte{spi32(outSPI)}}}
		}, children: 1},
		{name: "authentication failed after all", section: "2.21.2", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload {
			return []wire.Payload{note(wire.AuthenticationFailed), &wire.Delete{Protocol: wire.ProtocolIKE}}
		}, closed: true},
		{name: "COOKIE2 wants to come back", section: "RFC 4555 3.7", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{note(wire.Cookie2, random(16)...)} }, children: 1},
		{name: "an address of nine bytes", section: "RFC 4555 4.2.2", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{note(wire.AdditionalIP6Address, random(9)...)} }, children: 1},
		{name: "an update of addresses that was not agreed on", section: "RFC 4555 3.5", exchange: wire.Informational, payloads: func(*Peer) []wire.Payload { return []wire.Payload{note(wire.UpdateSAAddresses)} }, children: 1},

		{name: "another child", section: "1.3.1", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload { return newChild(p, 0x4000) }, children: 2},
		{name: "another child without a nonce", section: "1.3.1", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload { return without(newChild(p, 0x4000), wire.TypeNonce) }, notify: wire.InvalidSyntax, children: 1},
		{name: "another child without SA", section: "1.3.1", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload { return without(newChild(p, 0x4000), wire.TypeSA) }, notify: wire.InvalidSyntax, children: 1},
		{name: "another child without TSi", section: "1.3.1", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload { return without(newChild(p, 0x4000), wire.TypeTSi) }, notify: wire.InvalidSyntax, children: 1},
		{name: "another child for other networks", section: "2.9", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return with(newChild(p, 0x4000), ts(false, "10.77.0.0/24"), ts(true, "10.78.0.0/24"))
		}, notify: wire.TSUnacceptable, children: 1},
		{name: "another child of another cipher", section: "2.7", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			o := espProposal(0x4000)
			o.Transforms[0].ID = uint16(crypto.Encr3DES)
			return with(newChild(p, 0x4000), &wire.SA{Proposals: []wire.Proposal{o}})
		}, notify: wire.NoProposalChosen, children: 1},
		{name: "a group is offered and no KE comes with it", section: "1.3.1", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return with(newChild(p, 0x4000), &wire.SA{Proposals: []wire.Proposal{espProposal(0x4000, group(crypto.GroupX25519))}})
		}, notify: wire.InvalidKEPayload, children: 1},
		{name: "KE of another group than is offered", section: "1.3.1", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return with(newChild(p, 0x4000, &wire.KeyExchange{Group: 2, Data: random(128)}), &wire.SA{Proposals: []wire.Proposal{espProposal(0x4000, group(crypto.GroupX25519))}})
		}, notify: wire.InvalidKEPayload, children: 1},
		{name: "KE of 31 bytes", section: "RFC 8031 3.1", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return with(newChild(p, 0x4000, &wire.KeyExchange{Group: uint16(crypto.GroupX25519), Data: random(31)}), &wire.SA{Proposals: []wire.Proposal{espProposal(0x4000, group(crypto.GroupX25519))}})
		}, notify: wire.InvalidSyntax, children: 1},
		{name: "a child with a key exchange of its own", section: "2.17", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			p.newKE(crypto.GroupX25519)
			return with(newChild(p, 0x4000, &wire.KeyExchange{Group: uint16(crypto.GroupX25519), Data: p.kx.Public()}), &wire.SA{Proposals: []wire.Proposal{espProposal(0x4000, group(crypto.GroupX25519))}})
		}, children: 2},
		{name: "a rekey of the child", section: "1.3.3", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return append([]wire.Payload{rekeyOf(wire.ProtocolESP, spi32(outSPI))}, newChild(p, 0x4000)...)
		}, children: 1},
		{name: "a rekey wider than what it replaces", section: "2.9.2", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return append([]wire.Payload{rekeyOf(wire.ProtocolESP, spi32(outSPI))}, with(newChild(p, 0x4000), ts(false, "0.0.0.0/0"), ts(true, "0.0.0.0/0"))...)
		}, children: 1},
		{name: "a rekey of a child that is not there", section: "2.25", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return append([]wire.Payload{rekeyOf(wire.ProtocolESP, spi32(0x9999))}, newChild(p, 0x4000)...)
		}, notify: wire.ChildSANotFound, children: 1},
		{name: "a rekey of the child as AH", section: "1.3.3", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return append([]wire.Payload{rekeyOf(wire.ProtocolAH, spi32(outSPI))}, newChild(p, 0x4000)...)
		}, notify: wire.ChildSANotFound, children: 1},
		{name: "a rekey of an SPI of eight bytes", section: "3.10", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return append([]wire.Payload{rekeyOf(wire.ProtocolESP, random(8))}, newChild(p, 0x4000)...)
		}, notify: wire.InvalidSyntax, children: 1},
		{name: "a rekey of the IKE SA without KE", section: "1.3.2", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return []wire.Payload{&wire.SA{Proposals: []wire.Proposal{ikeProposal(suite, random(8))}}, &wire.Nonce{Data: random(32)}}
		}, notify: wire.InvalidSyntax, children: 1},
		{name: "a rekey of the IKE SA to the SPI zero", section: "1.3.2", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			p.newKE(crypto.GroupX25519)
			return []wire.Payload{&wire.SA{Proposals: []wire.Proposal{ikeProposal(suite, make([]byte, 8))}}, &wire.Nonce{Data: random(32)},
				&wire.KeyExchange{Group: uint16(crypto.GroupX25519), Data: p.kx.Public()}}
		}, notify: wire.NoProposalChosen, children: 1},
		{name: "a rekey of the IKE SA with an SPI of four bytes", section: "3.3.1", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			p.newKE(crypto.GroupX25519)
			return []wire.Payload{&wire.SA{Proposals: []wire.Proposal{ikeProposal(suite, random(4))}}, &wire.Nonce{Data: random(32)},
				&wire.KeyExchange{Group: uint16(crypto.GroupX25519), Data: p.kx.Public()}}
		}, notify: wire.NoProposalChosen, children: 1},
		{name: "a rekey of the IKE SA with KE of another group", section: "1.3.2", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			return []wire.Payload{&wire.SA{Proposals: []wire.Proposal{ikeProposal(suite, random(8))}}, &wire.Nonce{Data: random(32)},
				&wire.KeyExchange{Group: 2, Data: random(128)}}
		}, notify: wire.InvalidKEPayload, children: 1},
		{name: "a rekey of the IKE SA by ciphers that are not ours", section: "1.3.2", exchange: wire.CreateChildSA, payloads: func(p *Peer) []wire.Payload {
			o := ikeProposal(suite, random(8))
			o.Transforms[0].ID = uint16(crypto.Encr3DES)
			p.newKE(crypto.GroupX25519)
			return []wire.Payload{&wire.SA{Proposals: []wire.Proposal{o}}, &wire.Nonce{Data: random(32)}, &wire.KeyExchange{Group: uint16(crypto.GroupX25519), Data: p.kx.Public()}}
		}, notify: wire.NoProposalChosen, children: 1},
	} {
		for _, called := range []bool{true, false} {
			who := "by who called"
			if !called {
				who = "by who was called"
			}
			t.Run(c.name+", "+who+" ("+c.section+")", func(t *testing.T) {
				b := established(t, called)
				var ps []wire.Payload
				if c.payloads != nil {
					ps = c.payloads(b.Peer)
				}
				h := b.Peer.header(c.exchange, b.Peer.ID, false)
				if c.header != nil {
					c.header(&h)
				}
				raw := b.Peer.Seal(h, ps...)
				if c.bytes != nil {
					raw = c.bytes(bytes.Clone(raw))
				}
				m := b.answerTo(raw)
				if (m == nil) != c.silent {
					t.Fatalf("answered %v", m)
				}
				if m != nil {
					got := wire.FirstError(m.Payloads)
					if (got == nil) != (c.notify == 0) || got != nil && got.NotifyType != c.notify {
						t.Errorf("the answer says %+v, want %s", got, c.notify)
					}
					if m.Header.MessageID != h.MessageID || m.Header.Exchange != c.exchange {
						t.Errorf("the answer is %+v", m.Header)
					}
				}
				if closed := b.sa.State() == ike.StateClosed; closed != c.closed {
					t.Errorf("closed %v, want %v", closed, c.closed)
				}
				if n := b.Children(); n != c.children {
					t.Errorf("%d children, want %d", n, c.children)
				}
				if !c.closed && !c.silent {
					if m := b.ask(wire.Informational); m == nil {
						t.Error("the next request is not answered")
					}
				}
				if c.silent {
					if m := b.ask(wire.Informational); m == nil {
						t.Error("the request whose turn it is is not answered any more")
					}
				}
			})
		}
	}
}

// established is a bench with a tunnel; called says that the peer called.
func established(t *testing.T, called bool) *Bench {
	t.Helper()
	if called {
		b := Responder(t, config())
		b.initiate()
		return b
	}
	b := Initiator(t, config())
	b.answer()
	if !b.sa.Established() || b.Children() != 1 {
		t.Fatalf("not established: %s", b.sa.State())
	}
	return b
}

func TestRequestAgainIsAnsweredWithTheSameBytes(t *testing.T) {
	b := established(t, true)
	raw := b.Peer.Seal(b.Peer.header(wire.CreateChildSA, b.Peer.ID, false), newChild(b.Peer, 0x4000)...)
	first := b.Send(raw)
	if again := b.Send(raw); len(again) != 1 || !bytes.Equal(first[0], again[0]) || b.Children() != 2 {
		t.Errorf("%d children; a request that came twice was carried out twice (2.1)", b.Children())
	}
}

func TestRequestBeforeTheLastIsNotAnswered(t *testing.T) {
	b := established(t, true)
	old := b.Peer.Seal(b.Peer.header(wire.Informational, b.Peer.ID, false))
	b.answerTo(old)
	b.ask(wire.Informational)
	if out := b.Send(old); len(out) != 0 {
		t.Error("a request that is two behind is answered (2.3)")
	}
}

func TestClearNotifiesEndNothing(t *testing.T) {
	for _, n := range []wire.NotifyType{wire.InvalidIKESPI, wire.InvalidSPI, wire.InvalidMajorVersion, wire.AuthenticationFailed} {
		for _, flags := range []wire.Flags{0, wire.FlagResponse, wire.FlagInitiator, wire.FlagInitiator | wire.FlagResponse} {
			b := established(t, true)
			m := wire.Message{Header: wire.Header{SPIi: b.Peer.SPIi, SPIr: b.Peer.SPIr, Exchange: wire.Informational, Flags: flags, MessageID: b.Peer.ID}, Payloads: []wire.Payload{note(n)}}
			raw, _ := m.Marshal()
			if out := b.Send(raw); len(out) != 0 || !b.sa.Established() {
				t.Errorf("%s in clear ends a tunnel or is answered (2.4)", n)
			}
		}
	}
}

func TestPeerMayNotOpenChildrenWithoutEnd(t *testing.T) {
	b := established(t, true)
	var said wire.NotifyType
	for i := range uint32(60) {
		m := b.ask(wire.CreateChildSA, newChild(b.Peer, 0x4000+i)...)
		if n := wire.FirstError(m.Payloads); n != nil {
			said = n.NotifyType
		}
	}
	if said != wire.NoAdditionalSAs || b.Children() > 16 {
		t.Errorf("%d children and %s (1.3)", b.Children(), said)
	}
}

// After a rekey of the IKE SA messages count from zero, children stay, and the old
// one only waits for its Delete.
func TestRekeyOfTheIKESA(t *testing.T) {
	b := established(t, true)
	b.Peer.newKE(crypto.GroupX25519)
	ni := random(32)
	m := b.ask(wire.CreateChildSA, &wire.SA{Proposals: []wire.Proposal{ikeProposal(suite, []byte{1, 2, 3, 4, 5, 6, 7, 8})}},
		&wire.Nonce{Data: ni}, &wire.KeyExchange{Group: uint16(crypto.GroupX25519), Data: b.Peer.kx.Public()})
	sa, ok1 := wire.Find[*wire.SA](m.Payloads)
	ke, ok2 := wire.Find[*wire.KeyExchange](m.Payloads)
	nr, ok3 := wire.Find[*wire.Nonce](m.Payloads)
	if !ok1 || !ok2 || !ok3 || len(sa.Proposals[0].SPI) != 8 {
		t.Fatalf("the rekey is answered with %v", m.Payloads)
	}
	shared, err := b.Peer.kx.Shared(ke.Data)
	if err != nil {
		t.Fatal(err)
	}
	next := *b.Peer
	next.SPIi, next.SPIr, next.ID = 0x0102030405060708, binary.BigEndian.Uint64(sa.Proposals[0].SPI), 0
	if next.keys, err = crypto.DeriveIKERekey(suite.PRF, b.Peer.keys.D, suite, shared, ni, nr.Data, next.SPIi, next.SPIr); err != nil {
		t.Fatal(err)
	}
	next.ciphers()
	if m := b.ask(wire.CreateChildSA, newChild(b.Peer, 0x4000)...); wire.FindNotify(m.Payloads, wire.TemporaryFailure) == nil {
		t.Error("a child is made in an IKE SA that is over (2.25.2)")
	}
	if m := b.ask(wire.Informational); m == nil {
		t.Error("the old IKE SA does not wait for its Delete (2.8)")
	}
	if m := b.ask(wire.Informational, &wire.Delete{Protocol: wire.ProtocolIKE}); m == nil || !b.sa.Established() || b.Children() != 1 {
		t.Errorf("the Delete of the old IKE SA: %v, %s, %d children", m, b.sa.State(), b.Children())
	}
	old := *b.Peer
	b.Peer = &next
	if m := b.ask(wire.Informational); m == nil || m.Header.MessageID != 0 {
		t.Errorf("the new IKE SA does not count from zero: %v (2.2)", m)
	}
	if m := b.ask(wire.Informational, &wire.Delete{Protocol: wire.ProtocolESP, SPIs: [][]byte{spi32(outSPI)}}); m == nil || b.Children() != 0 {
		t.Error("the children did not move to the new IKE SA (2.8)")
	}
	b.Peer = &old
	if m := b.ask(wire.Informational); m != nil {
		t.Error("the old IKE SA still answers")
	}
}

func TestSilentPeer(t *testing.T) {
	b := established(t, true)
	sent := b.Wait(2 * time.Hour)
	if b.Ended() != ike.PeerDead || b.Children() != 0 {
		t.Errorf("ended %q with %d children (2.4)", b.Ended(), b.Children())
	}
	if len(sent) > 30 {
		t.Errorf("%d messages to somebody who is not there", len(sent))
	}
}
