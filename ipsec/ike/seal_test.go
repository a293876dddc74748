package ike

import (
	"crypto/rand"
	"encoding/binary"

	"gatehouse/ipsec/wire"
)

// sealRaw builds a protected message with any bytes inside.
func sealRaw(sa *SA, g *generation, exchange, first uint8, inside []byte) []byte {
	length := wire.HeaderLen + 4 + g.seal.SealedLen(len(inside))
	b := binary.BigEndian.AppendUint64(nil, g.spii)
	b = binary.BigEndian.AppendUint64(b, g.spir)
	b = append(b, 46, 0x20, exchange, 0x08)
	b = binary.BigEndian.AppendUint32(b, g.sendID)
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	b = append(b, first, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length-wire.HeaderLen))
	sealed, err := g.seal.Seal(rand.Reader, b, inside)
	if err != nil {
		panic(err)
	}
	return append(b, sealed...)
}
