package xfrm

import (
	"fmt"
	"slices"

	"gatehouse/ipsec/sad"
)

// Priorities: the kernel takes the lowest. Each policy has two, the first for what
// is blocked of it.
const (
	firstPriority    = 1000
	unseenPriority   = firstPriority - 1
	neighborPriority = firstPriority - 2
)

// wanted are the entries that the policies and SAs are in the kernel.
func (p *Plane) wanted() (map[place]entry, error) {
	out := map[place]entry{}
	put := func(e entry) {
		if _, earlier := out[e.place]; !earlier { // the first that matches decides
			out[e.place] = e
		}
	}
	if p.marks.tunnel {
		for _, direction := range []uint8{policyOut, policyIn, policyForward} {
			for _, s := range everything() {
				put(entry{place: place{s, direction, p.cfg.IfID, mark{mask: seenMark}}, priority: unseenPriority, block: true})
			}
		}
	}
	for i, pol := range p.policies {
		if pol.Action == sad.Demand {
			continue
		}
		bundle := p.bundle(pol)
		for _, direction := range []uint8{policyOut, policyIn, policyForward} {
			outward := direction == policyOut
			if !pol.Way.Takes(outward) {
				continue
			}
			from, to := pol.LocalTS, pol.RemoteTS
			if !outward {
				from, to = to, from
			}
			all := addressesOf(from, to)
			if p.marks.numbers[pol.ID] == 0 {
				var err error
				if all, err = selectors(from, to); err != nil {
					return nil, fmt.Errorf("policy %q: %w", pol.Name, err)
				}
			}
			for _, host := range p.placesOf(pol) {
				for _, s := range all {
					e := entry{
						place:    place{s, direction, p.ifIDOf(host), p.marks.of(pol, host)},
						priority: firstPriority + 2*uint32(i) + 1, block: pol.Action == sad.Discard,
					}
					if pol.Action == sad.Protect {
						e.templates = templates(p.reqids[pol.ID], bundle, outward, familyOf(s.source.Addr()))
						for _, bit := range p.unmet(pol, bundle, outward) {
							put(entry{place: e.place.labelled(bit), priority: e.priority - 1, block: true})
						}
					}
					put(e)
					if host && !outward {
						put(entry{place: place{addressesOnly(s), direction, e.ifID, mark{mask: seenMark}}, priority: unseenPriority, block: true})
					}
					if host && s.source.Addr().Is6() && direction != policyForward {
						for _, n := range neighborDiscovery(e) {
							put(n)
						}
					}
				}
			}
		}
	}
	return out, nil
}

// placesOf says whether a policy is for what goes between hosts, for what goes by
// the device, or for both: what is not protected is so wherever it would go.
func (p *Plane) placesOf(pol sad.Policy) []bool {
	switch {
	case hostToHost(pol):
		return []bool{true}
	case pol.Action != sad.Protect && p.marks.host:
		return []bool{false, true}
	}
	return []bool{false}
}

func (at place) labelled(bit uint32) place {
	at.mark = at.mark.and(bit)
	return at
}

// unmet are the bits of labels whose demands the SAs of a policy do not meet. What
// comes in may use any SA that is there, what goes out uses those of the bundle.
func (p *Plane) unmet(pol sad.Policy, bundle []template, outward bool) (bits []uint32) {
	for _, d := range p.policies {
		if d.Action != sad.Demand || slices.Contains(bits, p.marks.labels[d.Labels[0]]) {
			continue
		}
		met := slices.ContainsFunc(bundle, func(t template) bool {
			if outward {
				return t.sa != nil && d.Meets(t.sa)
			}
			return p.allMeet(d, pol, t.need)
		})
		if !met {
			bits = append(bits, p.marks.labels[d.Labels[0]])
		}
	}
	return bits
}

// allMeet says whether every inbound SA that serves a need of a policy meets a
// demand, and that there is one.
func (p *Plane) allMeet(d, pol sad.Policy, n sad.Need) bool {
	some := false
	for _, s := range p.sas {
		if s.Policy != pol.ID || s.Direction != sad.In || len(pol.Needs) > 0 && (s.Protocol != n.Protocol || s.Mode != n.Mode) {
			continue
		}
		if !d.Meets(&s.SA) {
			return false
		}
		some = true
	}
	return some
}

// neighborDiscovery lets two hosts find each other on their link, although all
// else between them is protected (RFC 4861: it is protected by its hop limit).
func neighborDiscovery(e entry) (out []entry) {
	const routerSolicitation, neighborAdvertisement = 133, 136
	for kind := uint16(routerSolicitation); kind <= neighborAdvertisement; kind++ {
		n := entry{place: e.place, priority: neighborPriority}
		n.selector, n.mark = addressesOnly(n.selector), mark{}
		n.selector.protocol, n.selector.sport = protoICMPv6, masked{kind, 0xffff}
		out = append(out, n)
	}
	return out
}

// bundle is the newest outbound SA for each need of a policy, nil where there
// is none.
func (p *Plane) bundle(pol sad.Policy) []template {
	needs := pol.Needs
	newest := func(fits func(sad.SA) bool) *sad.SA {
		for _, s := range slices.Backward(p.sas) {
			if s.Policy == pol.ID && s.Direction == sad.Out && fits(s.SA) {
				sa := s.SA
				return &sa
			}
		}
		return nil
	}
	if len(needs) == 0 {
		sa := newest(func(sad.SA) bool { return true })
		need := sad.Need{Protocol: sad.ESP}
		if sa != nil {
			need = sad.Need{Protocol: sa.Protocol, Mode: sa.Mode}
		}
		return []template{{need: need, sa: sa, spread: p.spread(pol, func(sad.SA) bool { return true })}}
	}
	var out []template
	for _, n := range needs {
		serves := func(sa sad.SA) bool { return sa.Protocol == n.Protocol && sa.Mode == n.Mode }
		out = append(out, template{need: n, sa: newest(serves), spread: p.spread(pol, serves)})
	}
	return out
}

func templates(reqid uint32, bundle []template, out bool, family uint16) string {
	for _, t := range bundle {
		if t.sa != nil { // the others will be of its family: the kernel wants it so
			family = familyOf(t.sa.Local)
		}
	}
	w := writer{}
	for _, t := range bundle {
		t.out, t.reqid, t.family = out, reqid, family
		t.encode(&w)
	}
	return string(w.b)
}
