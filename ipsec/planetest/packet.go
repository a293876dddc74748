package planetest

import (
	"encoding/binary"
	"net/netip"
)

// Packet is one that a policy may or may not be for.
type Packet struct {
	Protocol uint8
	// Source and Destination are ports.
	Source, Destination uint16
	// Type and Code are of ICMP.
	Type, Code uint8
	DSCP       uint8
	FlowLabel  uint32
	// Fragments sends it in two, of which the second has no ports.
	Fragments bool
}

// Protocols of the packets.
const (
	icmp, udp, gre, icmp6, sctpLike = 1, 17, 47, 58, 253
	fragmentHeader                  = 44
)

// payload is what is above IP, with the token at its end. Its checksum is right.
func (p Packet) payload(from, to netip.Addr, token uint64) []byte {
	b := make([]byte, 8, 24)
	checksum := -1
	switch p.Protocol {
	case icmp, icmp6:
		b[0], b[1] = p.Type, p.Code
		checksum = 2
	case udp:
		binary.BigEndian.PutUint16(b, p.Source)
		binary.BigEndian.PutUint16(b[2:], p.Destination)
		binary.BigEndian.PutUint16(b[4:], 24)
		checksum = 6
	}
	b = binary.BigEndian.AppendUint64(append(b, make([]byte, 8)...), token)
	if checksum < 0 {
		return b
	}
	var pseudo []byte
	if p.Protocol != icmp { // RFC 768, RFC 4443 section 2.3
		pseudo = append(from.AsSlice(), to.AsSlice()...)
		pseudo = append(pseudo, 0, p.Protocol, 0, byte(len(b)))
	}
	binary.BigEndian.PutUint16(b[checksum:], ^sum(append(pseudo, b...)))
	return b
}

// sum is the internet checksum of an even number of bytes (RFC 1071).
func sum(b []byte) uint16 {
	var s uint32
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// bytes are the IP packets that it is.
func (p Packet) bytes(from, to netip.Addr, token uint64) [][]byte {
	payload := p.payload(from, to, token)
	if !p.Fragments {
		return [][]byte{p.ip(from, to, payload, token, 0, false)}
	}
	const first = 8
	return [][]byte{p.ip(from, to, payload[:first], token, 0, true), p.ip(from, to, payload[first:], token, first, false)}
}

// ip puts an IP header before a payload, or before the part of it at an offset.
func (p Packet) ip(from, to netip.Addr, payload []byte, token uint64, offset int, more bool) []byte {
	be := binary.BigEndian
	if from.Is4() {
		b := make([]byte, 20, 20+len(payload))
		b[0], b[1], b[8], b[9] = 0x45, p.DSCP<<2, 64, p.Protocol
		be.PutUint16(b[2:], uint16(20+len(payload)))
		be.PutUint16(b[4:], uint16(token))
		be.PutUint16(b[6:], uint16(offset/8))
		if more {
			b[6] |= 0x20
		}
		copy(b[12:], from.AsSlice())
		copy(b[16:], to.AsSlice())
		return append(b, payload...) // the kernel fills in the checksum
	}
	next := p.Protocol
	if p.Fragments {
		next = fragmentHeader
		h := make([]byte, 8, 8+len(payload))
		h[0] = p.Protocol
		be.PutUint16(h[2:], uint16(offset))
		if more {
			h[3] |= 1
		}
		be.PutUint32(h[4:], uint32(token))
		payload = append(h, payload...)
	}
	b := make([]byte, 40, 40+len(payload))
	be.PutUint32(b, 6<<28|uint32(p.DSCP)<<22|p.FlowLabel)
	be.PutUint16(b[4:], uint16(len(payload)))
	b[6], b[7] = next, 64
	copy(b[8:], from.AsSlice())
	copy(b[24:], to.AsSlice())
	return append(b, payload...)
}
