package wire

import "golang.org/x/crypto/cryptobyte"

// Authentication methods (RFC 7296 section 3.8).
const (
	AuthRSA              uint8 = 1
	AuthSharedKey        uint8 = 2
	AuthECDSA256         uint8 = 9  // RFC 4754
	AuthECDSA384         uint8 = 10 // RFC 4754
	AuthECDSA521         uint8 = 11 // RFC 4754
	AuthDigitalSignature uint8 = 14 // RFC 7427
)

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
