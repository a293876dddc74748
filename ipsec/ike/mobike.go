package ike

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// Mobility and multihoming (RFC 4555). Who called decides on addresses: when its own
// change, or when those in use lead nowhere, it says so by UPDATE_SA_ADDRESSES, from
// the new ones. Who answered tells of its own by ADDITIONAL_*_ADDRESS, and is found
// there.
//
//	 our uplink changes                                    peer
//	 HDR, SK {N(UPDATE_SA_ADDRESSES), N(NAT_DETECTION_*)} ──▶ moves its SAs
//	 moves its SAs ◀──── HDR, SK {N(NAT_DETECTION_*)}
//	                ◀──── HDR, SK {N(COOKIE2)}             do you really receive there?
//	 HDR, SK {N(COOKIE2)} ──────────────────────────────────▶
//
// Transport mode knows no other addresses: such a child is made anew (section 1.2).

// paths are what is known of both sides' addresses.
type paths struct {
	mobike bool
	// others are the peer's besides the one in use.
	others []netip.Addr
	// proof is what the peer must send back to show that it receives (section 3.7).
	proof []byte
}

// cookie2 is the length of our COOKIE2 in bytes (section 4.2.5: 8 to 64).
const cookie2 = 16

// maxAddresses bounds what is kept of the peer's addresses.
const maxAddresses = 8

// mobikeNotifies are what IKE_AUTH says about it, either way.
func (sa *SA) mobikeNotifies() []wire.Payload {
	return append(notifyOnly(wire.MOBIKESupported, nil), sa.ownAddresses()...)
}

// learnMobike reads the peer's. Only who called decides about addresses, so both
// must know it.
func (sa *SA) learnMobike(m *wire.Message) {
	sa.paths.mobike = wire.FindNotify(m.Payloads, wire.MOBIKESupported) != nil
	if sa.paths.mobike {
		sa.paths.others, _ = addressesIn(m.Payloads)
	}
}

// ownAddresses tell where else we can be reached (section 3.4).
func (sa *SA) ownAddresses() []wire.Payload {
	var out []wire.Payload
	if sa.env.Addresses != nil {
		for _, a := range sa.env.Addresses() {
			if a == sa.local.Addr() || len(out) == maxAddresses {
				continue
			}
			kind := wire.AdditionalIP6Address
			if a.Is4() {
				kind = wire.AdditionalIP4Address
			}
			out = append(out, &wire.Notify{NotifyType: kind, Data: a.AsSlice()})
		}
	}
	if out == nil {
		out = notifyOnly(wire.NoAdditionalAddresses, nil)
	}
	return out
}

// addressesIn reads them; told says that the message is about them at all.
func addressesIn(ps []wire.Payload) (out []netip.Addr, told bool) {
	for _, p := range ps {
		n, ok := p.(*wire.Notify)
		if !ok {
			continue
		}
		size := map[wire.NotifyType]int{wire.AdditionalIP4Address: 4, wire.AdditionalIP6Address: 16}[n.NotifyType]
		told = told || size > 0 || n.NotifyType == wire.NoAdditionalAddresses
		if a, ok := netip.AddrFromSlice(n.Data); ok && len(n.Data) == size && len(out) < maxAddresses && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out, told
}

// relocate is our own move.
func (sa *SA) relocate(local netip.Addr) {
	if sa.state != StateEstablished || sa.local.Addr() == local || local.Is4() != sa.remote.Addr().Is4() {
		return
	}
	sa.moveTo(netip.AddrPortFrom(local, sa.local.Port()), sa.remote)
	switch {
	case !sa.paths.mobike:
		// A peer without it may follow what comes from another address (RFC 7296
		// section 2.23).
		sa.want(task{kind: taskProbe})
	case sa.initiator:
		sa.want(task{kind: taskUpdate})
	default:
		sa.want(task{kind: taskProbe, say: sa.ownAddresses()})
	}
}

// moveTo changes addresses, of the IKE SA and of all children.
func (sa *SA) moveTo(local, remote netip.AddrPort) {
	sa.local, sa.remote = local, remote
	if sa.state != StateEstablished {
		return
	}
	for _, c := range slices.Clone(sa.children) {
		if c.inSA.Mode == sad.Transport {
			sa.drop(c)
			if sa.initiator {
				c.want.at = sa.now.Add(busyRetry)
			}
			continue
		}
		for _, half := range []*sad.SA{&c.inSA, &c.outSA} {
			half.Local, half.Remote = local.Addr(), remote.Addr()
			if half.Encap != nil {
				half.Encap = &sad.Encap{LocalPort: local.Port(), RemotePort: remote.Port()}
			}
		}
		// Where the plane cannot move SAs with their counters, new ones must come.
		c.rekeyAt = sa.now.Add(movedRekey)
	}
	sa.emit(Moved{Peer: sa.peer.Name, Local: local, Remote: remote})
	if p := sa.cur.pending; p != nil {
		// What is on its way goes again on the new path, before anything else (section
		// 3.5).
		p.tries = 0
		sa.transmit(p)
	}
}

// askUpdate tells the peer where we are (section 3.5).
func (sa *SA) askUpdate(t task) {
	ps := append(notifyOnly(wire.UpdateSAAddresses, nil), sa.natNotifies(sa.cur.spii, sa.cur.spir)...)
	ps = append(ps, &wire.Notify{NotifyType: wire.Cookie2, Data: sa.random(cookie2)})
	sa.ask(sa.cur, wire.Informational, ps, request{task: t, ni: ps[len(ps)-1].(*wire.Notify).Data, from: sa.local.Addr()})
}

// updated is the peer's answer to that.
func (sa *SA) updated(r *request, m *wire.Message) {
	if r.from != sa.local.Addr() {
		return // we have moved on; another update is on its way
	}
	switch {
	case wire.FindNotify(m.Payloads, wire.UnacceptableAddresses) != nil:
		if !sa.tryElsewhere() {
			sa.close(Reason{Code: PathRefused, ByPeer: true, Got: []string{sa.local.Addr().String()}, Detail: "UNACCEPTABLE_ADDRESSES"})
		}
	case wire.FindNotify(m.Payloads, wire.UnexpectedNATDetected) != nil:
		sa.close(Reason{Code: PathRefused, ByPeer: true, Detail: "UNEXPECTED_NAT_DETECTED"})
	default:
		if c := wire.FindNotify(m.Payloads, wire.Cookie2); c == nil || !bytes.Equal(c.Data, r.ni) {
			sa.close(Reason{Code: BadMessage, Detail: "COOKIE2 did not come back"})
			return
		}
		sa.renat(m.Payloads, Datagram{Local: sa.local, Remote: sa.remote})
	}
}

// update answers the peer's.
func (sa *SA) update(d Datagram, m *wire.Message) []wire.Payload {
	if !sa.paths.mobike || sa.initiator {
		return nil
	}
	if n := wire.FindNotify(m.Payloads, wire.NoNATsAllowed); n != nil && !bytes.Equal(n.Data, endpoints(d.Remote, d.Local)) {
		return notifyOnly(wire.UnexpectedNATDetected, nil)
	}
	if sa.env.MayMove != nil && !sa.env.MayMove(sa.peer.Name, d.Remote.Addr()) {
		return notifyOnly(wire.UnacceptableAddresses, nil)
	}
	sa.moveTo(d.Local, d.Remote)
	sa.renat(m.Payloads, d)
	// Does it receive there? Somebody on the way could have changed the address.
	sa.paths.proof = sa.random(cookie2)
	sa.want(task{kind: taskProbe, say: notifyOnly(wire.Cookie2, sa.paths.proof)})
	return sa.natNotifies(sa.cur.spii, sa.cur.spir)
}

// endpoints are the data of NO_NATS_ALLOWED (section 4.2.6).
func endpoints(source, destination netip.AddrPort) []byte {
	b := append(source.Addr().AsSlice(), destination.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, source.Port())
	return binary.BigEndian.AppendUint16(b, destination.Port())
}

// renat looks anew whether there is a NAT between; ESP goes in UDP then.
func (sa *SA) renat(ps []wire.Payload, d Datagram) {
	before := sa.nat
	sa.nat, sa.behind = false, false
	sa.detectNAT(ps, d, sa.cur.spii, sa.cur.spir)
	if sa.nat != before {
		for _, c := range sa.children {
			c.rekeyAt = sa.now // SAs cannot get or lose their UDP
		}
	}
}

// routable checks the answer to a probe that asked whether the peer receives at its
// new address (section 3.7).
func (sa *SA) routable(r *request, m *wire.Message) {
	if sa.paths.proof == nil || wire.FindNotify(r.task.say, wire.Cookie2) == nil {
		return
	}
	if c := wire.FindNotify(m.Payloads, wire.Cookie2); c == nil || !bytes.Equal(c.Data, sa.paths.proof) {
		sa.close(Reason{Code: BadMessage, Detail: "COOKIE2 did not come back"})
	}
	sa.paths.proof = nil
}

// told takes what an INFORMATIONAL request says about addresses and gives the
// answer to it.
func (sa *SA) told(d Datagram, m *wire.Message) []wire.Payload {
	var answer []wire.Payload
	if wire.FindNotify(m.Payloads, wire.UpdateSAAddresses) != nil {
		answer = sa.update(d, m)
	}
	if c := wire.FindNotify(m.Payloads, wire.Cookie2); c != nil && len(c.Data) <= maxCookie {
		answer = append(answer, &wire.Notify{NotifyType: wire.Cookie2, Data: bytes.Clone(c.Data)})
	}
	others, ok := addressesIn(m.Payloads)
	if !ok || !sa.paths.mobike {
		return answer
	}
	sa.paths.others = others
	if sa.initiator && d.Remote != sa.remote && !slices.Contains(others, sa.remote.Addr()) {
		// It is not where it was (section 3.6).
		sa.moveTo(d.Local, d.Remote)
		sa.want(task{kind: taskUpdate})
	}
	return answer
}

// tryElsewhere turns to another of the peer's addresses when nothing comes back from
// the one in use. Who called does that.
func (sa *SA) tryElsewhere() bool {
	if !sa.paths.mobike || !sa.initiator {
		return false
	}
	for i, a := range sa.paths.others {
		if a.Is4() != sa.local.Addr().Is4() || a == sa.remote.Addr() {
			continue
		}
		sa.paths.others = slices.Delete(slices.Clone(sa.paths.others), i, i+1)
		sa.moveTo(sa.local, netip.AddrPortFrom(a, natPort))
		sa.want(task{kind: taskUpdate})
		return true
	}
	return false
}
