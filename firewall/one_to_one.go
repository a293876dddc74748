package firewall

import (
	"fmt"
	"net/netip"
	"slices"
)

// placeNAT refuses an entry whose addresses are not where they must be.
func (c *compiler) placeNAT(n NAT) error {
	if n.Address.IsValid() && !c.pools[wanAddresses].has(n.Address) {
		return fmt.Errorf("%s is not a wan address of the gateway", n.Address)
	}
	if !n.Outside.IsValid() {
		return nil
	}
	in := n.Sources[0]
	if n.Outside.IsSingleIP() && c.owns(in.Addr()) {
		return fmt.Errorf("%s is the gateway itself", in.Addr())
	}
	behind := false
	for _, i := range c.policy.Interfaces {
		for _, a := range i.networks() {
			behind = behind || i.Zone != ZoneWAN && a.Overlaps(in)
			if i.Zone != ZoneWAN && a.Overlaps(n.Outside) {
				return fmt.Errorf("%s is inside: %s has the network %s", n.Outside, i.Device, a.Masked())
			}
		}
		for _, a := range i.Addresses {
			if shared, ok := common(a.Masked(), n.Outside); ok && i.Zone == ZoneWAN {
				if stranger, ok := c.notOwned(shared); ok {
					return fmt.Errorf("%s is in the network of %s and not a wan address of the gateway, so nothing would arrive for it", stranger, i.Device)
				}
			}
		}
	}
	if n.Outside.IsSingleIP() && !c.pools[wanAddresses].has(n.Outside.Addr()) {
		return fmt.Errorf("%s is not a wan address of the gateway", n.Outside.Addr())
	}
	if !behind {
		return fmt.Errorf("%s is in no network behind this gateway", in)
	}
	return nil
}

// notOwned is the first address of a network that is not a wan address of the
// gateway. It looks at no more addresses than the gateway has.
func (c *compiler) notOwned(p netip.Prefix) (netip.Addr, bool) {
	for a := p.Masked().Addr(); p.Contains(a); a = a.Next() {
		if !c.pools[wanAddresses].has(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// ledIn leads what arrives for an outside network to the one inside, whoever
// begins it.
func (c *compiler) ledIn() []rule {
	var rules, led []rule
	for _, n := range c.policy.NAT {
		switch {
		case !n.Outside.IsValid():
		case n.Outside.IsSingleIP():
			led = append(led, rule{comment: n.ID, statements: []statement{address{destination, n.Outside}, destinationTo{to: n.Sources[0].Addr()}}})
		default:
			led = append(led, rule{comment: n.ID, statements: []statement{address{destination, n.Outside}, networkTo{destination, n.Sources[0]}}})
		}
	}
	if len(led) > 0 && len(c.policy.IKE) > 0 {
		// The tunnels' own packets are for the gateway, whose address it is.
		for _, f := range []family{ipv4, ipv6} {
			own := c.inSpans(wanAddresses, destination, f, c.pools[wanAddresses])
			from, any := c.peersOf(source, f)
			if own == nil || !any {
				continue
			}
			for _, what := range []statement{portIn{overUDP, destination, setIKEPorts}, overESP, overAH} {
				statements := append([]statement{deviceIn{incoming, setWAN}}, from...)
				rules = append(rules, when(append(append(statements, own...), what, accept)...))
			}
		}
	}
	return append(rules, led...)
}

// peersOf matches the peers of one family; false if there are none.
func (c *compiler) peersOf(field addressField, f family) ([]statement, bool) {
	if c.ikeFromAnywhere() {
		return nil, true
	}
	p := c.pools[ikePeers]
	m := fromPool(field, ikePeers, map[family]pool{ipv4: {v4: p.v4}, ipv6: {v6: p.v6}}[f])
	return m, m != nil
}

// besideOneToOne lets pass, within a zone, what comes to a one-to-one host from
// its own side of the gateway: who is there could talk to it without us.
func (c *compiler) besideOneToOne(from, to string) []rule {
	if from != to {
		return nil
	}
	var out []rule
	for _, i := range c.policy.Interfaces {
		if i.Zone != to {
			continue
		}
		for _, h := range c.policy.ledTo(i) {
			if len(h.over) > 0 {
				continue // a forward, which lets everybody in
			}
			for _, m := range onSide(source, i, familyOf(h.to.Addr())) {
				out = append(out, rule{comment: h.id, statements: []statement{translated{}, m, address{destination, h.to}, accept}})
			}
		}
	}
	return out
}

// swap gives an address the network of another prefix of the same length.
func swap(a netip.Addr, to netip.Prefix) netip.Addr {
	host, network := a.AsSlice(), to.Masked().Addr().AsSlice()
	for i := range to.Bits() {
		bit := byte(0x80) >> (i % 8)
		host[i/8] = host[i/8]&^bit | network[i/8]&bit
	}
	out, _ := netip.AddrFromSlice(host)
	return out
}

// overlapping names an earlier entry whose outside network meets that of n.
func (n NAT) overlapping(earlier []NAT) (NAT, bool) {
	i := slices.IndexFunc(earlier, func(e NAT) bool {
		return n.Outside.IsValid() && e.Outside.IsValid() && n.Outside.Overlaps(e.Outside)
	})
	if i < 0 {
		return NAT{}, false
	}
	return earlier[i], true
}
