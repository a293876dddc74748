package wire

import "golang.org/x/crypto/cryptobyte"

// KeyExchange is a KE payload (RFC 7296 section 3.4).
type KeyExchange struct {
	Group uint16
	Data  []byte
}

// Type is KE.
func (*KeyExchange) Type() PayloadType { return TypeKE }

func (p *KeyExchange) appendBody(b *cryptobyte.Builder) {
	b.AddUint16(p.Group)
	b.AddUint16(0)
	b.AddBytes(p.Data)
}

func parseKE(s cryptobyte.String) (Payload, error) {
	p := &KeyExchange{}
	if !s.ReadUint16(&p.Group) || !s.Skip(2) {
		return nil, malformed(TypeKE, "cut off")
	}
	p.Data = s
	return p, nil
}
