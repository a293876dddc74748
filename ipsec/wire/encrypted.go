package wire

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Encrypted is an SK payload (RFC 7296 section 3.14), still sealed: IV,
// ciphertext and ICV.
type Encrypted struct {
	// First is the type of the first payload inside.
	First PayloadType
	Data  []byte
}

// Type is SK.
func (*Encrypted) Type() PayloadType { return TypeSK }

func (p *Encrypted) appendBody(b *cryptobyte.Builder) { b.AddBytes(p.Data) }

// Fragment is an SKF payload (RFC 7383 section 2.5), still sealed.
type Fragment struct {
	First         PayloadType // only meaningful in fragment 1
	Number, Total uint16
	Data          []byte
}

// Type is SKF.
func (*Fragment) Type() PayloadType { return TypeSKF }

func (p *Fragment) appendBody(b *cryptobyte.Builder) {
	b.AddUint16(p.Number)
	b.AddUint16(p.Total)
	b.AddBytes(p.Data)
}

func parseEncrypted(t, first PayloadType, body cryptobyte.String) (Payload, error) {
	if t == TypeSK {
		return &Encrypted{First: first, Data: body}, nil
	}
	p := &Fragment{First: first}
	if !body.ReadUint16(&p.Number) || !body.ReadUint16(&p.Total) {
		return nil, malformed(t, "cut off")
	}
	if p.Number == 0 || p.Number > p.Total {
		return nil, malformed(t, fmt.Sprintf("fragment %d of %d", p.Number, p.Total))
	}
	p.Data = body
	return p, nil
}

// sealedFirst gives the type of the first payload inside an SK or SKF payload.
func sealedFirst(p Payload) (PayloadType, bool) {
	switch p := p.(type) {
	case *Encrypted:
		return p.First, true
	case *Fragment:
		return p.First, true
	}
	return NoNext, false
}

// Sealer protects the inside of a message; *crypto.Cipher with its random
// source bound does.
type Sealer struct {
	// Len is the length of the sealed form of n plain bytes.
	Len func(n int) int
	// Seal protects plain; ad is everything of the message before the sealed
	// part.
	Seal func(ad, plain []byte) ([]byte, error)
}

// SealMessage builds a message whose payloads travel inside an SK payload.
func SealMessage(h Header, ps []Payload, s Sealer) ([]byte, error) {
	first, plain, err := MarshalPayloads(ps)
	if err != nil {
		return nil, err
	}
	length := HeaderLen + genericHeaderLen + s.Len(len(plain))
	if length > MaxMessage {
		return nil, fmt.Errorf("build %s message: %d bytes are too long", h.Exchange, length)
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, length))
	h.append(b, TypeSK, length)
	b.AddUint8(uint8(first))
	b.AddUint8(0)
	b.AddUint16(uint16(length - HeaderLen))
	ad, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	sealed, err := s.Seal(ad, plain)
	if err != nil {
		return nil, err
	}
	if len(ad)+len(sealed) != length {
		return nil, fmt.Errorf("build %s message: sealed %d bytes, announced %d", h.Exchange, len(sealed), length-len(ad))
	}
	return append(ad, sealed...), nil
}

// OpenMessage parses a message whose last payload is SK, opens it and parses
// what is inside. Of payloads in clear before SK only unknown critical ones
// are kept, in front, because they must be refused; nothing else belongs
// there (RFC 7296 section 1.2). An error of open comes back as it is.
func OpenMessage(raw []byte, open func(ad, sealed []byte) ([]byte, error)) (*Message, error) {
	m, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	sk, ok := Find[*Encrypted](m.Payloads)
	if !ok {
		return nil, malformed(TypeSK, "is missing")
	}
	plain, err := open(raw[:len(raw)-len(sk.Data)], sk.Data)
	if err != nil {
		return nil, err
	}
	inside, err := ParseInside(m.Header, sk.First, plain)
	if err != nil {
		return nil, err
	}
	var critical []Payload
	for _, p := range m.Payloads {
		if u, ok := p.(*Unknown); ok && u.Critical {
			critical = append(critical, u)
		}
	}
	return &Message{Header: m.Header, Payloads: append(critical, inside.Payloads...)}, nil
}
