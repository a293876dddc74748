package esp

import (
	"encoding/binary"
	"math/bits"
)

// sum16 is a sum of 16-bit words in one's complement (RFC 1071). It adds eight
// bytes at a time in the order of the machine, because the sum comes out the
// same, with its bytes in that order.
type sum16 uint64

// add adds a piece. Only the last piece may have an odd number of bytes.
func (s sum16) add(b []byte) sum16 {
	var carry uint64
	n := uint64(s)
	for len(b) >= 64 {
		p := (*[64]byte)(b)
		n, carry = bits.Add64(n, binary.LittleEndian.Uint64(p[0:]), 0)
		n, carry = bits.Add64(n, binary.LittleEndian.Uint64(p[8:]), carry)
		n, carry = bits.Add64(n, binary.LittleEndian.Uint64(p[16:]), carry)
		n, carry = bits.Add64(n, binary.LittleEndian.Uint64(p[24:]), carry)
		n, carry = bits.Add64(n, binary.LittleEndian.Uint64(p[32:]), carry)
		n, carry = bits.Add64(n, binary.LittleEndian.Uint64(p[40:]), carry)
		n, carry = bits.Add64(n, binary.LittleEndian.Uint64(p[48:]), carry)
		n, carry = bits.Add64(n, binary.LittleEndian.Uint64(p[56:]), carry)
		n, carry = bits.Add64(n, carry, 0)
		n += carry
		b = b[64:]
	}
	for len(b) >= 8 {
		n, carry = bits.Add64(n, binary.LittleEndian.Uint64(b), 0)
		n += carry
		b = b[8:]
	}
	if len(b) > 0 {
		var last [8]byte
		copy(last[:], b)
		n, carry = bits.Add64(n, binary.LittleEndian.Uint64(last[:]), 0)
		n += carry
	}
	return sum16(n)
}

// value is the sum in 16 bits.
func (s sum16) value() uint16 {
	n := uint64(s)
	n = n>>32 + n&0xffffffff
	n = n>>32 + n&0xffffffff
	return bits.ReverseBytes16(fold(uint32(n)))
}

// add16 is the sum of one piece.
func add16(b []byte) uint32 { return uint32(sum16(0).add(b).value()) }

// fold makes 16 bits of a sum of one's complement (RFC 1071).
func fold(sum uint32) uint16 {
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// checksumIPv4 writes the header checksum (RFC 791 section 3.1).
func checksumIPv4(ip []byte) {
	header := ip[:int(ip[0]&0x0f)*4]
	binary.BigEndian.PutUint16(header[10:], 0)
	binary.BigEndian.PutUint16(header[10:], ^uint16(add16(header)))
}

// pseudo is what a transport checksum covers beside the transport's own bytes
// (RFC 9293 section 3.1, RFC 8200 section 8.1).
func pseudo(ip []byte, protocol uint8, length int) sum16 {
	var tail [8]byte
	binary.BigEndian.PutUint32(tail[:], uint32(length))
	tail[7] = protocol
	return sum16(0).add(addresses(ip)).add(tail[:])
}

// addresses are both of an IP header, the source first.
func addresses(ip []byte) []byte {
	if is6(ip) {
		return ip[8:40]
	}
	return ip[12:20]
}
