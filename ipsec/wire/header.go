package wire

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// HeaderLen is the length of the IKE header in bytes.
const HeaderLen = 28

// ExchangeType is RFC 7296 section 3.1.
type ExchangeType uint8

// The exchanges.
const (
	IKESAInit     ExchangeType = 34
	IKEAuth       ExchangeType = 35
	CreateChildSA ExchangeType = 36
	Informational ExchangeType = 37
	// IKEIntermediate is RFC 9242.
	IKEIntermediate ExchangeType = 43
)

func (t ExchangeType) String() string {
	switch t {
	case IKESAInit:
		return "IKE_SA_INIT"
	case IKEAuth:
		return "IKE_AUTH"
	case CreateChildSA:
		return "CREATE_CHILD_SA"
	case Informational:
		return "INFORMATIONAL"
	case IKEIntermediate:
		return "IKE_INTERMEDIATE"
	}
	return fmt.Sprintf("exchange %d", uint8(t))
}

// Flags are RFC 7296 section 3.1.
type Flags uint8

// The flags.
const (
	FlagInitiator Flags = 1 << 3 // sent by the original initiator
	FlagVersion   Flags = 1 << 4 // the sender could speak a higher version
	FlagResponse  Flags = 1 << 5
)

func (f Flags) String() string {
	var set []string
	for _, known := range []struct {
		flag Flags
		name string
	}{{FlagInitiator, "initiator"}, {FlagVersion, "version"}, {FlagResponse, "response"}} {
		if f&known.flag != 0 {
			set = append(set, known.name)
		}
	}
	return strings.Join(set, "+")
}

// Header is RFC 7296 section 3.1.
type Header struct {
	SPIi, SPIr   uint64
	NextPayload  PayloadType
	Major, Minor uint8
	Exchange     ExchangeType
	Flags        Flags
	MessageID    uint32
	// Length is of the whole message, header included, in bytes.
	Length uint32
}

// Response says whether this is the answer of an exchange.
func (h Header) Response() bool { return h.Flags&FlagResponse != 0 }

// FromInitiator says whether the original initiator of the IKE SA sent it.
func (h Header) FromInitiator() bool { return h.Flags&FlagInitiator != 0 }

// ParseHeader reads the header and checks that Length is the length of b.
func ParseHeader(b []byte) (Header, error) {
	var h Header
	var version uint8
	s := cryptobyte.String(b)
	if len(b) > MaxMessage || !s.ReadUint64(&h.SPIi) || !s.ReadUint64(&h.SPIr) ||
		!s.ReadUint8((*uint8)(&h.NextPayload)) || !s.ReadUint8(&version) ||
		!s.ReadUint8((*uint8)(&h.Exchange)) || !s.ReadUint8((*uint8)(&h.Flags)) ||
		!s.ReadUint32(&h.MessageID) || !s.ReadUint32(&h.Length) {
		return Header{}, malformed(0, fmt.Sprintf("%d bytes are no IKE message", len(b)))
	}
	h.Major, h.Minor = version>>4, version&0x0f
	if uint64(h.Length) != uint64(len(b)) {
		return Header{}, malformed(0, fmt.Sprintf("says %d bytes, has %d", h.Length, len(b)))
	}
	return h, nil
}

// append writes the header with the given length.
func (h Header) append(b *cryptobyte.Builder, first PayloadType, length int) {
	b.AddUint64(h.SPIi)
	b.AddUint64(h.SPIr)
	b.AddUint8(uint8(first))
	major := h.Major
	if major == 0 {
		major = 2
	}
	b.AddUint8(major<<4 | h.Minor&0x0f)
	b.AddUint8(uint8(h.Exchange))
	b.AddUint8(uint8(h.Flags))
	b.AddUint32(h.MessageID)
	b.AddUint32(uint32(length))
}
