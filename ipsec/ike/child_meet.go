package ike

import (
	"encoding/binary"
	"net/netip"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// Which of our children a caller means, and what both sides allow (RFC 7296
// sections 2.7, 2.9, 2.23.1).

// asked is a caller's wish for a child SA.
type asked struct {
	offer      *wire.SA
	tsi, tsr   []sad.Selector
	group      crypto.GroupID // of its KE payload
	withGroups bool
	transport  bool
}

// meet finds what to answer. k.want is filled in. A refusal comes back as the
// answer and its reason.
func (sa *SA) meet(k *childKeying, r asked) (made, []wire.Payload, Reason) {
	wants := sa.wants
	if k.want != nil {
		wants = []*wanted{k.want}
	}
	var candidates []*wanted
	for _, free := range []bool{true, false} {
		for _, w := range wants {
			if local, remote := sa.narrowed(w, r); free != sa.hasChild(w) && sharedFamilies(local, remote) {
				candidates = append(candidates, w)
			}
		}
	}
	if len(candidates) == 0 {
		why := Reason{Code: SelectorsRefused, Got: append(selectorNames(r.tsr), selectorNames(r.tsi)...)}
		for _, w := range wants {
			local, remote := sa.selectors(w)
			why.Sent = append(append(why.Sent, selectorNames(local)...), selectorNames(remote)...)
		}
		return made{}, notifyOnly(wire.TSUnacceptable, nil), why
	}
	var answer []wire.Payload
	var why Reason
	for i, w := range candidates {
		m, refusal, reason := sa.suits(w, r)
		if refusal == nil {
			k.want = w
			return m, nil, Reason{}
		}
		if i == 0 {
			answer, why = refusal, reason // the likeliest to be meant
		}
	}
	return made{}, answer, why
}

// suits says what to answer if one of our children is meant.
func (sa *SA) suits(w *wanted, r asked) (made, []wire.Payload, Reason) {
	var m made
	if w.Mode == sad.Transport && !r.transport {
		return m, notifyOnly(wire.NoProposalChosen, nil), Reason{Code: ModeRefused, Detail: "the caller asks for a tunnel, transport mode is wanted"}
	}
	if w.Protocol == sad.AH && sa.behind {
		return m, notifyOnly(wire.NoProposalChosen, nil), behindNAT
	}
	suites := sa.peer.suites(&w.Child)
	var ok bool
	if m.choice, ok = chooseChild(w.Protocol, suites, r.offer, r.group, r.withGroups); !ok {
		if _, ok := chooseChild(w.Protocol, suites, r.offer, crypto.GroupNone, false); ok {
			return m, notifyOnly(wire.NoProposalChosen, nil), sa.pfsDiffers(w, r.offer, false)
		}
		return m, notifyOnly(wire.NoProposalChosen, nil), Reason{Code: NoProposal, Sent: suiteNames(suites), Got: describeSA(r.offer)}
	}
	if m.suite.Group != r.group {
		group := binary.BigEndian.AppendUint16(nil, uint16(m.suite.Group))
		return m, notifyOnly(wire.InvalidKEPayload, group),
			Reason{Code: NoProposal, Sent: []string{m.suite.String()}, Got: describeSA(r.offer), Detail: "another group is needed"}
	}
	m.local, m.remote = sa.narrowed(w, r)
	if w.Mode != sad.Transport {
		return m, nil, Reason{}
	}
	m.mode = sad.Transport
	if sa.nat && sa.env.Taken != nil {
		if other := sa.env.Taken(sa.peer.Name, sa.remote.Addr()); other != "" {
			return m, notifyOnly(wire.TSUnacceptable, nil), Reason{Code: AddressTaken, Got: []string{sa.remote.Addr().String()}, Sent: []string{other},
				Detail: "two hosts behind one address cannot both use transport mode"}
		}
	}
	return m, nil, Reason{}
}

// behindNAT is why there is no AH: every packet would be taken for a forgery (RFC 4302
// section 3.3.3.1). Who is behind the NAT knows; that the other side says it is may
// only mean that it wants ESP in UDP.
var behindNAT = Reason{Code: AHBehindNAT, Detail: "this side is behind a NAT, which changes what AH covers"}

// selectors are what we want joined.
func (sa *SA) selectors(w *wanted) (local, remote []sad.Selector) {
	if w.Mode == sad.Transport {
		return host(sa.local.Addr()), host(sa.remote.Addr())
	}
	return w.LocalTS, w.RemoteTS
}

// narrowed is what of a caller's selectors we allow.
func (sa *SA) narrowed(w *wanted, r asked) (local, remote []sad.Selector) {
	tsi, tsr := r.tsi, r.tsr
	if w.Mode == sad.Transport && r.transport && sa.nat {
		// The caller knows other addresses than we do.
		if len(tsi) == 0 || len(tsr) == 0 || !oneHost(tsi) || !oneHost(tsr) {
			return nil, nil
		}
		tsi, tsr = onHost(tsi, sa.remote.Addr()), onHost(tsr, sa.local.Addr())
	}
	local, remote = sa.selectors(w)
	return narrow(tsr, local), narrow(tsi, remote)
}

// host is everything from or to one address.
func host(a netip.Addr) []sad.Selector {
	return []sad.Selector{sad.SelectorFromPrefix(netip.PrefixFrom(a, a.BitLen()))}
}

// oneHost says whether all selectors are of the same single address.
func oneHost(ts []sad.Selector) bool {
	for _, s := range ts {
		if s.First != s.Last || s.First != ts[0].First {
			return false
		}
	}
	return true
}

// onHost puts an address in place of a selector's own.
func onHost(ts []sad.Selector, a netip.Addr) []sad.Selector {
	out := make([]sad.Selector, len(ts))
	for i, s := range ts {
		s.First, s.Last = a, a
		out[i] = s
	}
	return out
}
