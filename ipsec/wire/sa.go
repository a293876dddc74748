package wire

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Security protocol identifiers (RFC 7296 section 3.3.1).
const (
	ProtocolNone uint8 = 0
	ProtocolIKE  uint8 = 1
	ProtocolAH   uint8 = 2
	ProtocolESP  uint8 = 3
)

// Transform types (RFC 7296 section 3.3.2).
const (
	TransformEncryption uint8 = 1
	TransformPRF        uint8 = 2
	TransformIntegrity  uint8 = 3
	TransformGroup      uint8 = 4
	TransformESN        uint8 = 5
	// TransformAdditional1 is the first additional key exchange, TransformAdditional7
	// the last (RFC 9370 section 4).
	TransformAdditional1 uint8 = 6
	TransformAdditional7 uint8 = 12
)

// SA is an SA payload (RFC 7296 section 3.3).
type SA struct{ Proposals []Proposal }

// Proposal is RFC 7296 section 3.3.1.
type Proposal struct {
	Number     uint8
	Protocol   uint8
	SPI        []byte
	Transforms []Transform
}

// Transform is RFC 7296 section 3.3.2.
type Transform struct {
	Type uint8
	ID   uint16
	// KeyLength is in bits; 0 if the attribute is absent.
	KeyLength uint16
	// Unknown says that it has an attribute we do not know: such a transform
	// must never be chosen (section 3.3.6).
	Unknown bool
}

// Type is SA.
func (*SA) Type() PayloadType { return TypeSA }

// "More follows" markers of section 3.3.1 and 3.3.2.
const (
	moreProposals  = 2
	moreTransforms = 3
)

// attrKeyLength with the AF bit for the short form (section 3.3.5).
const (
	attrShort     = 0x8000
	attrKeyLength = 14
)

func parseSA(s cryptobyte.String) (Payload, error) {
	p := &SA{}
	for last := false; !last; {
		if len(p.Proposals) == maxProposals {
			return nil, malformed(TypeSA, "too many proposals")
		}
		var more uint8
		var length uint16
		var body []byte
		if !s.ReadUint8(&more) || !s.Skip(1) || !s.ReadUint16(&length) || length < 4 ||
			!s.ReadBytes(&body, int(length)-4) {
			return nil, malformed(TypeSA, "a proposal is cut off")
		}
		if more != 0 && more != moreProposals {
			return nil, malformed(TypeSA, fmt.Sprintf("proposal marker %d", more))
		}
		last = more == 0
		proposal, err := parseProposal(body)
		if err != nil {
			return nil, err
		}
		p.Proposals = append(p.Proposals, proposal)
	}
	if !s.Empty() {
		return nil, malformed(TypeSA, "bytes follow the last proposal")
	}
	return p, nil
}

func parseProposal(s cryptobyte.String) (Proposal, error) {
	var p Proposal
	var spiLen, count uint8
	if !s.ReadUint8(&p.Number) || !s.ReadUint8(&p.Protocol) || !s.ReadUint8(&spiLen) ||
		!s.ReadUint8(&count) || !s.ReadBytes(&p.SPI, int(spiLen)) {
		return p, malformed(TypeSA, "a proposal's SPI is cut off")
	}
	if int(count) > maxTransforms {
		return p, malformed(TypeSA, "too many transforms")
	}
	p.Transforms = make([]Transform, 0, min(int(count), len(s)/8)) // each is at least 8 bytes
	for i := range int(count) {
		t, more, err := parseTransform(&s)
		if err != nil {
			return p, err
		}
		if more != (i+1 < int(count)) {
			return p, malformed(TypeSA, "the number of transforms is wrong")
		}
		p.Transforms = append(p.Transforms, t)
	}
	if !s.Empty() {
		return p, malformed(TypeSA, "bytes follow the last transform")
	}
	return p, nil
}

func parseTransform(s *cryptobyte.String) (t Transform, more bool, err error) {
	var marker uint8
	var length uint16
	var raw []byte
	if !s.ReadUint8(&marker) || !s.Skip(1) || !s.ReadUint16(&length) || length < 8 ||
		!s.ReadBytes(&raw, int(length)-4) {
		return t, false, malformed(TypeSA, "a transform is cut off")
	}
	if marker != 0 && marker != moreTransforms {
		return t, false, malformed(TypeSA, fmt.Sprintf("transform marker %d", marker))
	}
	body := cryptobyte.String(raw)
	if !body.ReadUint8(&t.Type) || !body.Skip(1) || !body.ReadUint16(&t.ID) {
		return t, false, malformed(TypeSA, "a transform is cut off")
	}
	for !body.Empty() {
		var kind, value uint16
		if !body.ReadUint16(&kind) || !body.ReadUint16(&value) {
			return t, false, malformed(TypeSA, "an attribute is cut off")
		}
		// A second key length, or one of nothing, cannot be understood either.
		if kind == attrShort|attrKeyLength && t.KeyLength == 0 && value != 0 {
			t.KeyLength = value
			continue
		}
		t.Unknown = true
		if kind&attrShort == 0 && !body.Skip(int(value)) {
			return t, false, malformed(TypeSA, "an attribute is cut off")
		}
	}
	return t, marker == moreTransforms, nil
}

func (p *SA) appendBody(b *cryptobyte.Builder) {
	if n := len(p.Proposals); n == 0 || n > maxProposals {
		b.SetError(malformed(TypeSA, fmt.Sprintf("%d proposals", n)))
		return
	}
	for i, proposal := range p.Proposals {
		if len(proposal.SPI) > maxSPILen || len(proposal.Transforms) > maxTransforms {
			b.SetError(malformed(TypeSA, fmt.Sprintf("an SPI of %d bytes, %d transforms", len(proposal.SPI), len(proposal.Transforms))))
			return
		}
		body := cryptobyte.NewBuilder(nil)
		body.AddUint8(proposal.Number)
		body.AddUint8(proposal.Protocol)
		body.AddUint8(uint8(len(proposal.SPI)))
		body.AddUint8(uint8(len(proposal.Transforms)))
		body.AddBytes(proposal.SPI)
		for j, t := range proposal.Transforms {
			t.append(body, j+1 < len(proposal.Transforms))
		}
		addSubstructure(b, moreProposals, i+1 < len(p.Proposals), body)
	}
}

func (t Transform) append(b *cryptobyte.Builder, more bool) {
	if t.Unknown {
		// Without its attributes it would be another transform.
		b.SetError(malformed(TypeSA, fmt.Sprintf("transform %d of type %d has an unknown attribute", t.ID, t.Type)))
		return
	}
	body := cryptobyte.NewBuilder(nil)
	body.AddUint8(t.Type)
	body.AddUint8(0)
	body.AddUint16(t.ID)
	if t.KeyLength != 0 {
		body.AddUint16(attrShort | attrKeyLength)
		body.AddUint16(t.KeyLength)
	}
	addSubstructure(b, moreTransforms, more, body)
}

// addSubstructure adds a proposal or transform with its marker and length.
func addSubstructure(b *cryptobyte.Builder, marker uint8, more bool, body *cryptobyte.Builder) {
	raw, err := body.Bytes()
	if err != nil || len(raw)+4 > MaxMessage {
		b.SetError(malformed(TypeSA, "is too long"))
		return
	}
	if !more {
		marker = 0
	}
	b.AddUint8(marker)
	b.AddUint8(0)
	b.AddUint16(uint16(len(raw) + 4))
	b.AddBytes(raw)
}
