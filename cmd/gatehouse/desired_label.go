package main

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/firewall"
	"gatehouse/ipsec"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/store"
)

// demands are what the labels of a document ask of the SPD: what carries one is
// told by its network and service on this side or on the other.
func demands(doc store.Document, services map[string]store.Service) ([]ipsec.ManualPolicy, error) {
	var out []ipsec.ManualPolicy
	for _, l := range doc.Labels {
		if !l.Enabled {
			continue
		}
		p := sad.Policy{Action: sad.Demand, Labels: []string{l.Name}}
		for _, name := range l.Algorithms {
			a, err := protectionNamed(name)
			if err != nil {
				return nil, fmt.Errorf("label %s: %w", l.Name, err)
			}
			p.Admits = append(p.Admits, a)
		}
		// Fragments that hide their ports may be of the service.
		asking, serving := portsOf(store.Policy{Direction: store.Out, Services: l.Services, Opaque: true}, services)
		labelled, anybody := selected(l.Networks, serving), selected(nil, asking)
		p.Name, p.LocalTS, p.RemoteTS = "label "+l.Name+" on this side", labelled, anybody
		out = append(out, ipsec.ManualPolicy{Policy: p})
		p.Name, p.LocalTS, p.RemoteTS = "label "+l.Name+" on the other side", anybody, labelled
		out = append(out, ipsec.ManualPolicy{Policy: p})
	}
	return out, nil
}

// labels are those of a document for the firewall, which keeps what carries them
// out of the ways that nothing protects.
func labels(doc store.Document) (out []firewall.Label) {
	services := map[string]store.Service{}
	for _, s := range doc.Services {
		services[s.Name] = s
	}
	for _, l := range doc.Labels {
		if !l.Enabled {
			continue
		}
		fl := firewall.Label{ID: l.Name}
		for _, r := range l.Networks {
			fl.Networks = append(fl.Networks, firewall.Range(r))
		}
		for _, name := range l.Services {
			fl.Services = append(fl.Services, matched(services[name])...)
		}
		out = append(out, fl)
	}
	return out
}

// protectionNamed reads an algorithm of a label.
func protectionNamed(name string) (sad.Protection, error) {
	if integrity, isAH := strings.CutPrefix(name, "ah-"); isAH {
		s, err := crypto.ParseAHSuite(integrity)
		return sad.Protection{Protocol: sad.AH, Suite: s}, err
	}
	s, err := crypto.ParseESPSuite(name)
	return sad.Protection{Protocol: sad.ESP, Suite: s}, err
}

// sides are the addresses of a policy on this side and on the other: those that it
// names, and those that its users and groups have now. None is any, but for
// policies that are for nobody.
func (w world) sides(doc store.Document, p store.Policy) (near, far []store.AddressRange) {
	near = slices.Concat(p.Sources, w.held(doc, p.SourceUsers, p.SourceGroups))
	far = slices.Concat(p.Destinations, w.held(doc, p.DestinationUsers, p.DestinationGroups))
	if p.Direction == store.In {
		near, far = far, near
	}
	return near, far
}

// nobody says that a policy is for users of whom none has an address now.
func (w world) nobody(doc store.Document, p store.Policy) bool {
	none := func(named []store.AddressRange, users, groups []string) bool {
		return len(named) == 0 && len(users)+len(groups) > 0 && len(w.held(doc, users, groups)) == 0
	}
	return none(p.Sources, p.SourceUsers, p.SourceGroups) || none(p.Destinations, p.DestinationUsers, p.DestinationGroups)
}

// held are the addresses of users and groups, each once.
func (w world) held(doc store.Document, users, groups []string) (out []store.AddressRange) {
	add := func(r store.AddressRange) {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	for _, g := range doc.Groups {
		if slices.Contains(groups, g.Name) {
			for _, p := range g.Pools {
				add(store.RangeOf(p))
			}
		}
	}
	for _, h := range w.holders {
		if slices.Contains(users, h.User) || h.Group != "" && slices.Contains(groups, h.Group) {
			add(store.AddressRange{First: h.Address, Last: h.Address})
		}
	}
	return out
}

// namesPeople says whether a policy is for users or groups.
func namesPeople(doc store.Document) bool {
	return slices.ContainsFunc(doc.Policies, func(p store.Policy) bool {
		return p.Enabled && len(p.SourceUsers)+len(p.SourceGroups)+len(p.DestinationUsers)+len(p.DestinationGroups) > 0
	})
}
