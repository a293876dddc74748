package esp

import (
	"encoding/binary"

	"gatehouse/ipsec/sad"
)

// protect carries the SA out on a whole IP packet in place (RFC 4303 section
// 3.3, RFC 4302 section 3.3). The result is an IP packet again, or without its
// header what goes into UDP. false means that this packet cannot be protected
// so; the sequence number is used up all the same.
func (sa *outbound) protect(e *Engine, l lane, d *departure, seq uint64) bool {
	c := sa.at(&sa.SA, l)
	if sa.Protocol == sad.AH {
		return sa.authenticate(e, c.auth, d, seq)
	}
	return sa.encapsulate(e, c.transform, d, seq)
}

// next takes a sequence number; there is none any more when they are used up.
func (sa *outbound) next(e *Engine) (uint64, bool) {
	seq := sa.seq.Add(1)
	last, soon := sa.sequences()
	if seq < soon {
		return seq, true
	}
	if !sa.exhausted.Swap(true) {
		e.cfg.Event(sad.Event{Kind: sad.Exhausted, SA: sa.ID(), Policy: sa.Policy})
	}
	if seq <= last {
		return seq, true
	}
	sa.seq.Store(last)
	e.counters.exhausted.Add(1)
	if !sa.overflowed.Swap(true) {
		e.cfg.Event(sad.Event{Kind: sad.Overflowed, SA: sa.ID(), Policy: sa.Policy})
	}
	return 0, false
}

// encapsulate makes an ESP packet of an IP packet.
func (sa *outbound) encapsulate(e *Engine, tr transform, p *departure, seq uint64) bool {
	inner := p.bytes()
	p.shape = sa.shapeOf(inner) // before it is encrypted
	if sa.Mode == sad.Transport {
		at, next, ok := insertion(inner)
		if !ok || sa.Encap != nil && at != outerSize(sa.Local) {
			return false // options would be lost with the header
		}
		return sa.seal(e, tr, p, at, next, inner[next], seq)
	}
	next := uint8(nextIPv4)
	if is6(inner) {
		next = nextIPv6
	}
	if pad := int(sa.Outer.PadTo) - len(inner); pad > 0 {
		clear(p.buf[p.end : p.end+pad]) // traffic flow confidentiality (RFC 4303 section 2.7)
		p.end += pad
	}
	return sa.seal(e, tr, p, 0, 0, next, seq)
}

// seal makes an ESP packet (RFC 4303 section 2) of what begins at bytes into a
// packet. next is where the header in front says what follows.
func (sa *outbound) seal(e *Engine, tr transform, p *departure, at, nextAt int, next uint8, seq uint64) bool {
	end := p.end
	pad := -(end - p.start - at + 2) & (tr.block() - 1)
	for i := range pad {
		p.buf[end+i] = byte(i + 1)
	}
	end += pad
	p.buf[end], p.buf[end+1] = byte(pad), next
	end += 2
	// The header moves to the front to make room; in tunnel mode there is none.
	room := headerLen + tr.ivLen()
	copy(p.buf[p.start-room:], p.buf[p.start:p.start+at])
	p.start -= room
	esp := p.start + at
	binary.BigEndian.PutUint32(p.buf[esp:], uint32(sa.SPI))
	binary.BigEndian.PutUint32(p.buf[esp+4:], uint32(seq))
	sealed, err := tr.seal(p.buf[esp:], end-esp, seq)
	if err != nil {
		return false
	}
	p.end = esp + len(sealed)
	switch {
	case sa.Encap != nil:
		p.start = esp
	case at > 0:
		setUpper(p.bytes(), nextAt, uint8(sad.ESP))
	default:
		sa.outer(e, p)
	}
	return true
}

// authenticate makes an AH packet (RFC 4302 section 2).
func (sa *outbound) authenticate(e *Engine, auth *authenticator, p *departure, seq uint64) bool {
	inner := p.bytes()
	p.shape = sa.shapeOf(inner)
	size := auth.size(sa.Local.Is6())
	if sa.Mode == sad.Transport {
		at, nextAt, ok := insertion(inner)
		if !ok {
			return false
		}
		next := inner[nextAt]
		copy(p.buf[p.start-size:], inner[:at])
		p.start -= size
		setUpper(p.bytes(), nextAt, uint8(sad.AH))
		return auth.seal(p.bytes(), at, next, uint32(sa.SPI), seq) == nil
	}
	next := uint8(nextIPv4)
	if is6(inner) {
		next = nextIPv6
	}
	p.start -= size
	sa.outer(e, p)
	return auth.seal(p.bytes(), outerSize(sa.Local), next, uint32(sa.SPI), seq) == nil
}

// outer puts the tunnel's header in front.
func (sa *outbound) outer(e *Engine, p *departure) {
	p.start -= outerSize(sa.Local)
	prependOuter(p.bytes(), p.shape, &sa.SA, uint16(e.identification.Add(1)))
}
