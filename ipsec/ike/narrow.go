package ike

import (
	"net/netip"
	"slices"

	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// tsPayload offers selectors.
func tsPayload(selectors []sad.Selector, responder bool) *wire.TS {
	p := &wire.TS{Responder: responder}
	for _, s := range selectors {
		kind := wire.TSIPv4
		if s.First.Is6() {
			kind = wire.TSIPv6
		}
		p.Selectors = append(p.Selectors, wire.TrafficSelector{
			Type: kind, Protocol: s.Protocol, StartPort: s.FirstPort, EndPort: s.LastPort, Start: s.First, End: s.Last,
		})
	}
	return p
}

// selectorsOf reads a TS payload. Selectors of unknown types and empty ranges
// match nothing and are left out, and so are OPAQUE ports (RFC 7296 section
// 3.13.1), which are a range from 65535 to 0.
func selectorsOf(p *wire.TS) []sad.Selector {
	var out []sad.Selector
	for _, t := range p.Selectors {
		if !t.Start.IsValid() || t.End.Less(t.Start) || t.EndPort < t.StartPort {
			continue
		}
		out = append(out, sad.Selector{
			First: t.Start, Last: t.End, Protocol: t.Protocol, FirstPort: t.StartPort, LastPort: t.EndPort,
		})
	}
	return out
}

// narrow is what both sides allow (section 2.9): each offered selector cut
// down to ours. The first one offered may be the packet that triggered the
// exchange; its place inside a wider one is dropped.
func narrow(offered, ours []sad.Selector) []sad.Selector {
	var out []sad.Selector
	for _, o := range offered {
		for _, s := range ours {
			both, ok := sad.Intersect(o, s)
			if ok && !slices.Contains(out, both) {
				out = append(out, both)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(out), func(s sad.Selector) bool {
		return slices.ContainsFunc(out, func(w sad.Selector) bool { return w != s && s.Within(w) })
	})
}

// within says whether a responder's answer stays inside what we offered.
func within(answer, offered []sad.Selector) bool {
	for _, a := range answer {
		if !slices.ContainsFunc(offered, func(o sad.Selector) bool { return a.Within(o) }) {
			return false
		}
	}
	return len(answer) > 0
}

// sharedFamilies says whether at least one address family is on both sides, so
// that a packet could match at all.
func sharedFamilies(local, remote []sad.Selector) bool {
	family := func(s []sad.Selector, is func(netip.Addr) bool) bool {
		return slices.ContainsFunc(s, func(x sad.Selector) bool { return is(x.First) })
	}
	return family(local, netip.Addr.Is4) && family(remote, netip.Addr.Is4) ||
		family(local, netip.Addr.Is6) && family(remote, netip.Addr.Is6)
}

func selectorNames(s []sad.Selector) []string {
	out := make([]string, len(s))
	for i, x := range s {
		out[i] = x.String()
	}
	return out
}

// acquire remembers which packet wants a child, and asks for one if nothing does yet.
func (sa *SA) acquire(a Acquire) {
	for _, w := range sa.wants {
		if w.Name != a.Child || w.Mode == sad.Transport || sa.hasChild(w) {
			continue
		}
		local, remote := host(a.Source), host(a.Destination)
		if !within(local, w.LocalTS) || !within(remote, w.RemoteTS) {
			continue
		}
		w.trigger.local, w.trigger.remote = local[0], remote[0]
		if sa.state == StateEstablished && w.at.IsZero() {
			w.at = sa.now
			sa.tick()
		}
	}
}

// triggered puts the packet that wants a child in front of its selectors, so that
// a peer that must narrow knows what is needed (section 2.9).
func (w *wanted) triggered(all []sad.Selector, packet sad.Selector) []sad.Selector {
	if !packet.First.IsValid() {
		return all
	}
	return append([]sad.Selector{packet}, all...)
}

// selectorsIn finds both TS payloads.
func selectorsIn(ps []wire.Payload) (tsi, tsr []sad.Selector, ok bool) {
	var haveI, haveR bool
	for _, p := range ps {
		if t, is := p.(*wire.TS); is {
			if t.Responder {
				tsr, haveR = selectorsOf(t), true
			} else {
				tsi, haveI = selectorsOf(t), true
			}
		}
	}
	return tsi, tsr, haveI && haveR
}
