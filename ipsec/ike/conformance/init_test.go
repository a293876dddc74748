package conformance

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/wire"
)

// What a responder must do with a first message. want is empty where it goes on,
// "silence", or the notify that it answers with.
type initCase struct {
	name, section string
	change        func(p *Peer, m *wire.Message) // before it is built
	bytes         func(raw []byte) []byte        // after
	want          string
}

const silence = "silence"

func transforms(m *wire.Message) *[]wire.Transform {
	sa, _ := wire.Find[*wire.SA](m.Payloads)
	return &sa.Proposals[0].Transforms
}

func replaceKE(p *Peer, m *wire.Message, g crypto.GroupID, data []byte) {
	p.suite.Group = g
	(*transforms(m))[2].ID = uint16(g)
	m.Payloads = with(m.Payloads, &wire.KeyExchange{Group: uint16(g), Data: data})
}

func add(ps ...wire.Payload) func(*Peer, *wire.Message) {
	return func(_ *Peer, m *wire.Message) { m.Payloads = append(m.Payloads, ps...) }
}

func lacks(t wire.PayloadType) func(*Peer, *wire.Message) {
	return func(_ *Peer, m *wire.Message) { m.Payloads = without(m.Payloads, t) }
}

func nonce(n int) func(*Peer, *wire.Message) {
	return func(p *Peer, m *wire.Message) {
		p.ni = random(n)
		m.Payloads = with(m.Payloads, &wire.Nonce{Data: p.ni})
	}
}

func at(i int, b byte) func([]byte) []byte {
	return func(raw []byte) []byte { raw[i] = b; return raw }
}

var initCases = []initCase{
	{name: "a message as it should be", section: "1.2"},
	{name: "a minor version of ours is not known", section: "2.5", bytes: at(17, 0x25)},
	{name: "a higher major version", section: "2.5", bytes: at(17, 0x30), want: "INVALID_MAJOR_VERSION"},
	{name: "the major version of IKEv1", section: "2.5", bytes: at(17, 0x10), want: silence},
	{name: "the sender could speak a higher version", section: "3.1", bytes: at(19, 0x18)},
	{name: "reserved flags are set", section: "3.1", bytes: at(19, 0x08|0xc7)},
	{name: "reserved bits of a payload are set", section: "3.2", bytes: at(29, 0x7f)},
	{name: "a payload that everybody knows is marked critical", section: "3.2", bytes: at(29, 0x80)},
	{name: "it calls itself a response", section: "2.2", bytes: at(19, 0x28), want: silence},
	{name: "it calls itself a responder's", section: "2.2", bytes: at(19, 0x00), want: silence},
	{name: "its message ID is not zero", section: "2.2", bytes: at(23, 1), want: silence},
	{name: "its SPI is zero", section: "3.1", bytes: func(raw []byte) []byte { clear(raw[:8]); return raw }, want: silence},
	{name: "it has a responder's SPI already", section: "3.1", bytes: at(15, 1), want: silence},
	{name: "it says that it is longer than it is", section: "3.1", bytes: func(raw []byte) []byte { raw[27]++; return raw }, want: silence},
	{name: "it says that it is shorter than it is", section: "3.1", bytes: func(raw []byte) []byte { raw[27]--; return raw }, want: silence},
	{name: "bytes follow it", section: "3.1", bytes: func(raw []byte) []byte { return append(raw, 0, 0, 0, 0) }, want: silence},
	{name: "a header alone", section: "3.1", bytes: func(raw []byte) []byte {
		raw = raw[:28]
		raw[16] = 0
		binary.BigEndian.PutUint32(raw[24:], 28)
		return raw
	}, want: "INVALID_SYNTAX"},
	{name: "half a header", section: "3.1", bytes: func(raw []byte) []byte { return raw[:14] }, want: silence},
	{name: "a payload is longer than the message", section: "3.2", bytes: at(30, 0x7f), want: "INVALID_SYNTAX"},
	{name: "a payload has a length of three", section: "3.2", bytes: func(raw []byte) []byte { raw[30], raw[31] = 0, 3; return raw }, want: "INVALID_SYNTAX"},
	{name: "no SA", section: "1.2", change: lacks(wire.TypeSA), want: "INVALID_SYNTAX"},
	{name: "no KE", section: "1.2", change: lacks(wire.TypeKE), want: "INVALID_SYNTAX"},
	{name: "no Nonce", section: "1.2", change: lacks(wire.TypeNonce), want: "INVALID_SYNTAX"},
	{name: "a nonce of 16 bytes", section: "3.9", change: nonce(16)},
	{name: "a nonce of 256 bytes", section: "3.9", change: nonce(256)},
	{name: "a nonce of 15 bytes", section: "3.9", change: nonce(15), want: "INVALID_SYNTAX"},
	{name: "a nonce of 257 bytes", section: "3.9", change: nonce(257), want: "INVALID_SYNTAX"},
	{name: "an unknown payload", section: "2.5", change: add(&wire.Unknown{PType: 200, Data: []byte{1, 2, 3}})},
	{name: "an unknown critical payload", section: "2.5", change: add(&wire.Unknown{PType: 200, Critical: true}), want: "UNSUPPORTED_CRITICAL_PAYLOAD"},
	{name: "a vendor ID", section: "3.12", change: add(&wire.VendorID{Data: []byte("some vendor")})},
	{name: "twenty vendor IDs", section: "3.12", change: func(_ *Peer, m *wire.Message) {
		for range 20 {
			m.Payloads = append(m.Payloads, &wire.VendorID{Data: random(16)})
		}
	}},
	{name: "a hundred payloads", section: "2.5", change: func(_ *Peer, m *wire.Message) {
		for range 100 {
			m.Payloads = append(m.Payloads, &wire.VendorID{Data: []byte{1}})
		}
	}, want: "INVALID_SYNTAX"},
	{name: "an unknown status notify", section: "3.10.1", change: add(note(40000, 1, 2))},
	{name: "an unknown error notify", section: "3.10.1", change: add(note(9000))},
	{name: "a cookie that nobody asked for", section: "2.6", change: func(_ *Peer, m *wire.Message) {
		m.Payloads = append([]wire.Payload{note(wire.Cookie, 1, 2, 3, 4, 5, 6, 7, 8)}, m.Payloads...)
	}},
	{name: "nothing that we accept", section: "2.7", change: func(_ *Peer, m *wire.Message) { (*transforms(m))[0].ID = uint16(crypto.Encr3DES) }, want: "NO_PROPOSAL_CHOSEN"},
	{name: "a cipher without its key length", section: "3.3.5", change: func(_ *Peer, m *wire.Message) { (*transforms(m))[0].KeyLength = 0 }, want: "NO_PROPOSAL_CHOSEN"},
	{name: "a cipher with a key length that it cannot have", section: "3.3.5", change: func(_ *Peer, m *wire.Message) { (*transforms(m))[0].KeyLength = 200 }, want: "NO_PROPOSAL_CHOSEN"},
	{name: "no PRF", section: "3.3.3", change: func(_ *Peer, m *wire.Message) { t := transforms(m); *t = slices.Delete(*t, 1, 2) }, want: "NO_PROPOSAL_CHOSEN"},
	{name: "no group", section: "3.3.3", change: func(_ *Peer, m *wire.Message) { t := transforms(m); *t = slices.Delete(*t, 2, 3) }, want: "NO_PROPOSAL_CHOSEN"},
	{name: "an unknown cipher beside a known one", section: "3.3.6", change: func(_ *Peer, m *wire.Message) {
		t := transforms(m)
		*t = append([]wire.Transform{{Type: wire.TransformEncryption, ID: 9999}}, *t...)
	}},
	{name: "a transform of an unknown type", section: "3.3.6", change: func(_ *Peer, m *wire.Message) { t := transforms(m); *t = append(*t, wire.Transform{Type: 99, ID: 1}) }, want: "NO_PROPOSAL_CHOSEN"},
	{name: "a proposal of an unknown protocol in front", section: "3.3.1", change: func(p *Peer, m *wire.Message) {
		sa, _ := wire.Find[*wire.SA](m.Payloads)
		odd := ikeProposal(p.suite, nil)
		odd.Protocol = 77
		good := sa.Proposals[0]
		good.Number = 2
		sa.Proposals = []wire.Proposal{odd, good}
	}},
	{name: "a proposal for ESP", section: "3.3.1", change: func(_ *Peer, m *wire.Message) {
		sa, _ := wire.Find[*wire.SA](m.Payloads)
		sa.Proposals[0].Protocol = wire.ProtocolESP
	}, want: "NO_PROPOSAL_CHOSEN"},
	{name: "an SPI of 250 bytes in the proposal, which took another implementation down", section: "3.3.1", change: func(_ *Peer, m *wire.Message) {
		sa, _ := wire.Find[*wire.SA](m.Payloads)
		sa.Proposals[0].SPI = random(250)
	}},
	{name: "the SPI of the proposal is longer than the proposal", section: "3.3.1", bytes: func(raw []byte) []byte { raw[38] = 250; return raw }, want: "INVALID_SYNTAX"},
	{name: "more transforms are announced than there are", section: "3.3.1", bytes: func(raw []byte) []byte { raw[39] = 200; return raw }, want: "INVALID_SYNTAX"},
	{name: "the group of KE is not the first choice", section: "2.7", change: func(p *Peer, m *wire.Message) {
		t := transforms(m)
		*t = append(*t, wire.Transform{Type: wire.TransformGroup, ID: uint16(crypto.GroupECP256)})
		p.newKE(crypto.GroupECP256)
		m.Payloads = with(m.Payloads, &wire.KeyExchange{Group: uint16(crypto.GroupECP256), Data: p.kx.Public()})
	}},
	{name: "KE of a group that is not offered", section: "1.2", change: func(p *Peer, m *wire.Message) {
		m.Payloads = with(m.Payloads, &wire.KeyExchange{Group: 2, Data: random(128)})
	}, want: "INVALID_KE_PAYLOAD"},
	{name: "KE of X25519 that is too short", section: "RFC 8031 3.1", change: func(p *Peer, m *wire.Message) { replaceKE(p, m, crypto.GroupX25519, random(31)) }, want: "INVALID_SYNTAX"},
	{name: "KE of X25519 that is all zeros", section: "RFC 8031 3.2", change: func(p *Peer, m *wire.Message) { replaceKE(p, m, crypto.GroupX25519, make([]byte, 32)) }, want: "INVALID_SYNTAX"},
	{name: "KE that is no point of P-256", section: "RFC 6989 2.3", change: func(p *Peer, m *wire.Message) { replaceKE(p, m, crypto.GroupECP256, bytes.Repeat([]byte{7}, 64)) }, want: "INVALID_SYNTAX"},
	{name: "KE of modp2048 that is zero", section: "RFC 6989 2.1", change: func(p *Peer, m *wire.Message) { replaceKE(p, m, crypto.GroupMODP2048, make([]byte, 256)) }, want: "INVALID_SYNTAX"},
	{name: "KE of modp2048 that is one", section: "RFC 6989 2.1", change: func(p *Peer, m *wire.Message) {
		replaceKE(p, m, crypto.GroupMODP2048, append(make([]byte, 255), 1))
	}, want: "INVALID_SYNTAX"},
	{name: "KE of modp2048 that is too large", section: "RFC 6989 2.1", change: func(p *Peer, m *wire.Message) {
		replaceKE(p, m, crypto.GroupMODP2048, bytes.Repeat([]byte{0xff}, 256))
	}, want: "INVALID_SYNTAX"},
	{name: "KE of modp2048 without its leading zeros", section: "3.4", change: func(p *Peer, m *wire.Message) { replaceKE(p, m, crypto.GroupMODP2048, random(255)) }, want: "INVALID_SYNTAX"},
	{name: "NAT_DETECTION of twenty sources", section: "2.23", change: func(_ *Peer, m *wire.Message) {
		for range 20 {
			m.Payloads = append(m.Payloads, note(wire.NATDetectionSourceIP, random(20)...))
		}
	}},
	{name: "NAT_DETECTION of the wrong length", section: "2.23", change: add(note(wire.NATDetectionSourceIP, 1), note(wire.NATDetectionDestIP))},
	{name: "an SK payload in clear surroundings", section: "1.2", change: add(&wire.Encrypted{First: wire.TypeNotify, Data: random(40)})},
	{name: "a fragment", section: "RFC 7383 2.1", change: add(&wire.Fragment{First: wire.TypeNotify, Number: 1, Total: 2, Data: random(40)})},
	{name: "fragment 3 of 2", section: "RFC 7383 2.5", change: add(&wire.Fragment{Number: 3, Total: 2}), want: "INVALID_SYNTAX"},
	{name: "IKE_AUTH's payloads come too early", section: "1.2", change: add(ts(false, "10.0.0.0/8"), ts(true, "10.0.0.0/8"))},
}

func TestFirstMessages(t *testing.T) {
	for _, c := range initCases {
		t.Run(c.name+" ("+c.section+")", func(t *testing.T) {
			b := Responder(t, config())
			m := b.Peer.Init()
			if c.change != nil {
				c.change(b.Peer, m)
			}
			raw, err := m.Marshal()
			if err != nil {
				// What wire refuses to build is built by hand.
				raw = byHand(t, m)
			}
			if c.bytes != nil {
				raw = c.bytes(raw)
			}
			out := b.Send(raw)
			got := silence
			if len(out) > 0 {
				answer, err := wire.Parse(out[0])
				if err != nil {
					t.Fatal(err)
				}
				got = ""
				if n := wire.FirstError(answer.Payloads); n != nil {
					got = n.NotifyType.String()
				}
				if got != "" && answer.Header.SPIr != 0 {
					t.Error("a refusal names an IKE SA that is not there")
				}
			}
			if len(out) > 1 || got != c.want {
				t.Errorf("%d answers, %q, want %q", len(out), got, c.want)
			}
			if c.want == "" && got == "" {
				b.Peer.keyed(raw, out[0])
				if m := b.ask(wire.IKEAuth, b.Peer.Auth()...); m == nil || !b.sa.Established() {
					t.Errorf("it does not go on: %v", m)
				}
			}
		})
	}
}

// byHand builds messages that wire does not: nonces of a forbidden length, too many
// payloads.
func byHand(t *testing.T, m *wire.Message) []byte {
	t.Helper()
	var body []byte
	for i, p := range m.Payloads {
		next := wire.NoNext
		if i+1 < len(m.Payloads) {
			next = m.Payloads[i+1].Type()
		}
		var content []byte
		switch p := p.(type) {
		case *wire.Nonce:
			content = p.Data
		default:
			_, whole, err := wire.MarshalPayloads([]wire.Payload{p})
			if err != nil {
				t.Fatal(err)
			}
			content = whole[4:]
		}
		body = append(body, byte(next), 0)
		body = append(binary.BigEndian.AppendUint16(body, uint16(len(content)+4)), content...)
	}
	empty := wire.Message{Header: m.Header}
	raw, err := empty.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	raw[16] = byte(m.Payloads[0].Type())
	raw = append(raw, body...)
	binary.BigEndian.PutUint32(raw[24:], uint32(len(raw)))
	return raw
}

func TestFirstMessageAgain(t *testing.T) {
	b := Responder(t, config())
	m := b.Peer.Init()
	raw, _ := m.Marshal()
	first := b.Send(raw)
	if again := b.Send(raw); len(again) != 1 || !bytes.Equal(again[0], first[0]) {
		t.Error("the same message is not answered with the same bytes (2.1)")
	}
	m.Payloads = append(m.Payloads, &wire.VendorID{Data: []byte("x")})
	other, _ := m.Marshal()
	if out := b.Send(other); len(out) != 0 {
		t.Error("another message of the same SPI is answered (2.1)")
	}
}

func TestNATs(t *testing.T) {
	hash := func(p *Peer, a netip.AddrPort) []byte {
		h := sha1.New()
		h.Write(binary.BigEndian.AppendUint64(nil, p.SPIi))
		h.Write(binary.BigEndian.AppendUint64(nil, p.SPIr))
		h.Write(a.Addr().AsSlice())
		h.Write(binary.BigEndian.AppendUint16(nil, a.Port()))
		return h.Sum(nil)
	}
	other := netip.MustParseAddrPort("10.9.9.9:500")
	for name, c := range map[string]struct {
		sources, destinations []netip.AddrPort
		nat                   bool
	}{
		"nothing is said":                 {nil, nil, false},
		"both are as they are seen":       {[]netip.AddrPort{peerAddr}, []netip.AddrPort{subjectAddr}, false},
		"the peer is behind one":          {[]netip.AddrPort{other}, []netip.AddrPort{subjectAddr}, true},
		"the subject is behind one":       {[]netip.AddrPort{peerAddr}, []netip.AddrPort{other}, true},
		"one of several addresses fits":   {[]netip.AddrPort{other, peerAddr}, []netip.AddrPort{subjectAddr}, false},
		"none of several addresses fits":  {[]netip.AddrPort{other, other}, []netip.AddrPort{subjectAddr}, true},
		"the port was changed on the way": {[]netip.AddrPort{netip.AddrPortFrom(peerAddr.Addr(), 501)}, []netip.AddrPort{subjectAddr}, true},
	} {
		t.Run(name+" (2.23)", func(t *testing.T) {
			b := Responder(t, config())
			m := b.Peer.Init()
			for _, a := range c.sources {
				m.Payloads = append(m.Payloads, note(wire.NATDetectionSourceIP, hash(b.Peer, a)...))
			}
			for _, a := range c.destinations {
				m.Payloads = append(m.Payloads, note(wire.NATDetectionDestIP, hash(b.Peer, a)...))
			}
			raw, _ := m.Marshal()
			b.Peer.keyed(raw, b.Send(raw)[0])
			b.ask(wire.IKEAuth, b.Peer.Auth()...)
			for _, sa := range b.plane {
				if (sa.Encap != nil) != c.nat {
					t.Errorf("ESP in UDP %v, want %v", sa.Encap != nil, c.nat)
				}
			}
			if len(b.plane) != 2 {
				t.Errorf("%d SAs", len(b.plane))
			}
		})
	}
}

// What an initiator must do with the answer to its first message.
func TestFirstAnswers(t *testing.T) {
	weak := suite
	weak.KeyBits = 128
	notify := func(n *wire.Notify) func(*Peer, *wire.Message) {
		return func(_ *Peer, m *wire.Message) { m.Header.SPIr, m.Payloads = 0, []wire.Payload{n} }
	}
	for _, c := range []struct {
		name, section string
		change        func(p *Peer, m *wire.Message)
		bytes         func(raw []byte) []byte
		from          netip.AddrPort
		// The subject goes on with IKE_AUTH, calls again, waits, or ends.
		auth, again bool
		ended       ike.Code
	}{
		{name: "an answer as it should be", section: "1.2", auth: true},
		{name: "it comes from somebody else", section: "2.11", from: netip.MustParseAddrPort("192.0.2.66:500")},
		{name: "it has no SPI of the responder", section: "3.1", change: func(_ *Peer, m *wire.Message) { m.Header.SPIr = 0 }},
		{name: "it is for another SPI", section: "3.1", bytes: at(0, 0)},
		{name: "it calls itself an initiator's", section: "2.2", bytes: at(19, 0x28)},
		{name: "its message ID is one", section: "2.2", bytes: at(23, 1)},
		{name: "it is cut off", section: "3.1", bytes: func(raw []byte) []byte { return raw[:50] }},
		{name: "no SA", section: "1.2", change: lacks(wire.TypeSA)},
		{name: "no KE", section: "1.2", change: lacks(wire.TypeKE)},
		{name: "no Nonce", section: "1.2", change: lacks(wire.TypeNonce)},
		{name: "a weaker cipher than was offered", section: "2.7", ended: ike.BadMessage, change: func(_ *Peer, m *wire.Message) {
			(*transforms(m))[0].KeyLength = 128
		}},
		{name: "two proposals", section: "2.7", ended: ike.BadMessage, change: func(p *Peer, m *wire.Message) {
			sa, _ := wire.Find[*wire.SA](m.Payloads)
			sa.Proposals = append(sa.Proposals, ikeProposal(p.suite, nil))
		}},
		{name: "two ciphers in one proposal", section: "2.7", ended: ike.BadMessage, change: func(_ *Peer, m *wire.Message) {
			t := transforms(m)
			*t = append(*t, (*t)[0])
		}},
		{name: "a transform less than was offered", section: "2.7", ended: ike.BadMessage, change: func(_ *Peer, m *wire.Message) {
			t := transforms(m)
			*t = (*t)[:2]
		}},
		{name: "KE of another group than the chosen one", section: "3.4", ended: ike.BadMessage, change: func(_ *Peer, m *wire.Message) {
			m.Payloads = with(m.Payloads, &wire.KeyExchange{Group: uint16(crypto.GroupECP256), Data: random(64)})
		}},
		{name: "a group that was offered, but not sent", section: "1.2", ended: ike.BadMessage, change: func(p *Peer, m *wire.Message) {
			p.newKE(crypto.GroupECP256)
			(*transforms(m))[2].ID = uint16(crypto.GroupECP256)
			m.Payloads = with(m.Payloads, &wire.KeyExchange{Group: uint16(crypto.GroupECP256), Data: p.kx.Public()})
		}},
		{name: "KE of zeros", section: "RFC 8031 3.2", ended: ike.BadMessage, change: func(p *Peer, m *wire.Message) {
			m.Payloads = with(m.Payloads, &wire.KeyExchange{Group: uint16(crypto.GroupX25519), Data: make([]byte, 32)})
		}},
		{name: "a cookie", section: "2.6", again: true, change: notify(note(wire.Cookie, random(32)...))},
		{name: "a cookie of 64 bytes", section: "2.6", again: true, change: notify(note(wire.Cookie, random(64)...))},
		{name: "a cookie of 65 bytes", section: "2.6", change: notify(note(wire.Cookie, random(65)...))},
		{name: "an empty cookie", section: "2.6", change: notify(note(wire.Cookie))},
		{name: "another group is wanted", section: "1.2", again: true, change: notify(note(wire.InvalidKEPayload, 0, byte(crypto.GroupECP256)))},
		{name: "a group is wanted that was not offered", section: "1.2", ended: ike.NoProposal, change: notify(note(wire.InvalidKEPayload, 0, 2))},
		{name: "the very group is wanted that was sent", section: "1.2", ended: ike.NoProposal, change: notify(note(wire.InvalidKEPayload, 0, byte(crypto.GroupX25519)))},
		{name: "half a group is wanted", section: "3.10.1", change: notify(note(wire.InvalidKEPayload, 2))},
		{name: "nothing of the offer is accepted", section: "2.7", ended: ike.NoProposal, change: notify(note(wire.NoProposalChosen))},
		{name: "an error that nobody knows", section: "3.10.1", ended: ike.PeerError, change: notify(note(9000))},
		{name: "another major version is spoken", section: "2.5", ended: ike.PeerError, change: notify(note(wire.InvalidMajorVersion))},
		{name: "an unknown payload and a vendor's", section: "2.5", auth: true, change: add(&wire.Unknown{PType: 201}, &wire.VendorID{Data: []byte("v")})},
		{name: "a request for certificates", section: "3.7", auth: true, change: add(&wire.CertRequest{Encoding: 4})},
	} {
		t.Run(c.name+" ("+c.section+")", func(t *testing.T) {
			b := Initiator(t, config())
			request := b.take()[0]
			h, _ := wire.ParseHeader(request)
			b.Peer.SPIi = h.SPIi
			m := b.Peer.Init()
			if c.change != nil {
				c.change(b.Peer, m)
			}
			raw, err := m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if c.bytes != nil {
				raw = c.bytes(raw)
			}
			if c.from.IsValid() {
				b.from = c.from
			}
			out := b.Send(raw)
			var auth, again bool
			for _, o := range out {
				got, _ := wire.ParseHeader(o)
				auth = auth || got.Exchange == wire.IKEAuth
				if got.Exchange == wire.IKESAInit {
					again = true
					if got.MessageID != 0 || got.SPIi != h.SPIi || got.SPIr != 0 {
						t.Errorf("called again with %+v (2.2)", got)
					}
				}
			}
			if auth != c.auth || again != c.again || b.Ended() != c.ended {
				t.Errorf("went on %v, called again %v, ended %q; want %v, %v, %q", auth, again, b.Ended(), c.auth, c.again, c.ended)
			}
			if !c.auth && !c.again && c.ended == "" {
				// Anybody could have sent that: the true answer must still count.
				b.from = peerAddr
				good, _ := b.Peer.Init().Marshal()
				if out := b.Send(good); len(out) != 1 {
					t.Error("the true answer does not count any more (2.4)")
				}
			}
		})
	}
}

func TestCookieComesFirstAndNothingElseChanges(t *testing.T) {
	b := Initiator(t, config())
	first, _ := wire.Parse(b.take()[0])
	cookie := random(20)
	b.Peer.SPIi = first.Header.SPIi
	m := b.Peer.Init()
	m.Header.SPIr, m.Payloads = 0, []wire.Payload{note(wire.Cookie, cookie...)}
	raw, _ := m.Marshal()
	second, err := wire.Parse(b.Send(raw)[0])
	if err != nil {
		t.Fatal(err)
	}
	n, ok := second.Payloads[0].(*wire.Notify)
	if !ok || n.NotifyType != wire.Cookie || !bytes.Equal(n.Data, cookie) {
		t.Errorf("it does not begin with the cookie (2.6)")
	}
	for i, p := range first.Payloads {
		_, a, _ := wire.MarshalPayloads([]wire.Payload{p})
		_, b, _ := wire.MarshalPayloads([]wire.Payload{second.Payloads[i+1]})
		if !bytes.Equal(a, b) {
			t.Errorf("%s changed with the cookie (2.6)", p.Type())
		}
	}
}

func TestCookiesAndGroupsForEver(t *testing.T) {
	b := Initiator(t, config())
	h, _ := wire.ParseHeader(b.take()[0])
	b.Peer.SPIi = h.SPIi
	groups := []byte{byte(crypto.GroupECP256), byte(crypto.GroupX25519)}
	for i := range 20 {
		m := b.Peer.Init()
		m.Header.SPIr, m.Payloads = 0, []wire.Payload{note(wire.Cookie, random(20)...)}
		if i%2 == 0 {
			m.Payloads = []wire.Payload{note(wire.InvalidKEPayload, 0, groups[i/2%2])}
		}
		raw, _ := m.Marshal()
		b.Send(raw)
	}
	if b.Ended() != ike.BadMessage {
		t.Errorf("ended %q; a peer keeps it calling for ever (2.6.1)", b.Ended())
	}
}

func TestSilenceIsCalledAgainWithTheSameBytesThenGivenUp(t *testing.T) {
	b := Initiator(t, config())
	first := b.take()[0]
	again := b.Wait(5 * time.Minute)
	for _, raw := range again {
		if !bytes.Equal(raw, first) {
			t.Error("a retransmit has other bytes (2.1)")
		}
	}
	if len(again) < 3 || b.Ended() != ike.NoAnswer {
		t.Errorf("%d retransmits, ended %q", len(again), b.Ended())
	}
}
