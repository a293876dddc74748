package firewall

import (
	"net/netip"
	"slices"
)

// idMasquerade is what Leave calls the policy's Masquerade.
const idMasquerade = "masquerade"

// Lead gives a flow the destination that a forward or a one-to-one network
// leads it to, as destinationNAT does.
func (d *Decider) Lead(f Flow) Flow {
	from := d.Zone(f.Source)
	if from == ZoneGateway {
		return f // its own connections do not come in
	}
	for _, fw := range d.policy.Forwards {
		outside := fw.Address == f.Destination || !fw.Address.IsValid() && d.c.pools[wanAddresses].has(f.Destination)
		if outside && f.Destination.BitLen() == fw.To.BitLen() && slices.Contains(fw.transports(), transport(f.Protocol)) &&
			within(fw.Ports, f.Port) && d.has(f.Source, fw.Sources, fw.SourceLists) {
			f.Destination, f.Port, f.Translated = fw.To, fw.target().First+f.Port-fw.Ports.First, true
			return f
		}
	}
	if _, key := d.always(from, f); key && from == ZoneWAN && d.c.pools[wanAddresses].has(f.Destination) {
		return f // key exchange is the gateway's
	}
	for _, n := range d.policy.NAT {
		if n.Outside.IsValid() && n.Outside.Contains(f.Destination) {
			f.Destination, f.Translated = swap(f.Destination, n.Sources[0]), true
			return f
		}
	}
	return f
}

// Leave gives a flow, after Lead, the source under which its destination sees
// it, as sourceNAT does, and the ID of the NAT entry that says so, an exempt
// one too; of the forward or entry that led it back to its own side (hairpin);
// or "masquerade". Without an ID nothing says so. Of several addresses to hide
// behind it takes the first.
func (d *Decider) Leave(f Flow) (Flow, string) {
	if d.Zone(f.Destination) != ZoneWAN {
		return d.hairpin(f)
	}
	if len(d.policy.NAT) > 0 && d.c.pools[wanAddresses].has(f.Source) {
		return f, ""
	}
	for _, n := range d.policy.NAT {
		if !slices.Contains(n.families(), familyOf(f.Source)) || !d.has(f.Source, n.Sources, nil) || !d.has(f.Destination, n.Destinations, nil) {
			continue
		}
		switch {
		case n.Outside.IsValid():
			f.Source = swap(f.Source, n.Outside)
		case !n.Exempt:
			f.Source = n.Address
		}
		return f, n.ID
	}
	if (pool{v4: d.policy.masqueradedSpans()}).has(f.Source) {
		for _, i := range d.policy.Interfaces {
			if a, ok := i.own(f.Destination); ok && i.Zone == ZoneWAN {
				f.Source = a
				return f, idMasquerade
			}
		}
	}
	return f, ""
}

// hairpin is Leave for what was led to a host on the client's own side.
func (d *Decider) hairpin(f Flow) (Flow, string) {
	if !f.Translated {
		return f, ""
	}
	for _, i := range d.policy.Interfaces {
		if !newPool(i.networks()).has(f.Source) {
			continue
		}
		for _, h := range d.policy.ledTo(i) {
			if h.to.Contains(f.Destination) && (len(h.over) == 0 || slices.Contains(h.over, transport(f.Protocol)) && within(h.ports, f.Port)) {
				if a, ok := i.own(f.Destination); ok {
					f.Source = a
				}
				return f, h.id
			}
		}
	}
	return f, ""
}

// own is the address that an interface hides others behind on the way to a
// destination: one of the destination's network, or else the first.
func (i Interface) own(to netip.Addr) (netip.Addr, bool) {
	var first netip.Addr
	for _, a := range i.Addresses {
		if a.Addr().BitLen() != to.BitLen() {
			continue
		}
		if a.Contains(to) {
			return a.Addr(), true
		}
		if !first.IsValid() {
			first = a.Addr()
		}
	}
	return first, first.IsValid()
}

// besideOneToOne is what compiler.besideOneToOne lets pass.
func (d *Decider) besideOneToOne(f Flow, from, to string) bool {
	return from == to && slices.ContainsFunc(d.policy.Interfaces, func(i Interface) bool {
		return i.Zone == to && newPool(i.networks()).has(f.Source) && slices.ContainsFunc(d.policy.ledTo(i), func(h led) bool {
			return len(h.over) == 0 && h.to.Contains(f.Destination)
		})
	})
}
