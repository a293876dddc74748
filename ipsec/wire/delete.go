package wire

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Delete is a delete payload (RFC 7296 section 3.11). For an IKE SA it has no
// SPIs: the message's own IKE SA is meant.
type Delete struct {
	Protocol uint8
	SPIs     [][]byte // all of one length
}

// Type is D.
func (*Delete) Type() PayloadType { return TypeDelete }

func (p *Delete) appendBody(b *cryptobyte.Builder) {
	size := 0
	if len(p.SPIs) > 0 {
		size = len(p.SPIs[0])
	}
	if len(p.SPIs) > maxSPIs || size > maxSPILen {
		b.SetError(malformed(TypeDelete, fmt.Sprintf("%d SPIs of %d bytes are too many", len(p.SPIs), size)))
		return
	}
	b.AddUint8(p.Protocol)
	b.AddUint8(uint8(size))
	b.AddUint16(uint16(len(p.SPIs)))
	for _, spi := range p.SPIs {
		if len(spi) != size || size == 0 {
			b.SetError(malformed(TypeDelete, fmt.Sprintf("an SPI of %d bytes among those of %d", len(spi), size)))
			return
		}
		b.AddBytes(spi)
	}
}

func parseDelete(s cryptobyte.String) (Payload, error) {
	p := &Delete{}
	var size uint8
	var count uint16
	if !s.ReadUint8(&p.Protocol) || !s.ReadUint8(&size) || !s.ReadUint16(&count) {
		return nil, malformed(TypeDelete, "cut off")
	}
	if count > maxSPIs || (count > 0 && size == 0) || int(count)*int(size) != len(s) {
		return nil, malformed(TypeDelete, fmt.Sprintf("%d SPIs of %d bytes do not fit", count, size))
	}
	p.SPIs = make([][]byte, 0, count) // count is bounded by the bytes there are
	for range count {
		var spi []byte
		if !s.ReadBytes(&spi, int(size)) {
			return nil, malformed(TypeDelete, "cut off")
		}
		p.SPIs = append(p.SPIs, spi)
	}
	return p, nil
}
