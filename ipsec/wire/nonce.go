package wire

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Bounds of a nonce in bytes (RFC 7296 section 3.9).
const (
	minNonce = 16
	maxNonce = 256
)

// Nonce is a nonce payload (RFC 7296 section 3.9).
type Nonce struct{ Data []byte }

// Type is Nonce.
func (*Nonce) Type() PayloadType { return TypeNonce }

func (p *Nonce) appendBody(b *cryptobyte.Builder) { b.AddBytes(p.Data) }

func parseNonce(s cryptobyte.String) (Payload, error) {
	if len(s) < minNonce || len(s) > maxNonce {
		return nil, malformed(TypeNonce, fmt.Sprintf("%d bytes are not in %d to %d", len(s), minNonce, maxNonce))
	}
	return &Nonce{Data: s}, nil
}
