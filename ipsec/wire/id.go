package wire

import "golang.org/x/crypto/cryptobyte"

// ID is an IDi or IDr payload (RFC 7296 section 3.5).
type ID struct {
	Responder bool // IDr
	IDType    uint8
	Data      []byte
	// reserved is kept because AUTH covers these bytes as they were received
	// (section 2.15), although their value means nothing.
	reserved [3]byte
}

// Type is IDi or IDr.
func (p *ID) Type() PayloadType {
	if p.Responder {
		return TypeIDr
	}
	return TypeIDi
}

// Body is RestOfInitIDPayload or RestOfRespIDPayload of section 2.15.
func (p *ID) Body() []byte {
	return append(append([]byte{p.IDType}, p.reserved[:]...), p.Data...)
}

func (p *ID) appendBody(b *cryptobyte.Builder) { b.AddBytes(p.Body()) }

func parseID(t PayloadType, s cryptobyte.String) (Payload, error) {
	p := &ID{Responder: t == TypeIDr}
	if !s.ReadUint8(&p.IDType) || !s.CopyBytes(p.reserved[:]) {
		return nil, malformed(t, "cut off")
	}
	p.Data = s
	return p, nil
}
