package conformance

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// What became of an IKE_AUTH.
type outcome string

const (
	up       outcome = "a tunnel"
	bare     outcome = "an IKE SA without a child"
	refused  outcome = "a refusal"
	ignored  outcome = "silence"
	wrongKey         = ike.WrongKey
)

func tsOf(kind uint8, first, last string, from, to uint16) wire.TrafficSelector {
	return wire.TrafficSelector{Type: kind, StartPort: from, EndPort: to, Start: netip.MustParseAddr(first), End: netip.MustParseAddr(last)}
}

func selectors(responder bool, all ...wire.TrafficSelector) *wire.TS {
	return &wire.TS{Responder: responder, Selectors: all}
}

func esp(change func(p *wire.Proposal)) func(*Peer, []wire.Payload) []wire.Payload {
	return func(_ *Peer, ps []wire.Payload) []wire.Payload {
		p := espProposal(0x3000)
		change(&p)
		return with(ps, &wire.SA{Proposals: []wire.Proposal{p}})
	}
}

func plus(more ...wire.Payload) func(*Peer, []wire.Payload) []wire.Payload {
	return func(_ *Peer, ps []wire.Payload) []wire.Payload { return append(ps, more...) }
}

func minus(t wire.PayloadType) func(*Peer, []wire.Payload) []wire.Payload {
	return func(_ *Peer, ps []wire.Payload) []wire.Payload { return without(ps, t) }
}

// What a responder must do with IKE_AUTH.
func TestCallers(t *testing.T) {
	for _, c := range []struct {
		name, section string
		change        func(p *Peer, ps []wire.Payload) []wire.Payload
		header        func(h *wire.Header)
		bytes         func(raw []byte) []byte
		want          outcome
		notify        wire.NotifyType // in the answer
		reason        ike.Code
	}{
		{name: "as it should be", section: "1.2", want: up},
		{name: "no IDi", section: "1.2", change: minus(wire.TypeIDi), want: refused, notify: wire.InvalidSyntax, reason: ike.BadMessage},
		{name: "no AUTH", section: "2.16", change: minus(wire.TypeAuth), want: refused, notify: wire.AuthenticationFailed, reason: ike.UnsupportedMethod},
		{name: "AUTH by another key", section: "2.15", want: refused, notify: wire.AuthenticationFailed, reason: wrongKey,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
				return with(ps, &wire.Auth{Method: wire.AuthSharedKey, Data: random(32)})
			}},
		{name: "AUTH cut short", section: "2.15", want: refused, notify: wire.AuthenticationFailed, reason: wrongKey,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
				a, _ := wire.Find[*wire.Auth](ps)
				return with(ps, &wire.Auth{Method: wire.AuthSharedKey, Data: a.Data[:16]})
			}},
		{name: "an empty AUTH", section: "2.15", want: refused, notify: wire.AuthenticationFailed, reason: wrongKey,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
				return with(ps, &wire.Auth{Method: wire.AuthSharedKey})
			}},
		{name: "AUTH for another identity", section: "2.15", want: refused, notify: wire.AuthenticationFailed, reason: ike.UnknownPeer,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
				return with(ps, &wire.ID{IDType: 2, Data: []byte("somebody.example")})
			}},
		{name: "an identity of an unknown type", section: "3.5", want: refused, notify: wire.AuthenticationFailed,
			reason: ike.UnknownPeer, change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
				return with(ps, &wire.ID{IDType: 200, Data: []byte{1}})
			}},
		{name: "an IPv4 identity of three bytes", section: "3.5", want: refused, notify: wire.AuthenticationFailed,
			reason: ike.BadMessage, change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
				return with(ps, &wire.ID{IDType: 1, Data: []byte{1, 2, 3}})
			}},
		{name: "message ID 0", section: "2.2", header: func(h *wire.Header) { h.MessageID = 0 }, want: ignored},
		{name: "message ID 2", section: "2.2", header: func(h *wire.Header) { h.MessageID = 2 }, want: ignored},
		{name: "it calls itself a response", section: "2.2", header: func(h *wire.Header) { h.Flags |= wire.FlagResponse }, want: ignored},
		{name: "it calls itself a responder's", section: "2.2", header: func(h *wire.Header) { h.Flags &^= wire.FlagInitiator }, want: ignored},
		{name: "another SPI of the responder", section: "3.1", header: func(h *wire.Header) { h.SPIr++ }, want: ignored},
		{name: "another SPI of the initiator", section: "3.1", header: func(h *wire.Header) { h.SPIi++ }, want: ignored},
		{name: "a changed byte at its end", section: "3.14", bytes: func(raw []byte) []byte { raw[len(raw)-1] ^= 1; return raw }, want: ignored},
		{name: "a changed byte in its header", section: "3.14", bytes: func(raw []byte) []byte { raw[29] ^= 1; return raw }, want: ignored},
		{name: "an SK payload shorter than its ICV", section: "3.14", want: ignored, bytes: func(raw []byte) []byte {
			raw = raw[:28+4+6]
			raw[27], raw[26] = byte(len(raw)), 0
			raw[31], raw[30] = 10, 0
			return raw
		}},
		{name: "an SK payload of nothing", section: "3.14", want: ignored, bytes: func(raw []byte) []byte {
			raw = raw[:32]
			raw[27], raw[26] = byte(len(raw)), 0
			raw[31], raw[30] = 4, 0
			return raw
		}},
		{name: "an unknown critical payload inside", section: "2.5", change: plus(&wire.Unknown{PType: 200, Critical: true}), want: ignored, notify: wire.UnsupportedCriticalPayload},
		{name: "an unknown payload inside", section: "2.5", change: plus(&wire.Unknown{PType: 200}), want: up},
		{name: "a first contact", section: "2.4", change: plus(note(wire.InitialContact)), want: up},
		{name: "a window of 5", section: "2.3", change: plus(note(wire.SetWindowSize, 0, 0, 0, 5)), want: up},
		{name: "no padding of TFC", section: "1.3.1", change: plus(note(wire.ESPTFCPaddingNotSupport)), want: up},
		{name: "fragments too", section: "1.3.1", change: plus(note(wire.NonFirstFragmentsAlso)), want: up},
		{name: "an offer to compress", section: "2.22", change: plus(note(wire.IPCompSupported, 1, 1, 2)), want: up},
		{name: "several authentications", section: "RFC 4739 3.1", change: plus(note(wire.MultipleAuthSupported)), want: up},
		{name: "hash and URL of certificates", section: "3.6", change: plus(note(wire.HTTPCertLookupSupported)), want: up},
		{name: "a request for certificates", section: "3.7", change: plus(&wire.CertRequest{Encoding: 4, Authorities: make([]byte, 20)}), want: up},
		{name: "transport mode, where a tunnel is wanted", section: "1.3.1", change: plus(note(wire.UseTransportMode)), want: up},
		{name: "mobility", section: "RFC 4555 3.1", change: plus(note(wire.MOBIKESupported), note(wire.NoAdditionalAddresses)), want: up, notify: wire.MOBIKESupported},
		{name: "a hundred additional addresses", section: "RFC 4555 3.4", want: up, notify: wire.MOBIKESupported, change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
			ps = append(ps, note(wire.MOBIKESupported))
			for i := range 50 {
				ps = append(ps, note(wire.AdditionalIP4Address, 192, 0, 2, byte(i)))
			}
			return ps
		}},
		{name: "an additional address of five bytes", section: "RFC 4555 4.2.2", change: plus(note(wire.MOBIKESupported), note(wire.AdditionalIP4Address, 1, 2, 3, 4, 5)), want: up, notify: wire.MOBIKESupported},
		{name: "a child that nobody has the cipher for", section: "2.7", change: esp(func(p *wire.Proposal) { p.Transforms[0].ID = uint16(crypto.Encr3DES) }), want: bare, notify: wire.NoProposalChosen, reason: ike.NoProposal},
		{name: "a child by AH", section: "3.3.1", change: esp(func(p *wire.Proposal) { p.Protocol = wire.ProtocolAH }), want: bare, notify: wire.NoProposalChosen, reason: ike.NoProposal},
		{name: "a child whose SPI is zero", section: "3.3.1", change: esp(func(p *wire.Proposal) { p.SPI = make([]byte, 4) }), want: bare, notify: wire.NoProposalChosen, reason: ike.NoProposal},
		{name: "a child whose SPI is reserved", section: "RFC 4303 2.1", change: esp(func(p *wire.Proposal) { p.SPI = []byte{0, 0, 0, 255} }), want: bare, notify: wire.NoProposalChosen, reason: ike.NoProposal},
		{name: "a child whose SPI has eight bytes", section: "3.3.1", change: esp(func(p *wire.Proposal) { p.SPI = random(8) }), want: bare, notify: wire.NoProposalChosen, reason: ike.NoProposal},
		{name: "a child without a word about sequence numbers", section: "3.3.3", change: esp(func(p *wire.Proposal) { p.Transforms = p.Transforms[:1] }), want: up},
		{name: "a child with extended sequence numbers only", section: "3.3.2", change: esp(func(p *wire.Proposal) { p.Transforms[1].ID = 1 }), want: up},
		{name: "a child with unknown sequence numbers", section: "3.3.6", change: esp(func(p *wire.Proposal) { p.Transforms[1].ID = 7 }), want: bare, notify: wire.NoProposalChosen, reason: ike.NoProposal},
		{name: "a child with a group, which means nothing here", section: "1.2", change: esp(func(p *wire.Proposal) {
			p.Transforms = append(p.Transforms, wire.Transform{Type: wire.TransformGroup, ID: uint16(crypto.GroupMODP2048)})
		}), want: up},
		{name: "AES-GCM with an integrity beside it", section: "RFC 5282 8", change: esp(func(p *wire.Proposal) {
			p.Transforms = append(p.Transforms, wire.Transform{Type: wire.TransformIntegrity, ID: uint16(crypto.IntegrityHMACSHA256128)})
		}), want: bare, notify: wire.NoProposalChosen, reason: ike.NoProposal},
		{name: "AES-GCM with the integrity none", section: "RFC 5282 8", change: esp(func(p *wire.Proposal) {
			p.Transforms = append(p.Transforms, wire.Transform{Type: wire.TransformIntegrity})
		}), want: up},
		{name: "other networks", section: "2.9", change: func(_ *Peer, ps []wire.Payload) []wire.Payload { return with(ps, ts(true, "10.9.0.0/24")) }, want: bare, notify: wire.TSUnacceptable, reason: ike.SelectorsRefused},
		{name: "wider networks", section: "2.9", change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
			return with(ps, ts(true, "10.0.0.0/8"), ts(false, "0.0.0.0/0"))
		}, want: up},
		{name: "networks of the other family", section: "2.9", change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
			return with(ps, ts(true, "fd00::/8"), ts(false, "fd00::/8"))
		}, want: bare, notify: wire.TSUnacceptable, reason: ike.SelectorsRefused},
		{name: "one family on each side", section: "2.9", change: func(_ *Peer, ps []wire.Payload) []wire.Payload { return with(ps, ts(false, "fd00::/8")) }, want: bare, notify: wire.TSUnacceptable, reason: ike.SelectorsRefused},
		{name: "no networks at all", section: "3.13", change: func(_ *Peer, ps []wire.Payload) []wire.Payload { return with(ps, selectors(false)) }, want: bare, notify: wire.TSUnacceptable, reason: ike.SelectorsRefused},
		{name: "the packet that wants the tunnel in front", section: "2.9", want: up, change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
			return with(ps, selectors(false, tsOf(wire.TSIPv4, "10.1.0.9", "10.1.0.9", 4000, 4000), tsOf(wire.TSIPv4, "10.1.0.0", "10.1.0.255", 0, 65535)),
				selectors(true, tsOf(wire.TSIPv4, "10.2.0.9", "10.2.0.9", 80, 80), tsOf(wire.TSIPv4, "10.2.0.0", "10.2.0.255", 0, 65535)))
		}},
		{name: "addresses the wrong way round", section: "3.13.1", change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
			return with(ps, selectors(false, tsOf(wire.TSIPv4, "10.1.0.255", "10.1.0.0", 0, 65535)))
		}, want: bare, notify: wire.TSUnacceptable, reason: ike.SelectorsRefused},
		{name: "ports that are OPAQUE", section: "3.13.1", change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
			return with(ps, selectors(false, tsOf(wire.TSIPv4, "10.1.0.0", "10.1.0.255", 65535, 0)))
		}, want: bare, notify: wire.TSUnacceptable, reason: ike.SelectorsRefused},
		{name: "selectors of an unknown type beside good ones", section: "3.13.1", want: up, change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
			good, _ := wire.Find[*wire.TS](ps)
			return with(ps, selectors(false, append([]wire.TrafficSelector{{Type: 9}}, good.Selectors...)...))
		}},
	} {
		t.Run(c.name+" ("+c.section+")", func(t *testing.T) {
			b := Responder(t, config())
			b.exchangeInit()
			ps := b.Peer.Auth()
			if c.change != nil {
				ps = c.change(b.Peer, ps)
			}
			h := b.Peer.header(wire.IKEAuth, 1, false)
			if c.header != nil {
				c.header(&h)
			}
			raw := b.Peer.Seal(h, ps...)
			if c.bytes != nil {
				raw = c.bytes(bytes.Clone(raw))
			}
			m := b.answerTo(raw)
			var got outcome
			switch {
			case b.sa.Established() && b.Children() == 1:
				got = up
			case b.sa.Established():
				got = bare
			case b.Ended() != "":
				got = refused
			default:
				got = ignored
			}
			if got != c.want || b.Ended() != c.reason {
				t.Errorf("%s and %q, want %s and %q", got, b.Ended(), c.want, c.reason)
			}
			if c.notify != 0 && (m == nil || wire.FindNotify(m.Payloads, c.notify) == nil) {
				t.Errorf("the answer does not say %s", c.notify)
			}
			if m != nil && (wire.FindNotify(m.Payloads, wire.UseTransportMode) != nil || wire.FindNotify(m.Payloads, wire.IPCompSupported) != nil) {
				t.Error("what was not agreed on is answered")
			}
			if got == ignored && c.notify == 0 {
				// Anybody could have sent that: the true message must still count.
				if m := b.answerTo(b.Peer.Seal(b.Peer.header(wire.IKEAuth, 1, false), b.Peer.Auth()...)); m == nil || !b.sa.Established() {
					t.Error("the true message does not count any more (2.4)")
				}
			}
		})
	}
}

func TestWiderNetworksAreNarrowed(t *testing.T) {
	b := Responder(t, config())
	b.exchangeInit()
	m := b.ask(wire.IKEAuth, with(b.Peer.Auth(), ts(false, "0.0.0.0/0"), ts(true, "10.0.0.0/8"))...)
	want := map[bool]string{false: theirs.String(), true: ours.String()}
	for _, p := range m.Payloads {
		if got, ok := p.(*wire.TS); ok {
			s := sad.Selector{First: got.Selectors[0].Start, Last: got.Selectors[0].End, LastPort: 65535}
			if len(got.Selectors) != 1 || s.String() != want[got.Responder] {
				t.Errorf("%s, want %s (2.9)", s, want[got.Responder])
			}
		}
	}
}

func TestAuthAgainIsAnsweredWithTheSameBytes(t *testing.T) {
	b := Responder(t, config())
	b.exchangeInit()
	raw := b.Peer.Seal(b.Peer.header(wire.IKEAuth, 1, false), b.Peer.Auth()...)
	first := b.Send(raw)
	if again := b.Send(raw); len(again) != 1 || !bytes.Equal(again[0], first[0]) {
		t.Error("the same message is not answered with the same bytes (2.1)")
	}
	if other := b.Send(b.Peer.Seal(b.Peer.header(wire.IKEAuth, 1, false), b.Peer.Auth()...)); len(other) != 0 {
		t.Error("another message of the same ID is answered (2.1)")
	}
}

func TestRefusalIsRepeatedToo(t *testing.T) {
	b := Responder(t, config())
	b.exchangeInit()
	raw := b.Peer.Seal(b.Peer.header(wire.IKEAuth, 1, false), with(b.Peer.Auth(), &wire.Auth{Method: wire.AuthSharedKey, Data: random(32)})...)
	first := b.Send(raw)
	if again := b.Send(raw); len(again) != 1 || !bytes.Equal(again[0], first[0]) {
		t.Error("a lost refusal is not repeated (2.1)")
	}
	b.Wait(time.Minute)
	if b.sa.State() != ike.StateClosed {
		t.Error("who was refused is held for ever")
	}
}

func TestOtherExchangesBeforeAuth(t *testing.T) {
	for _, e := range []wire.ExchangeType{wire.CreateChildSA, wire.Informational} {
		b := Responder(t, config())
		b.exchangeInit()
		b.ask(e, b.Peer.Child(0x3000)...)
		if b.sa.Established() || b.Children() != 0 {
			t.Errorf("%s before IKE_AUTH makes something (1.2)", e)
		}
	}
}

// What an initiator must do with the answer to IKE_AUTH.
func TestAnswersToAuth(t *testing.T) {
	for _, c := range []struct {
		name, section string
		change        func(p *Peer, ps []wire.Payload) []wire.Payload
		want          outcome
		reason        ike.Code
		tells         wire.NotifyType // that the subject sends then
	}{
		{name: "as it should be", section: "1.2", want: up},
		{name: "AUTH by another key", section: "2.21.2", want: refused, reason: wrongKey, tells: wire.AuthenticationFailed,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
				return with(ps, &wire.Auth{Method: wire.AuthSharedKey, Data: random(32)})
			}},
		{name: "no AUTH", section: "1.2", change: minus(wire.TypeAuth), want: refused, reason: ike.BadMessage},
		{name: "no IDr", section: "1.2", change: minus(wire.TypeIDr), want: refused, reason: ike.BadMessage},
		{name: "another identity", section: "3.5", want: refused, reason: ike.WrongIdentity, tells: wire.AuthenticationFailed,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
				return with(ps, &wire.ID{Responder: true, IDType: 2, Data: []byte("somebody.example")})
			}},
		{name: "the right address as a name", section: "3.5", want: refused, reason: ike.WrongIdentity, tells: wire.AuthenticationFailed,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload {
				return with(ps, &wire.ID{Responder: true, IDType: 2, Data: []byte(peerAddr.Addr().String())})
			}},
		{name: "refused for good", section: "2.21.2", want: refused, reason: ike.RejectedByPeer,
			change: func(*Peer, []wire.Payload) []wire.Payload { return []wire.Payload{note(wire.AuthenticationFailed)} }},
		{name: "refused in words that nobody knows", section: "3.10.1", want: refused, reason: ike.PeerError,
			change: func(*Peer, []wire.Payload) []wire.Payload { return []wire.Payload{note(9000)} }},
		{name: "nothing in it", section: "1.2", want: refused, reason: ike.BadMessage, change: func(*Peer, []wire.Payload) []wire.Payload { return nil }},
		{name: "no child for these networks", section: "1.2", want: bare, reason: ike.SelectorsRefused,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload { return append(ps[:2:2], note(wire.TSUnacceptable)) }},
		{name: "no child of these ciphers", section: "1.2", want: bare, reason: ike.NoProposal,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload { return append(ps[:2:2], note(wire.NoProposalChosen)) }},
		{name: "no child for reasons that nobody knows", section: "1.2", want: bare, reason: ike.PeerError,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload { return append(ps[:2:2], note(9001)) }},
		{name: "a child of a cipher that was not offered", section: "2.7", want: bare, reason: ike.BadMessage, change: esp(func(p *wire.Proposal) { p.Transforms[0].KeyLength = 128 })},
		{name: "a child with two ciphers", section: "2.7", want: bare, reason: ike.BadMessage, change: esp(func(p *wire.Proposal) { p.Transforms = append(p.Transforms, p.Transforms[0]) })},
		{name: "a child with both kinds of sequence numbers", section: "2.7", want: bare, reason: ike.BadMessage, change: esp(func(p *wire.Proposal) {
			p.Transforms = append(p.Transforms, wire.Transform{Type: wire.TransformESN, ID: 1})
		})},
		{name: "a child with extended sequence numbers", section: "3.3.2", want: up, change: esp(func(p *wire.Proposal) { p.Transforms[1].ID = 1 })},
		{name: "a child by AH", section: "2.7", want: bare, reason: ike.BadMessage, change: esp(func(p *wire.Proposal) { p.Protocol = wire.ProtocolAH })},
		{name: "a child whose SPI is reserved", section: "RFC 4303 2.1", want: bare, reason: ike.BadMessage, change: esp(func(p *wire.Proposal) { p.SPI = []byte{0, 0, 0, 9} })},
		{name: "a child for wider networks than were asked for", section: "2.9", want: bare, reason: ike.SelectorsRefused,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload { return with(ps, ts(false, "10.0.0.0/8")) }},
		{name: "a child for narrower networks", section: "2.9", want: up,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload { return with(ps, ts(false, "10.2.0.128/25")) }},
		{name: "a child for no networks", section: "2.9", want: bare, reason: ike.SelectorsRefused,
			change: func(_ *Peer, ps []wire.Payload) []wire.Payload { return with(ps, selectors(false)) }},
		{name: "a child in transport mode, which was not asked for", section: "1.3.1", want: bare, reason: ike.BadMessage, change: plus(note(wire.UseTransportMode))},
		{name: "an unknown payload and notify", section: "2.5", want: up, change: plus(&wire.Unknown{PType: 201}, note(40001))},
		{name: "a lifetime of its own", section: "RFC 4478 3", want: up, change: plus(note(16403, 0, 0, 0x0e, 0x10))},
	} {
		t.Run(c.name+" ("+c.section+")", func(t *testing.T) {
			b := Initiator(t, config())
			request := b.answerInit()
			ps := b.Peer.Auth()
			if c.change != nil {
				ps = c.change(b.Peer, ps)
			}
			out := b.answerAuth(request, ps...)
			got := refused
			switch {
			case b.sa.Established() && b.Children() == 1:
				got = up
			case b.sa.Established():
				got = bare
			}
			if got != c.want || b.Ended() != c.reason {
				t.Errorf("%s and %q, want %s and %q", got, b.Ended(), c.want, c.reason)
			}
			var told bool
			for _, raw := range out {
				if m, ok := b.Peer.peek(raw); ok && c.tells != 0 {
					told = told || wire.FindNotify(m.Payloads, c.tells) != nil
				}
			}
			if told != (c.tells != 0) {
				t.Errorf("the peer was told %v", told)
			}
		})
	}
}
