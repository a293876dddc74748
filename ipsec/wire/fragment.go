package wire

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// fragmentHead is everything of a fragment before its sealed part: IKE header,
// generic header, number and total (RFC 7383 section 2.5).
const fragmentHead = HeaderLen + genericHeaderLen + 4

// MaxFragments bounds how many pieces one message may come in. With the smallest
// piece that makes sense that is still far more than MaxMessage.
const MaxFragments = 128

// SealFragments builds a message in pieces of at most limit bytes each (RFC 7383
// section 2.5). One that fits comes back whole, with an SK payload.
func SealFragments(h Header, ps []Payload, s Sealer, limit int) ([][]byte, error) {
	first, plain, err := MarshalPayloads(ps)
	if err != nil {
		return nil, err
	}
	if HeaderLen+genericHeaderLen+s.Len(len(plain)) <= limit {
		whole, err := SealMessage(h, ps, s)
		return [][]byte{whole}, err
	}
	room := limit - fragmentHead
	for room > 0 && fragmentHead+s.Len(room) > limit {
		room--
	}
	total := 0
	if room > 0 {
		total = (len(plain) + room - 1) / room
	}
	if total == 0 || total > MaxFragments || len(plain) > MaxMessage {
		return nil, fmt.Errorf("build %s message: %d bytes do not fit into fragments of %d", h.Exchange, len(plain), limit)
	}
	var out [][]byte
	for n := 1; n <= total; n++ {
		part := plain[:min(room, len(plain))]
		plain = plain[len(part):]
		piece, err := sealFragment(h, Fragment{First: first, Number: uint16(n), Total: uint16(total)}, part, s)
		if err != nil {
			return nil, err
		}
		out = append(out, piece)
		first = NoNext
	}
	return out, nil
}

func sealFragment(h Header, f Fragment, part []byte, s Sealer) ([]byte, error) {
	length := fragmentHead + s.Len(len(part))
	b := cryptobyte.NewBuilder(make([]byte, 0, length))
	h.append(b, TypeSKF, length)
	b.AddUint8(uint8(f.First))
	b.AddUint8(0)
	b.AddUint16(uint16(length - HeaderLen))
	b.AddUint16(f.Number)
	b.AddUint16(f.Total)
	ad, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	sealed, err := s.Seal(ad, part)
	if err != nil {
		return nil, err
	}
	if len(ad)+len(sealed) != length {
		return nil, fmt.Errorf("build %s message: sealed %d bytes, announced %d", h.Exchange, len(sealed), length-len(ad))
	}
	return append(ad, sealed...), nil
}

// ParseFragment reads a fragment, still sealed. Before SKF nothing in clear is
// allowed here: nobody sends it.
func ParseFragment(raw []byte) (*Fragment, error) {
	m, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	if len(m.Payloads) == 1 {
		if f, ok := m.Payloads[0].(*Fragment); ok && f.Total <= MaxFragments {
			return f, nil
		}
	}
	return nil, malformed(TypeSKF, "is not alone, or one of too many")
}

// Open gives what is inside of a fragment that came as raw. An error of open comes
// back as it is.
func (p *Fragment) Open(raw []byte, open func(ad, sealed []byte) ([]byte, error)) ([]byte, error) {
	return open(raw[:len(raw)-len(p.Data)], p.Data)
}

// ParseInside reads what was sealed, once it is whole, as the payloads of a
// message. An SK payload has no place inside.
func ParseInside(h Header, first PayloadType, plain []byte) (*Message, error) {
	inner, err := ParsePayloads(first, plain)
	if err != nil {
		return nil, err
	}
	for _, p := range inner {
		if p.Type() == TypeSK || p.Type() == TypeSKF {
			return nil, malformed(TypeSK, "inside another one")
		}
	}
	return &Message{Header: h, Payloads: inner}, nil
}
