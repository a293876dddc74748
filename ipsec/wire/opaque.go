package wire

import "golang.org/x/crypto/cryptobyte"

// VendorID is a vendor ID payload (RFC 7296 section 3.12).
type VendorID struct{ Data []byte }

// Type is V.
func (*VendorID) Type() PayloadType { return TypeVendor }

func (p *VendorID) appendBody(b *cryptobyte.Builder) { b.AddBytes(p.Data) }

// EAP is an EAP payload (RFC 7296 section 3.16); its message is not parsed
// here.
type EAP struct{ Data []byte }

// Type is EAP.
func (*EAP) Type() PayloadType { return TypeEAP }

func (p *EAP) appendBody(b *cryptobyte.Builder) { b.AddBytes(p.Data) }

// Unknown is a payload of a type that this package does not know.
type Unknown struct {
	PType PayloadType
	// Critical asks us to refuse the message (RFC 7296 section 2.5).
	Critical bool
	Data     []byte
}

// Type is what the payload before it said.
func (p *Unknown) Type() PayloadType { return p.PType }

func (p *Unknown) appendBody(b *cryptobyte.Builder) { b.AddBytes(p.Data) }
