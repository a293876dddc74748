package ike

import (
	"encoding/binary"
	"slices"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// What a child SA is offered, chosen and answered with (RFC 7296 sections 2.7,
// 3.3): one protocol, ESP or AH, its transforms, and whether sequence numbers
// are extended.

// protocolOf is a protocol as IKE numbers it.
func protocolOf(p sad.Protocol) uint8 {
	if p == sad.AH {
		return wire.ProtocolAH
	}
	return wire.ProtocolESP
}

// protocolNamed is the other way round; false for what no child can have.
func protocolNamed(p uint8) (sad.Protocol, bool) {
	switch p {
	case wire.ProtocolAH:
		return sad.AH, true
	case wire.ProtocolESP:
		return sad.ESP, true
	}
	return 0, false
}

// suites are what may be used of a child's: legacy ones only if the connection
// says so.
func (p *Peer) suites(c *Child) []crypto.Suite {
	if p.Legacy {
		return c.Suites
	}
	return slices.DeleteFunc(slices.Clone(c.Suites), crypto.Suite.LegacyIKE)
}

// childProposals offers suites for a child SA, each with extended sequence
// numbers, which we prefer (RFC 4303 section 2.2.1), and without. Groups are left
// out of IKE_AUTH, which has no KE payload (section 1.2).
func childProposals(protocol sad.Protocol, suites []crypto.Suite, spi sad.SPI, withGroups bool) []wire.Proposal {
	ps := proposals(suites, protocolOf(protocol), binary.BigEndian.AppendUint32(nil, uint32(spi)), withGroups)
	for i := range ps {
		ps[i].Transforms = append(ps[i].Transforms,
			wire.Transform{Type: wire.TransformESN, ID: withESN}, wire.Transform{Type: wire.TransformESN, ID: withoutESN})
	}
	return ps
}

// The transforms of type 5 (section 3.3.2).
const (
	withoutESN = 0
	withESN    = 1
)

// choice is what a responder takes of an offer.
type choice struct {
	suite    crypto.Suite
	proposal wire.Proposal
	// esn says that both sides count to 64 bits; counted that the offer spoke of
	// it at all.
	esn, counted bool
}

// chooseChild picks our best suite that the caller offers. sent is GroupNone if
// there was no KE payload; withGroups is false in IKE_AUTH, where groups mean
// nothing.
func chooseChild(protocol sad.Protocol, suites []crypto.Suite, offer *wire.SA, sent crypto.GroupID, withGroups bool) (choice, bool) {
	for _, s := range suites {
		for _, p := range offer.Proposals {
			if p.Protocol != protocolOf(protocol) || len(p.SPI) != 4 || binary.BigEndian.Uint32(p.SPI) < 256 || !offers(p, s) {
				continue
			}
			c := choice{suite: s, proposal: p}
			numbers := ids(p, wire.TransformESN)
			c.counted, c.esn = len(numbers) > 0, slices.Contains(numbers, withESN)
			if c.counted && !c.esn && !slices.Contains(numbers, withoutESN) {
				continue
			}
			if !withGroups {
				c.suite.Group = crypto.GroupNone
				return c, true
			}
			if g, ok := chooseGroup(s.Group, p, sent); ok {
				c.suite.Group = g
				return c, true
			}
		}
	}
	return choice{}, false
}

// chooseGroup decides about perfect forward secrecy. If we ask for none and
// the peer insists, it gets it: that is stronger, and refusing would break the
// tunnel at its first rekey, an hour after it came up.
func chooseGroup(ours crypto.GroupID, p wire.Proposal, sent crypto.GroupID) (crypto.GroupID, bool) {
	theirs := ids(p, wire.TransformGroup)
	if ours != crypto.GroupNone {
		return ours, slices.Contains(theirs, uint16(ours))
	}
	if len(theirs) == 0 || slices.Contains(theirs, uint16(crypto.GroupNone)) && sent == crypto.GroupNone {
		return crypto.GroupNone, true
	}
	if sent.PublicSize() > 0 && slices.Contains(theirs, uint16(sent)) {
		return sent, true
	}
	for _, id := range theirs {
		if g := crypto.GroupID(id); g.PublicSize() > 0 {
			return g, true
		}
	}
	return crypto.GroupNone, false
}

// answer is the proposal that the responder sends back.
func (c choice) answer(spi sad.SPI) wire.Proposal {
	p := answerProposal(c.proposal, c.suite, binary.BigEndian.AppendUint32(nil, uint32(spi)))
	if c.counted {
		id := uint16(withoutESN)
		if c.esn {
			id = withESN
		}
		p.Transforms = append(p.Transforms, wire.Transform{Type: wire.TransformESN, ID: id})
	}
	return p
}

func (c choice) peerSPI() sad.SPI { return sad.SPI(binary.BigEndian.Uint32(c.proposal.SPI)) }

// chosenChild checks a responder's choice as chosenSuite does.
func chosenChild(answer *wire.SA, protocol sad.Protocol, offered []crypto.Suite) (choice, bool) {
	var c choice
	if len(answer.Proposals) != 1 {
		return c, false
	}
	p := answer.Proposals[0]
	p.Transforms = nil
	for _, t := range answer.Proposals[0].Transforms {
		if t.Type != wire.TransformESN {
			p.Transforms = append(p.Transforms, t)
			continue
		}
		if c.counted || t.Unknown || t.ID > withESN {
			return c, false
		}
		c.counted, c.esn = true, t.ID == withESN
	}
	var ok bool
	c.suite, c.proposal, ok = chosenSuite(&wire.SA{Proposals: []wire.Proposal{p}}, protocolOf(protocol), offered)
	return c, ok && len(p.SPI) == 4 && c.peerSPI() >= 256
}

func withoutGroups(in []crypto.Suite) []crypto.Suite {
	out := make([]crypto.Suite, len(in))
	for i, s := range in {
		s.Group = crypto.GroupNone
		out[i] = s
	}
	return out
}
