package firewall

import (
	"net/netip"
	"slices"
)

// sourceNAT gives connections the source under which they shall appear. All
// but the first part matches the way out by wan, so that nothing that leaves
// by the tunnel is ever rewritten.
func (c *compiler) sourceNAT() {
	rules := c.hairpins()
	if len(c.devices[ZoneWAN]) > 0 {
		rules = append(rules, c.entries()...)
		rules = append(rules, c.masqueraded()...)
	}
	if len(rules) > 0 {
		c.out.addChain("source_nat", &hook{kind: "nat", point: "postrouting", priority: "srcnat"}, rules...)
	}
}

// entries are the policy's NAT in order. Before them: what already has an
// outside address of the gateway keeps it. Without that, an entry for any source
// would move the gateway's own key exchange to an address its peers do not know.
func (c *compiler) entries() []rule {
	if len(c.policy.NAT) == 0 {
		return nil
	}
	var rules []rule
	for _, f := range []family{ipv4, ipv6} {
		if own := c.inSpans(wanAddresses, source, f, c.pools[wanAddresses]); own != nil {
			rules = append(rules, when(append(append([]statement{deviceIn{outgoing, setWAN}}, own...), accept)...))
		}
	}
	for _, n := range c.policy.NAT {
		for _, f := range n.families() {
			for _, from := range c.addresses("rule_nat_"+n.ID+"_src", source, f, n.Sources, nil) {
				for _, to := range c.addresses("rule_nat_"+n.ID+"_dst", destination, f, n.Destinations, nil) {
					selected := append(slices.Clone(from), to...)
					if len(selected) == 0 {
						selected = []statement{f}
					}
					statements := append([]statement{deviceIn{outgoing, setWAN}}, selected...)
					rules = append(rules, rule{comment: n.ID, statements: append(statements, n.ending())})
				}
			}
		}
	}
	return rules
}

// families are those an entry is for.
func (n NAT) families() []family {
	switch {
	case n.Exempt:
		return []family{ipv4, ipv6}
	case n.Outside.IsValid():
		return []family{familyOf(n.Outside.Addr())}
	}
	return []family{familyOf(n.Address)}
}

// ending is what an entry does with a source.
func (n NAT) ending() statement {
	switch {
	case n.Exempt:
		return accept
	case !n.Outside.IsValid():
		return sourceTo{n.Address}
	case n.Outside.IsSingleIP():
		return sourceTo{n.Outside.Addr()}
	}
	return networkTo{source, n.Outside}
}

// hairpins: a host whose client is on its own side would answer it directly,
// past the translation; it must see the gateway as the client.
func (c *compiler) hairpins() []rule {
	var out []rule
	for _, i := range c.policy.Interfaces {
		for _, h := range c.policy.ledTo(i) {
			for _, from := range onSide(source, i, familyOf(h.to.Addr())) {
				statements := []statement{translated{}, device{outgoing, i.Device}, from, address{destination, h.to}}
				if len(h.over) == 0 {
					out = append(out, rule{comment: h.id, statements: append(statements, masquerade{})})
				}
				for _, over := range h.over {
					out = append(out, rule{comment: h.id, statements: append(slices.Clone(statements), port{over, destination, h.ports}, masquerade{})})
				}
			}
		}
	}
	return out
}

// led is where a forward or a one-to-one entry leads, on one side of the gateway.
type led struct {
	id    string
	to    netip.Prefix
	over  []transport // empty: everything
	ports PortRange
}

// ledTo are the hosts behind an interface that connections are led to.
func (p Policy) ledTo(i Interface) []led {
	if i.Zone == ZoneWAN {
		return nil
	}
	var out []led
	for _, f := range p.Forwards {
		if slices.ContainsFunc(i.networks(), func(n netip.Prefix) bool { return n.Contains(f.To) }) {
			out = append(out, led{f.ID, single(f.To), f.transports(), f.target()})
		}
	}
	for _, n := range p.NAT {
		if !n.Outside.IsValid() {
			continue
		}
		for _, network := range i.networks() {
			if to, ok := common(network.Masked(), n.Sources[0]); ok && !slices.ContainsFunc(out, func(l led) bool { return l.id == n.ID && l.to == to }) {
				out = append(out, led{id: n.ID, to: to})
			}
		}
	}
	return out
}

// common is the network in both of two.
func common(a, b netip.Prefix) (netip.Prefix, bool) {
	if a.Bits() < b.Bits() {
		a, b = b, a
	}
	return a, b.Overlaps(a)
}

// onSide matches a field against the networks of an interface, whose sets
// antiSpoofing has added.
func onSide(field addressField, i Interface, f family) []statement {
	networks := newPool(i.networks())
	if spans := networks.of(f); len(spans) == 1 {
		if p, ok := spans[0].prefix(); ok {
			return []statement{address{field, p}}
		}
	}
	if f == ipv4 {
		networks.v6 = nil
	} else {
		networks.v4 = nil
	}
	return fromPool(field, "networks_"+i.Device+"_", networks)
}

// masqueraded hides the inside networks' IPv4 behind the wan device.
func (c *compiler) masqueraded() []rule {
	spans := c.policy.masqueradedSpans()
	if len(spans) == 0 {
		return nil
	}
	c.out.addSet(addressSet("masqueraded4", spans))
	return []rule{when(deviceIn{outgoing, setWAN}, addressIn{source, ipv4, "masqueraded4"}, masquerade{})}
}

func (p Policy) masqueradedSpans() []span {
	if !p.Masquerade {
		return nil
	}
	var networks []netip.Prefix
	for _, i := range p.Interfaces {
		if i.Zone != ZoneWAN {
			networks = append(networks, i.networks()...)
		}
	}
	spans, _ := split(networks)
	return spans
}
