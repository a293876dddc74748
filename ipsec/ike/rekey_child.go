package ike

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// CREATE_CHILD_SA for children (RFC 7296 sections 1.3.1, 1.3.3, 2.8).
//
//	we                                            peer
//	 HDR, SK {N(REKEY_SA), SA, Ni, [KE,] TS} ────▶ installs inbound, still sends by the old one
//	 installs both ◀──── HDR, SK {SA, Nr, [KE,] TS}
//	 sends by the new one ───────────────────────▶ sees it (or the Delete) and follows
//	 HDR, SK {D old} ────────────────────────────▶ retires the old one

// askChild asks for a child: a new one, or a replacement of t.child.
func (sa *SA) askChild(t task) {
	spi, ok := sa.allocateSPI()
	if !ok {
		return
	}
	var ps []wire.Payload
	if t.child != nil {
		// The SPI of REKEY_SA is the one we receive by (section 1.3.3).
		t.want = t.child.want
		ps = append(ps, &wire.Notify{NotifyType: wire.RekeySA, Protocol: protocolOf(t.want.Protocol),
			SPI: binary.BigEndian.AppendUint32(nil, uint32(t.child.in))})
	}
	r := request{task: t, spi: spi, ni: sa.random(crypto.NonceSize), group: t.group}
	if suites := sa.peer.suites(&t.want.Child); r.group == crypto.GroupNone && len(suites) > 0 {
		r.group = suites[0].Group
	}
	offer := sa.childOffer(t.want, spi, true)
	if t.child != nil {
		// A replacement covers what the old one did (section 2.9.2).
		local, remote := t.child.inSA.LocalTS, t.child.inSA.RemoteTS
		offer = sa.offerOf(t.want, spi, true, local, remote)
	}
	nonce := []wire.Payload{&wire.Nonce{Data: r.ni}}
	if r.group != crypto.GroupNone {
		kx, err := crypto.NewKeyExchange(r.group, sa.env.Rand)
		if err != nil {
			sa.fail(Reason{Code: InternalError, Detail: err.Error()})
			return
		}
		r.kx = kx
		nonce = append(nonce, &wire.KeyExchange{Group: uint16(r.group), Data: kx.Public()})
	}
	// Section 1.3.1 puts nonce and key exchange right behind SA.
	ps = append(ps, slices.Insert(offer, 1, nonce...)...)
	sa.ask(sa.cur, wire.CreateChildSA, ps, r)
}

// childOffer are the payloads that ask for a child: what it is protected with, its
// selectors, its mode. SA comes first.
func (sa *SA) childOffer(w *wanted, spi sad.SPI, withGroups bool) []wire.Payload {
	local, remote := sa.selectors(w)
	return sa.offerOf(w, spi, withGroups, w.triggered(local, w.trigger.local), w.triggered(remote, w.trigger.remote))
}

func (sa *SA) offerOf(w *wanted, spi sad.SPI, withGroups bool, local, remote []sad.Selector) []wire.Payload {
	ps := []wire.Payload{
		&wire.SA{Proposals: childProposals(w.Protocol, sa.peer.suites(&w.Child), spi, withGroups)},
		tsPayload(local, false), tsPayload(remote, true),
	}
	if w.Mode == sad.Transport {
		ps = append(ps, &wire.Notify{NotifyType: wire.UseTransportMode})
	}
	return ps
}

// childResponse is the answer to askChild.
func (sa *SA) childResponse(g *generation, r *request, m *wire.Message) {
	old := r.task.child
	if old != nil {
		old.busy = false
		if !slices.Contains(sa.children, old) || old.leaving {
			// It went away meanwhile; what we asked for still stands.
			old = nil
		}
	}
	if sa.childRefused(r, old, m) {
		return
	}
	nonce, ok := wire.Find[*wire.Nonce](m.Payloads)
	if !ok && wire.FirstError(m.Payloads) == nil {
		sa.problem(Reason{Code: BadMessage, Detail: "CREATE_CHILD_SA answered without Nonce"})
		return
	}
	k := childKeying{
		initiator: true, prf: g.suite.PRF, d: g.keys.D, ni: r.ni,
		withGroups: true, kx: r.kx, group: r.group, want: r.task.want, spi: r.spi,
	}
	k.local, k.remote = sa.selectors(k.want)
	if ok {
		k.nr = nonce.Data
	}
	if r.task.child != nil {
		k.local, k.remote = r.task.child.inSA.LocalTS, r.task.child.inSA.RemoteTS
	}
	c := sa.childAnswered(m.Payloads, k, old)
	switch {
	case c == nil:
		if old != nil {
			old.rekeyAt = sa.now.Add(childRetry)
			if old.want.once {
				old.rekeyAt = time.Time{} // it would be refused each time
			}
		}
	case old == nil && r.task.child != nil && sa.othersOf(c):
		// What we wanted to replace is gone, and its successor is there.
		sa.deleteChild(c)
	case old == nil:
		sa.activate(c)
	case old.rival != nil && bytes.Compare(c.lowestNonce, old.rival.lowestNonce) < 0:
		// Both sides replaced the same child. The exchange with the lowest
		// nonce is redundant and its initiator deletes it (section 2.8.1); the
		// peer deletes the old child.
		rival := old.rival
		sa.deleteChild(c)
		sa.activate(rival)
	default:
		sa.activate(c)
		sa.deleteChild(old)
	}
}

// childRefused handles the refusals that have a rule of their own (sections
// 1.3, 2.7, 2.25) and reports whether there was one.
func (sa *SA) childRefused(r *request, old *child, m *wire.Message) bool {
	if n := wire.FindNotify(m.Payloads, wire.InvalidKEPayload); n != nil && len(n.Data) == 2 && r.task.tries < 2 {
		group := crypto.GroupID(binary.BigEndian.Uint16(n.Data))
		offered := slices.ContainsFunc(sa.peer.suites(&r.task.want.Child), func(s crypto.Suite) bool { return s.Group == group })
		if offered && group != r.group && group != crypto.GroupNone {
			sa.want(task{kind: r.task.kind, child: old, want: r.task.want, group: group, tries: r.task.tries + 1})
			return true
		}
	}
	pause := busyRetry + rand.N(busyRetry)
	switch {
	case wire.FindNotify(m.Payloads, wire.TemporaryFailure) != nil:
		if old == nil {
			r.task.want.at = sa.now.Add(pause)
		} else if old.rival == nil {
			old.rekeyAt = sa.now.Add(pause)
		}
		return true
	case wire.FindNotify(m.Payloads, wire.ChildSANotFound) != nil && old != nil:
		// The peer lost it: drop it and ask for a new one.
		if old.rival == nil {
			sa.drop(old)
			r.task.want.at = sa.now
			if !sa.initiator {
				// Who called may be about to ask, too, and there would be two.
				r.task.want.at = sa.now.Add(4 * busyRetry)
			}
		}
		return true
	}
	return false
}

// createChild answers a CREATE_CHILD_SA request: a rekey of the IKE SA, a
// rekey of a child, or a further child.
func (sa *SA) createChild(g *generation, m *wire.Message) []wire.Payload {
	if sa.state != StateEstablished || g != sa.cur {
		return notifyOnly(wire.TemporaryFailure, nil) // it is on its way out
	}
	offer, ok := wire.Find[*wire.SA](m.Payloads)
	nonce, ok2 := wire.Find[*wire.Nonce](m.Payloads)
	if !ok || !ok2 {
		return notifyOnly(wire.InvalidSyntax, nil)
	}
	if len(offer.Proposals) > 0 && offer.Proposals[0].Protocol == wire.ProtocolIKE {
		return sa.acceptRekeyIKE(g, m, offer, nonce)
	}
	if g.pending != nil && g.pending.task.kind == taskRekeyIKE {
		return notifyOnly(wire.TemporaryFailure, nil) // section 2.25.2
	}
	var old *child
	if n := wire.FindNotify(m.Payloads, wire.RekeySA); n != nil {
		protocol, ok := protocolNamed(n.Protocol)
		if !ok || len(n.SPI) != 4 {
			return notifyOnly(wire.InvalidSyntax, nil)
		}
		old = sa.childByOut(protocol, sad.SPI(binary.BigEndian.Uint32(n.SPI)))
		switch {
		case old == nil:
			return []wire.Payload{&wire.Notify{NotifyType: wire.ChildSANotFound, Protocol: n.Protocol, SPI: n.SPI}}
		case old.leaving || sa.deleting(old):
			return notifyOnly(wire.TemporaryFailure, nil) // section 2.25.1
		}
	}
	if len(sa.children) >= sa.maxPairs() {
		return notifyOnly(wire.NoAdditionalSAs, nil)
	}
	nr := sa.random(crypto.NonceSize)
	if sa.state == StateClosed {
		return notifyOnly(wire.TemporaryFailure, nil)
	}
	k := childKeying{prf: g.suite.PRF, d: g.keys.D, ni: bytes.Clone(nonce.Data), nr: nr, withGroups: true}
	if old != nil {
		k.want = old.want
	}
	c, answer, why := sa.acceptChild(m.Payloads, k)
	if c == nil {
		if why.Code != NoProposal || why.Detail == "" {
			sa.problem(why)
		}
		return answer
	}
	c.replaces = old
	sa.install(c)
	if old != nil && old.busy {
		old.rival = c
	}
	if old == nil {
		sa.activate(c)
	}
	// Otherwise our outbound half waits for the peer's first packet or its
	// Delete: until then the peer may not have the new keys.
	// Section 1.3.1 puts the nonce right behind SA.
	return slices.Insert(answer, 1, wire.Payload(&wire.Nonce{Data: nr}))
}

// othersOf says whether another pair does the work of c.
func (sa *SA) othersOf(c *child) bool {
	return slices.ContainsFunc(sa.children, func(o *child) bool { return o != c && o.want == c.want && !o.leaving })
}

// deleting says whether our own Delete of a child is waiting or on its way.
func (sa *SA) deleting(c *child) bool {
	about := func(t task) bool { return t.kind == taskDeleteChild && t.child == c }
	if p := sa.cur.pending; p != nil && about(p.task) {
		return true
	}
	return slices.ContainsFunc(sa.queue, about)
}

// deleteChild tells the peer to drop a child, after we stopped using it.
func (sa *SA) deleteChild(c *child) {
	sa.retire(c)
	sa.want(task{kind: taskDeleteChild, child: c})
}

// childDeleted is the peer's word that a child we deleted is gone.
func (sa *SA) childDeleted(c *child) {
	if c.removeAt.IsZero() || c.removeAt.Before(sa.now) {
		sa.drop(c)
	}
}
