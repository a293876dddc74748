package wire

import "encoding/binary"

// IntermediateOctets is what AUTH covers of one IKE_INTERMEDIATE message (RFC
// 9242 section 3.3.2): its header and that of the Encrypted payload, with
// lengths as if there were neither IV, padding nor ICV, and what is inside. A
// message in pieces counts as if it had come whole, so that its first piece
// gives the header. raw is the message as it was on the wire, first and plain
// the payloads inside.
func IntermediateOctets(raw []byte, first PayloadType, plain []byte) []byte {
	out := append([]byte(nil), raw[:HeaderLen]...)
	out[nextPayloadAt] = byte(TypeSK)
	binary.BigEndian.PutUint32(out[lengthAt:], uint32(HeaderLen+genericHeaderLen+len(plain)))
	out = append(out, byte(first), 0)
	out = binary.BigEndian.AppendUint16(out, uint16(genericHeaderLen+len(plain)))
	return append(out, plain...)
}

// Where these fields are in the IKE header (RFC 7296 section 3.1).
const (
	nextPayloadAt = 16
	lengthAt      = 24
)
