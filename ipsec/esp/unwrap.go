package esp

import (
	"encoding/binary"

	"gatehouse/ipsec/sad"
)

// unprotect opens the ESP packet at p.start or, with header, the ESP or AH
// packet behind the IP header there, and checks that it is genuine and new. What
// is left is an IP packet again. protocol says which of both it is; at is where
// it begins, seen from p.start, and next where the header says so.
//
// The caller owns the SA: only one goroutine at a time may do this.
func (sa *inbound) unprotect(e *Engine, p *packet, at, next int) sad.Refusal {
	b := p.bytes()
	low := binary.BigEndian.Uint32(b[at+4:])
	if sa.Protocol == sad.AH {
		low = binary.BigEndian.Uint32(b[at+8:])
	}
	seq, ok := uint64(low), true
	if sa.window != nil {
		if sa.ESN {
			seq, ok = sa.window.extend(low)
		}
		if !ok || !sa.window.fresh(seq) {
			return sad.ReplayedPacket
		}
	}
	if sa.Protocol == sad.AH {
		return sa.checkAH(p, at, next, seq)
	}
	return sa.openESP(p, at, next, seq)
}

// openESP decrypts in place and takes header and trailer away (RFC 4303 section
// 3.4). at is 0 for a packet that came in UDP, without an IP header.
func (sa *inbound) openESP(p *packet, at, nextAt int, seq uint64) sad.Refusal {
	plain, err := sa.transform.open(p.buf[p.start+at:p.end], uint32(seq>>32))
	if err != nil {
		return sad.BadICV
	}
	sa.accept(seq)
	length, next, ok := strip(plain)
	if !ok {
		return sad.Malformed
	}
	room := headerLen + sa.transform.ivLen()
	body := p.start + at + room
	p.end = body + length
	class := uint8(0)
	if at > 0 {
		class = trafficClass(p.bytes())
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
		return p.leaveTunnel(next, class, at > 0)
	case at > 0:
		copy(p.buf[body-at:], p.buf[p.start:p.start+at])
		p.start = body - at
		setUpper(p.bytes(), nextAt, next)
	default:
		sa.newHeader(p, body, next)
	}
	return sad.NotRefused
}

// leaveTunnel checks the packet that came out of a tunnel against what its
// trailer said, cuts off traffic flow padding, and makes its ECN what it must be.
func (p *packet) leaveTunnel(next, outer uint8, known bool) sad.Refusal {
	_, length, ok := parseInner(p.bytes())
	if !ok || (next == nextIPv6) != is6(p.bytes()) {
		return sad.Malformed
	}
	p.end = p.start + length
	if !known {
		return sad.NotRefused
	}
	inner := trafficClass(p.bytes())
	bits, drop := decapsulateECN(inner, outer)
	if drop {
		return sad.Malformed
	}
	setTrafficClass(p.bytes(), inner&^ecnMask|bits)
	return sad.NotRefused
}

// checkAH checks an Authentication Header and takes it away (RFC 4302 section
// 3.4).
func (sa *inbound) checkAH(p *packet, at, nextAt int, seq uint64) sad.Refusal {
	b := p.bytes()
	size, err := sa.auth.open(b, at, uint32(seq>>32))
	if err != nil {
		return sad.BadICV
	}
	sa.accept(seq)
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
		return p.leaveTunnel(next, class, true)
	}
	copy(b[size:], b[:at])
	p.start += size
	setUpper(p.bytes(), nextAt, next)
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
// addresses are those of the SA. A NAT on the way has changed what the upper
// layer's checksum covers, so it is made anew (RFC 3948 section 3.1.2).
func (sa *inbound) newHeader(p *packet, body int, next uint8) {
	size := outerSize(sa.Local)
	p.start = body - size
	h := p.bytes()
	clear(h[:size])
	if sa.Local.Is6() {
		h[0], h[6], h[7] = 6<<4, next, 64
		from, to := sa.Remote.As16(), sa.Local.As16()
		copy(h[8:], from[:])
		copy(h[24:], to[:])
	} else {
		h[0], h[8], h[9] = 0x45, 64, next
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
	addresses := ip[12:20]
	if is6(ip) {
		addresses = ip[8:40]
	}
	sum := uint32(protocol) + uint32(len(body)) + add16(addresses) + add16(body)
	check := ^fold(sum)
	if check == 0 && protocol == protoUDP {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(body[field:], check)
}

// add16 adds 16-bit words; at most 64 KiB of them, so that it cannot overflow.
func add16(b []byte) (sum uint32) {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
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
