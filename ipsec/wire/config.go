package wire

import "golang.org/x/crypto/cryptobyte"

// Config is a CP payload (RFC 7296 section 3.15).
type Config struct {
	CFGType    uint8
	Attributes []Attribute
}

// Attribute is RFC 7296 section 3.15.1.
type Attribute struct {
	Type  uint16 // 15 bits
	Value []byte
}

// Type is CP.
func (*Config) Type() PayloadType { return TypeConfig }

func (p *Config) appendBody(b *cryptobyte.Builder) {
	b.AddUint8(p.CFGType)
	b.AddUint24(0)
	for _, a := range p.Attributes {
		b.AddUint16(a.Type & 0x7fff)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(a.Value) })
	}
}

func parseConfig(s cryptobyte.String) (Payload, error) {
	p := &Config{}
	if !s.ReadUint8(&p.CFGType) || !s.Skip(3) {
		return nil, malformed(TypeConfig, "cut off")
	}
	for !s.Empty() {
		if len(p.Attributes) == maxAttributes {
			return nil, malformed(TypeConfig, "too many attributes")
		}
		var a Attribute
		var value cryptobyte.String
		if !s.ReadUint16(&a.Type) || !s.ReadUint16LengthPrefixed(&value) {
			return nil, malformed(TypeConfig, "an attribute is cut off")
		}
		a.Type, a.Value = a.Type&0x7fff, value
		p.Attributes = append(p.Attributes, a)
	}
	return p, nil
}
