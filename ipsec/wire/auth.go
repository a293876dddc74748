package wire

import "golang.org/x/crypto/cryptobyte"

// AuthSharedKey is the method of pre-shared keys (RFC 7296 section 3.8).
const AuthSharedKey uint8 = 2

// Auth is an AUTH payload (RFC 7296 section 3.8).
type Auth struct {
	Method uint8
	Data   []byte
}

// Type is AUTH.
func (*Auth) Type() PayloadType { return TypeAuth }

func (p *Auth) appendBody(b *cryptobyte.Builder) {
	b.AddUint8(p.Method)
	b.AddUint24(0)
	b.AddBytes(p.Data)
}

func parseAuth(s cryptobyte.String) (Payload, error) {
	p := &Auth{}
	if !s.ReadUint8(&p.Method) || !s.Skip(3) {
		return nil, malformed(TypeAuth, "cut off")
	}
	p.Data = s
	return p, nil
}
