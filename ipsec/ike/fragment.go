package ike

import (
	"bytes"

	"gatehouse/ipsec/wire"
)

// Fragmentation of messages (RFC 7383): what is too long for a network that drops
// the fragments of IP goes in several datagrams, each sealed by itself. Both sides
// must have said in IKE_SA_INIT that they can. A message in pieces is sent again
// whole, all pieces, and answered again once, when its first piece comes.

// maxDatagram is how long an IKE message may get before it is cut: with the marker
// of UDP 4500 and the longest headers it still fits into 1280 bytes, which every
// IPv6 link carries, and nearly every IPv4 one.
const maxDatagram = 1280 - 40 - 8 - 4

// pieces are what has come of one message.
type pieces struct {
	id    uint32
	total uint16
	first wire.PayloadType
	parts [][]byte
	have  int
	size  int
	// head is piece 1 as it came: who sends it again wants the answer again.
	head []byte
}

// fragmentNotify says that we can.
func fragmentNotify() wire.Payload { return &wire.Notify{NotifyType: wire.FragmentationSupported} }

// sealed builds a protected message, in pieces if it must be and may be, or ends
// the IKE SA if that fails.
func (sa *SA) sealed(g *generation, h wire.Header, ps []wire.Payload) [][]byte {
	limit := wire.MaxMessage
	if sa.fragments {
		limit = maxDatagram
	}
	raws, err := wire.SealFragments(h, ps, wire.Sealer{
		Len:  g.seal.SealedLen,
		Seal: func(ad, plain []byte) ([]byte, error) { return g.seal.Seal(sa.env.Rand, ad, plain) },
	}, limit)
	if err != nil {
		sa.fail(Reason{Code: InternalError, Detail: err.Error()})
		return nil
	}
	return raws
}

// gather takes one piece, and gives the message when it is whole: authentic says
// that the piece is genuine, m is nil while others are missing. A piece that is not
// genuine changes nothing: each is opened before it is kept (section 2.6). d becomes
// the first piece, which stands for all.
func (sa *SA) gather(g *generation, d *Datagram, h wire.Header) (m *wire.Message, authentic bool, err error) {
	f, err := wire.ParseFragment(d.Data)
	if err != nil || !sa.fragments {
		return nil, false, nil
	}
	held := &g.requestIn
	if h.Response() {
		held = &g.responseIn
	}
	p := *held
	if p != nil && p.id == h.MessageID {
		// The sender cuts smaller when nothing gets through: then all begins anew.
		if f.Total < p.total || f.Total == p.total && p.parts[f.Number-1] != nil {
			return nil, false, nil
		}
	}
	plain, err := f.Open(d.Data, g.open.Open)
	if err != nil {
		return nil, false, nil
	}
	if p == nil || p.id != h.MessageID || f.Total > p.total {
		p = &pieces{id: h.MessageID, total: f.Total, parts: make([][]byte, f.Total)}
		*held = p
	}
	if p.size += len(plain); p.size > wire.MaxMessage {
		*held = nil
		return nil, false, nil
	}
	p.parts[f.Number-1] = append([]byte{}, plain...)
	p.have++
	if f.Number == 1 {
		p.first, p.head = f.First, d.Data
	}
	if p.have < int(p.total) {
		return nil, true, nil
	}
	*held = nil
	d.Data = p.head
	sa.inside.first, sa.inside.plain = p.first, bytes.Join(p.parts, nil)
	m, err = wire.ParseInside(h, p.first, sa.inside.plain)
	return m, true, err
}
