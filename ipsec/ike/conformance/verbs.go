package conformance

import (
	"net/netip"
	"slices"

	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// What cases are made of.

// ts is a TS payload of networks.
func ts(responder bool, networks ...string) *wire.TS {
	p := &wire.TS{Responder: responder}
	for _, n := range networks {
		s := sad.SelectorFromPrefix(netip.MustParsePrefix(n))
		kind := wire.TSIPv4
		if s.First.Is6() {
			kind = wire.TSIPv6
		}
		p.Selectors = append(p.Selectors, wire.TrafficSelector{Type: kind, EndPort: 65535, Start: s.First, End: s.Last})
	}
	return p
}

// without leaves out the payloads of a type.
func without(ps []wire.Payload, t wire.PayloadType) []wire.Payload {
	return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool { return p.Type() == t })
}

// with puts payloads in place of those of their types.
func with(ps []wire.Payload, more ...wire.Payload) []wire.Payload {
	out := slices.Clone(ps)
	for _, m := range more {
		if i := slices.IndexFunc(out, func(p wire.Payload) bool { return p.Type() == m.Type() && p.Type() != wire.TypeNotify }); i >= 0 {
			out[i] = m
			continue
		}
		out = append(out, m)
	}
	return out
}

func note(t wire.NotifyType, data ...byte) *wire.Notify {
	return &wire.Notify{NotifyType: t, Data: data}
}

// initiate plays IKE_SA_INIT and IKE_AUTH as a good caller does.
func (b *Bench) initiate() {
	b.t.Helper()
	b.exchangeInit()
	m := b.ask(wire.IKEAuth, b.Peer.Auth()...)
	if m == nil || wire.FirstError(m.Payloads) != nil || !b.sa.Established() {
		b.t.Fatalf("a good peer is not let in: %v", m)
	}
}

// exchangeInit plays IKE_SA_INIT alone.
func (b *Bench) exchangeInit() {
	b.t.Helper()
	request, err := b.Peer.Init().Marshal()
	if err != nil {
		b.t.Fatal(err)
	}
	out := b.Send(request)
	if len(out) != 1 {
		b.t.Fatalf("%d answers to IKE_SA_INIT", len(out))
	}
	b.Peer.keyed(request, out[0])
}

// ask sends a request, and gives the answer, opened; nil if there is none.
func (b *Bench) ask(e wire.ExchangeType, ps ...wire.Payload) *wire.Message {
	b.t.Helper()
	return b.answerTo(b.Peer.Seal(b.Peer.header(e, b.Peer.ID, false), ps...))
}

// answerTo sends a protected request as it is.
func (b *Bench) answerTo(raw []byte) *wire.Message {
	b.t.Helper()
	for _, out := range b.Send(raw) {
		h, err := wire.ParseHeader(out)
		if err != nil || !h.Response() {
			continue
		}
		if m, ok := b.Peer.peek(out); ok {
			b.Peer.ID++
			return m
		}
		b.t.Fatalf("an answer that the peer cannot open")
	}
	return nil
}

// answer plays the part of who is called: IKE_SA_INIT, then IKE_AUTH. It returns what
// the subject sends then.
func (b *Bench) answer() [][]byte {
	b.t.Helper()
	out := b.answerInit()
	return b.answerAuth(out, b.Peer.Auth()...)
}

// answerInit answers the subject's first message well, and returns its IKE_AUTH.
func (b *Bench) answerInit() []byte {
	b.t.Helper()
	request := b.take()[0]
	h, err := wire.ParseHeader(request)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Peer.SPIi = h.SPIi
	response, err := b.Peer.Init().Marshal()
	if err != nil {
		b.t.Fatal(err)
	}
	b.Peer.keyed(request, response)
	out := b.Send(response)
	if len(out) != 1 {
		b.t.Fatalf("%d messages after IKE_SA_INIT, want IKE_AUTH", len(out))
	}
	return out[0]
}

// answerAuth answers IKE_AUTH.
func (b *Bench) answerAuth(request []byte, ps ...wire.Payload) [][]byte {
	b.t.Helper()
	m, ok := b.Peer.peek(request)
	if !ok {
		b.t.Fatal("the subject's IKE_AUTH cannot be opened")
	}
	b.Peer.ID = 0
	return b.Send(b.Peer.Seal(b.Peer.header(wire.IKEAuth, m.Header.MessageID, true), ps...))
}
