package ike

import (
	"encoding/binary"

	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// informational answers a Delete, a liveness check or anything else the peer
// tells (RFC 7296 section 1.4).
func (sa *SA) informational(g *generation, d Datagram, h wire.Header, m *wire.Message) {
	var answer []wire.Payload
	for _, p := range m.Payloads {
		del, ok := p.(*wire.Delete)
		if !ok {
			continue
		}
		if del.Protocol == wire.ProtocolIKE {
			sa.answer(g, d, h, nil)
			sa.ikeDeleted(g, m)
			return
		}
		if protocol, ok := protocolNamed(del.Protocol); ok {
			if ours := sa.deletedByPeer(protocol, del.SPIs); len(ours) > 0 {
				answer = append(answer, &wire.Delete{Protocol: del.Protocol, SPIs: ours})
			}
		}
	}
	sa.answer(g, d, h, append(answer, sa.told(d, m)...))
	if n := wire.FindNotify(m.Payloads, wire.AuthenticationFailed); n != nil {
		// The initiator did not accept our AUTH (section 2.21.2).
		sa.fail(Reason{Code: RejectedByPeer, ByPeer: true, Detail: "INFORMATIONAL, AUTHENTICATION_FAILED"})
	}
}

// ikeDeleted ends the IKE SA, or only its old generation.
func (sa *SA) ikeDeleted(g *generation, m *wire.Message) {
	if g == sa.cur && sa.state == StateEstablished && sa.takeSpare() {
		sa.old = nil // both rekeyed, and the peer is through already
		return
	}
	if g != sa.cur {
		sa.generationDeleted(g)
		return
	}
	why := Reason{Code: DeletedByPeer, ByPeer: true}
	if sa.state == StateClosing {
		why = sa.closeReason // both sides said goodbye at once
	} else if wire.FindNotify(m.Payloads, wire.AuthenticationFailed) != nil {
		why = Reason{Code: RejectedByPeer, ByPeer: true, Detail: "INFORMATIONAL, AUTHENTICATION_FAILED"}
	}
	sa.fail(why)
}

// deletedByPeer takes children out whose outbound SPIs the peer names and
// returns our half of each pair. When both sides delete the same pair at once
// nothing is returned for it (section 1.4.1).
func (sa *SA) deletedByPeer(protocol sad.Protocol, spis [][]byte) [][]byte {
	var ours [][]byte
	for _, b := range spis {
		if len(b) != 4 {
			continue
		}
		c := sa.childByOut(protocol, sad.SPI(binary.BigEndian.Uint32(b)))
		if c == nil {
			continue
		}
		if !sa.deleting(c) {
			ours = append(ours, binary.BigEndian.AppendUint32(nil, uint32(c.in)))
		}
		for _, next := range sa.children {
			if next.replaces == c && !next.leaving {
				// The peer left the old pair: it has the new one's keys.
				sa.activate(next)
			}
		}
		sa.retire(c)
	}
	return ours
}
