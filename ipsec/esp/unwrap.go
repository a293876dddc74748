package esp

import (
	"encoding/binary"

	"gatehouse/ipsec/sad"
)

// Opening a packet has three steps: number, decrypt and finish. The first and the
// last use the SA's window and are for the one who owns it at the time; the one
// between is not.

// number finds the whole sequence number of the ESP or AH packet at b[at:] and
// refuses one that cannot be new.
func (sa *inbound) number(b []byte, at int) (uint64, sad.Refusal) {
	low := binary.BigEndian.Uint32(b[at+4:])
	if sa.Protocol == sad.AH {
		low = binary.BigEndian.Uint32(b[at+8:])
	}
	seq, ok := uint64(low), true
	if sa.window == nil {
		return seq, sad.NotRefused
	}
	if sa.ESN {
		seq, ok = sa.window.extend(low)
	}
	if !ok || !sa.window.fresh(seq) {
		return 0, sad.ReplayedPacket
	}
	return seq, sad.NotRefused
}

// decrypt checks that the packet is genuine, and decrypts it in place (RFC 4303
// section 3.4.4, RFC 4302 section 3.4.4).
func (a *arrival) decrypt(l lane) {
	c := a.sa.at(&a.sa.SA, l)
	var err error
	if a.sa.Protocol == sad.AH {
		a.auth, err = c.auth.open(a.bytes(), a.at, uint32(a.seq>>32))
	} else {
		a.plain, err = c.transform.open(a.buf[a.start+a.at:a.end], uint32(a.seq>>32))
	}
	if err != nil {
		a.why = sad.BadICV
	}
}

// finish takes a genuine packet out of its protection. What is left is an IP
// packet again, or nothing.
func (a *arrival) finish() sad.Refusal {
	if a.why != sad.NotRefused {
		return a.why
	}
	if w := a.sa.window; w != nil && !w.fresh(a.seq) {
		return sad.ReplayedPacket // the same one came twice in a batch
	}
	a.sa.accept(a.seq)
	if a.sa.Protocol == sad.AH {
		return a.withoutAH()
	}
	return a.withoutESP()
}

// withoutESP takes header and trailer away (RFC 4303 section 3.4). at is 0 for a
// packet that came in UDP, without an IP header.
func (a *arrival) withoutESP() sad.Refusal {
	sa, p, at := a.sa, &a.packet, a.at
	length, next, ok := strip(a.plain)
	if !ok {
		return sad.Malformed
	}
	body := p.start + at + headerLen + sa.transform.ivLen()
	p.end = body + length
	if at > 0 {
		a.class = trafficClass(p.bytes())
	}
	tunnel := next == nextIPv4 || next == nextIPv6
	switch {
	case next == nextNone:
		// A dummy packet hides that nothing was to be sent (section 2.6).
		p.start = p.end
		return sad.NotRefused
	case sa.Mode == sad.Tunnel && !tunnel, sa.Mode == sad.Transport && tunnel:
		return sad.Malformed
	case tunnel:
		p.start = body
		return p.leaveTunnel(next, a.class)
	case at > 0:
		copy(p.buf[body-at:], p.buf[p.start:p.start+at])
		p.start = body - at
		setUpper(p.bytes(), a.next, next)
	default:
		sa.newHeader(p, body, next, a.class)
	}
	return sad.NotRefused
}

// leaveTunnel checks the packet that came out of a tunnel against what its
// trailer said, cuts off traffic flow padding, and makes its ECN what it must be.
func (p *packet) leaveTunnel(next, outer uint8) sad.Refusal {
	_, length, ok := parseInner(p.bytes())
	if !ok || (next == nextIPv6) != is6(p.bytes()) {
		return sad.Malformed
	}
	p.end = p.start + length
	inner := trafficClass(p.bytes())
	bits, drop := decapsulateECN(inner, outer)
	if drop {
		return sad.Malformed
	}
	setTrafficClass(p.bytes(), inner&^ecnMask|bits)
	return sad.NotRefused
}

// withoutAH takes an Authentication Header away (RFC 4302 section 3.4).
func (a *arrival) withoutAH() sad.Refusal {
	sa, p, at, size := a.sa, &a.packet, a.at, a.auth
	b := p.bytes()
	next, class := b[at], trafficClass(b)
	tunnel := next == nextIPv4 || next == nextIPv6
	switch {
	case sa.Mode == sad.Tunnel && !tunnel, sa.Mode == sad.Transport && tunnel:
		return sad.Malformed
	case tunnel:
		p.start += at + size
		if p.start == p.end {
			return sad.Malformed
		}
		return p.leaveTunnel(next, class)
	}
	copy(b[size:], b[:at])
	p.start += size
	setUpper(p.bytes(), a.next, next)
	return sad.NotRefused
}

func (sa *inbound) accept(seq uint64) {
	if sa.window != nil {
		sa.window.accept(seq)
	}
	if seq > sa.seen.Load() { // one writer
		sa.seen.Store(seq)
	}
}

// newHeader makes the IP header of a transport mode packet that came in UDP: its
// addresses are those of the SA, its class that of the packet. A NAT on the way has changed what the upper
// layer's checksum covers, so it is made anew (RFC 3948 section 3.1.2).
func (sa *inbound) newHeader(p *packet, body int, next, class uint8) {
	size := outerSize(sa.Local)
	p.start = body - size
	h := p.bytes()
	clear(h[:size])
	if sa.Local.Is6() {
		h[0], h[1], h[6], h[7] = 6<<4|class>>4, class<<4, next, 64
		from, to := sa.Remote.As16(), sa.Local.As16()
		copy(h[8:], from[:])
		copy(h[24:], to[:])
	} else {
		h[0], h[1], h[8], h[9] = 0x45, class, 64, next
		from, to := sa.Remote.As4(), sa.Local.As4()
		copy(h[12:], from[:])
		copy(h[16:], to[:])
	}
	setLength(h)
	checksumUpper(h, size, next)
}

// checksumUpper writes the checksum of TCP or UDP (RFC 9293 section 3.1, RFC 768,
// RFC 8200 section 8.1). A UDP checksum of zero over IPv4 stays: there is none.
func checksumUpper(ip []byte, at int, protocol uint8) {
	body := ip[at:]
	field := -1
	switch {
	case protocol == protoTCP && len(body) >= 20:
		field = 16
	case protocol == protoUDP && len(body) >= 8:
		field = 6
	}
	if field < 0 || protocol == protoUDP && !is6(ip) && body[6] == 0 && body[7] == 0 {
		return
	}
	body[field], body[field+1] = 0, 0
	check := ^pseudo(ip, protocol, len(body)).add(body).value()
	if check == 0 && protocol == protoUDP {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(body[field:], check)
}

// nextNone in an ESP trailer marks a dummy packet.
const nextNone = 59

// strip checks the padding and gives what is in front of it, and the next
// header.
func strip(plain []byte) (length int, next uint8, ok bool) {
	if len(plain) < 2 {
		return 0, 0, false
	}
	pad, next := int(plain[len(plain)-2]), plain[len(plain)-1]
	if pad > len(plain)-2 {
		return 0, 0, false
	}
	length = len(plain) - 2 - pad
	for i, b := range plain[length : length+pad] {
		if b != byte(i+1) { // RFC 4303 section 2.4
			return 0, 0, false
		}
	}
	return length, next, true
}
