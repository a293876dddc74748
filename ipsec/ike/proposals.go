package ike

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wire"
)

// ikeProposals offers suites for an IKE SA. Suites that differ only in the
// group share a proposal, so that no combination is offered that nobody asked
// for (RFC 7296 section 3.3).
func ikeProposals(suites []crypto.Suite, spi []byte) []wire.Proposal {
	return proposals(suites, wire.ProtocolIKE, spi, true)
}

func proposals(suites []crypto.Suite, protocol uint8, spi []byte, withGroups bool) []wire.Proposal {
	var out []wire.Proposal
	index := map[crypto.Suite]int{}
	for _, s := range suites {
		base := s
		base.Group = crypto.GroupNone
		i, known := index[base]
		if !known {
			i = len(out)
			index[base] = i
			out = append(out, wire.Proposal{
				Number: uint8(i + 1), Protocol: protocol, SPI: spi, Transforms: transforms(base, protocol),
			})
		}
		if withGroups && s.Group != crypto.GroupNone {
			t := wire.Transform{Type: wire.TransformGroup, ID: uint16(s.Group)}
			if !slices.Contains(out[i].Transforms, t) {
				out[i].Transforms = append(out[i].Transforms, t)
			}
		}
	}
	return out
}

// transforms are a suite's without its group.
func transforms(s crypto.Suite, protocol uint8) []wire.Transform {
	var ts []wire.Transform
	if s.Encryption != crypto.EncrNone {
		ts = append(ts, wire.Transform{Type: wire.TransformEncryption, ID: uint16(s.Encryption), KeyLength: uint16(s.KeyBits)})
	}
	if s.Integrity != crypto.IntegrityNone {
		ts = append(ts, wire.Transform{Type: wire.TransformIntegrity, ID: uint16(s.Integrity)})
	}
	if protocol == wire.ProtocolIKE {
		ts = append(ts, wire.Transform{Type: wire.TransformPRF, ID: uint16(s.PRF)})
	}
	if s.Additional != crypto.GroupNone {
		ts = append(ts, wire.Transform{Type: wire.TransformAdditional1, ID: uint16(s.Additional)})
	}
	return ts
}

// answerProposal is the one that a responder sends back: the caller's number,
// our SPI, one transform of each type.
func answerProposal(p wire.Proposal, s crypto.Suite, spi []byte) wire.Proposal {
	ts := transforms(s, p.Protocol)
	if s.Group != crypto.GroupNone {
		ts = append(ts, wire.Transform{Type: wire.TransformGroup, ID: uint16(s.Group)})
	}
	return wire.Proposal{Number: p.Number, Protocol: p.Protocol, SPI: spi, Transforms: ts}
}

// chooseIKE picks our best suite that the caller offers, first among those of
// the group whose KE payload it sent, which saves a round trip.
func chooseIKE(suites []crypto.Suite, offer *wire.SA, sent crypto.GroupID) (crypto.Suite, wire.Proposal, bool) {
	for _, sameGroup := range []bool{true, false} {
		for _, s := range suites {
			if sameGroup != (s.Group == sent) {
				continue
			}
			for _, p := range offer.Proposals {
				if p.Protocol == wire.ProtocolIKE && offers(p, s) && has(p, wire.TransformGroup, uint16(s.Group), 0) &&
					has(p, wire.TransformPRF, uint16(s.PRF), 0) {
					return s, p, true
				}
			}
		}
	}
	return crypto.Suite{}, wire.Proposal{}, false
}

// offers says whether a proposal allows exactly this encryption and integrity
// and has no transform of a type that we cannot answer.
func offers(p wire.Proposal, s crypto.Suite) bool {
	for _, t := range p.Transforms {
		if t.Type < wire.TransformEncryption || t.Type > wire.TransformAdditional7 {
			return false
		}
	}
	for kind := wire.TransformAdditional1; kind <= wire.TransformAdditional7; kind++ {
		// None of them may be left out unless the peer says so (RFC 9370 section
		// 2.2.2).
		want := crypto.GroupNone
		if kind == wire.TransformAdditional1 {
			want = s.Additional
		}
		if offered := ids(p, kind); !slices.Contains(offered, uint16(want)) && (len(offered) > 0 || want != crypto.GroupNone) {
			return false
		}
	}
	if s.Encryption == crypto.EncrNone {
		// AH: an encryption transform has no place there.
		if slices.ContainsFunc(p.Transforms, func(t wire.Transform) bool { return t.Type == wire.TransformEncryption }) {
			return false
		}
	} else if !has(p, wire.TransformEncryption, uint16(s.Encryption), uint16(s.KeyBits)) {
		return false
	}
	integrity := ids(p, wire.TransformIntegrity)
	if s.Encryption.AEAD() {
		return len(integrity) == 0 || slices.Contains(integrity, uint16(crypto.IntegrityNone))
	}
	return slices.Contains(integrity, uint16(s.Integrity))
}

func has(p wire.Proposal, kind uint8, id, keyLength uint16) bool {
	return slices.ContainsFunc(p.Transforms, func(t wire.Transform) bool {
		return t.Type == kind && t.ID == id && t.KeyLength == keyLength && !t.Unknown
	})
}

// ids are the transforms of one type without unknown attributes.
func ids(p wire.Proposal, kind uint8) []uint16 {
	var out []uint16
	for _, t := range p.Transforms {
		if t.Type == kind && !t.Unknown {
			out = append(out, t.ID)
		}
	}
	return out
}

// chosenSuite checks a responder's choice: one proposal, one transform of each
// type at the most, and exactly one of the suites that we offered (section
// 2.7). Otherwise an attacker in the middle could pick what nobody wants.
func chosenSuite(answer *wire.SA, protocol uint8, offered []crypto.Suite) (crypto.Suite, wire.Proposal, bool) {
	var s crypto.Suite
	if len(answer.Proposals) != 1 || answer.Proposals[0].Protocol != protocol {
		return s, wire.Proposal{}, false
	}
	p := answer.Proposals[0]
	seen := map[uint8]bool{}
	for _, t := range p.Transforms {
		if t.Unknown || seen[t.Type] {
			return s, p, false
		}
		seen[t.Type] = true
		switch t.Type {
		case wire.TransformEncryption:
			s.Encryption, s.KeyBits = crypto.EncryptionID(t.ID), int(t.KeyLength)
		case wire.TransformPRF:
			s.PRF = crypto.PRFID(t.ID)
		case wire.TransformIntegrity:
			s.Integrity = crypto.IntegrityID(t.ID)
		case wire.TransformGroup:
			s.Group = crypto.GroupID(t.ID)
		case wire.TransformAdditional1:
			s.Additional = crypto.GroupID(t.ID)
		default:
			return s, p, false
		}
	}
	return s, p, slices.Contains(offered, s)
}

func suiteNames(suites []crypto.Suite) []string {
	out := make([]string, len(suites))
	for i, s := range suites {
		out[i] = s.String()
	}
	return out
}

// describeSA tells a person what a peer offered. It is bounded by the parser.
func describeSA(offer *wire.SA) []string {
	var out []string
	for _, p := range offer.Proposals {
		var parts []string
		for _, t := range p.Transforms {
			parts = append(parts, describeTransform(t))
		}
		out = append(out, strings.Join(parts, " "))
	}
	return out
}

func describeTransform(t wire.Transform) string {
	switch t.Type {
	case wire.TransformEncryption:
		if t.KeyLength != 0 {
			return fmt.Sprintf("%s-%d", crypto.EncryptionID(t.ID), t.KeyLength)
		}
		return crypto.EncryptionID(t.ID).String()
	case wire.TransformPRF:
		return crypto.PRFID(t.ID).String()
	case wire.TransformIntegrity:
		return crypto.IntegrityID(t.ID).String()
	case wire.TransformGroup:
		return crypto.GroupID(t.ID).String()
	case wire.TransformAdditional1:
		return "additional " + crypto.GroupID(t.ID).String()
	case wire.TransformESN:
		if t.ID == 0 {
			return "no-esn"
		}
		return "esn"
	}
	return fmt.Sprintf("transform %d/%d", t.Type, t.ID)
}
