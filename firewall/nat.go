package firewall

import (
	"fmt"
	"net/netip"
	"slices"
)

// place finds the lists and the zone of each forward's host.
func (c *compiler) place() error {
	c.lists, c.hosts = map[string]pool{}, map[string][]Forward{}
	for _, l := range c.policy.Lists {
		c.lists[l.ID] = listPool(l.Ranges)
	}
	for _, f := range c.policy.Forwards {
		zone, ok := c.zoneOf(f.To)
		if !ok {
			return fmt.Errorf("forward %s: %s is in no network behind this gateway", f.ID, f.To)
		}
		if f.Address.IsValid() && !c.pools[wanAddresses].has(f.Address) {
			return fmt.Errorf("forward %s: %s is not a wan address of the gateway", f.ID, f.Address)
		}
		c.hosts[zone] = append(c.hosts[zone], f)
	}
	return nil
}

// zoneOf is the zone that a host is in. The gateway's own addresses are in none,
// nor is what is behind a tunnel, which refuses sources from the internet.
func (c *compiler) zoneOf(host netip.Addr) (string, bool) {
	if c.owns(host) {
		return "", false
	}
	return c.policy.zoneByNetwork(host, func(i Interface) bool { return i.Zone != ZoneWAN })
}

// owns says whether an address is the gateway's.
func (c *compiler) owns(a netip.Addr) bool {
	return slices.ContainsFunc(c.policy.Interfaces, func(i Interface) bool {
		return slices.ContainsFunc(i.Addresses, func(own netip.Prefix) bool { return own.Addr() == a })
	})
}

// zoneByNetwork is the zone of the interface with the smallest network around
// an address, among some interfaces.
func (p Policy) zoneByNetwork(a netip.Addr, among func(Interface) bool) (string, bool) {
	zone, length := "", -1
	for _, i := range p.Interfaces {
		for _, n := range i.networks() {
			if n.Masked().Contains(a) && n.Bits() > length && among(i) {
				zone, length = i.Zone, n.Bits()
			}
		}
	}
	return zone, length >= 0
}

// target is where a forward's connections go: its ports inside.
func (f Forward) target() PortRange {
	if f.ToPort == 0 {
		return f.Ports
	}
	return PortRange{f.ToPort, f.ToPort + f.Ports.Last - f.Ports.First}
}

func (f Forward) transports() []transport {
	var out []transport
	for _, p := range f.Protocols {
		out = append(out, map[Protocol]transport{TCP: overTCP, UDP: overUDP}[p])
	}
	return out
}

// forwarded lets pass what destinationNAT has led to a host of the zone. It
// comes behind the admin's rules, so that a rule can refuse it.
func (c *compiler) forwarded(zone string) []rule {
	var out []rule
	for _, f := range c.hosts[zone] {
		ending := []statement{c.count(f.ID), accept}
		if f.Log {
			ending = []statement{c.end(f.ID, Allow)}
		}
		for _, over := range f.transports() {
			statements := []statement{translated{}, address{destination, single(f.To)}, port{over, destination, f.target()}}
			out = append(out, rule{comment: f.ID, statements: append(statements, ending...)})
		}
	}
	return out
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// destinationNAT leads connections to the gateway's wan addresses inside,
// whoever begins them.
func (c *compiler) destinationNAT() {
	var rules []rule
	for _, f := range c.policy.Forwards {
		fam := familyOf(f.To)
		var to []statement
		if f.Address.IsValid() {
			to = []statement{address{destination, single(f.Address)}}
		} else if to = c.inSpans(wanAddresses, destination, fam, c.pools[wanAddresses]); to == nil {
			continue // no wan address of this family: nobody can come
		}
		for _, from := range c.addresses(f.ID+"_src", source, fam, f.Sources, f.SourceLists) {
			for _, over := range f.transports() {
				for _, ports := range f.moves() {
					statements := append(append(slices.Clone(from), to...), port{over, destination, ports.outside}, destinationTo{f.To, ports.inside})
					rules = append(rules, rule{comment: f.ID, statements: statements})
				}
			}
		}
	}
	var hosts []rule
	for _, n := range c.policy.NAT {
		if n.OneToOne {
			hosts = append(hosts, rule{comment: n.ID, statements: []statement{
				deviceIn{incoming, setWAN}, address{destination, single(n.Address)}, destinationTo{to: n.Sources[0].Addr()},
			}})
		}
	}
	if len(hosts) > 0 && len(c.policy.IKE) > 0 {
		// The tunnels' own packets are for the gateway, whose address it is.
		for _, m := range c.peers(source) {
			rules = append(rules,
				when(deviceIn{incoming, setWAN}, m, portIn{overUDP, destination, setIKEPorts}, accept),
				when(deviceIn{incoming, setWAN}, m, overESP, accept))
		}
	}
	if rules = append(rules, hosts...); len(rules) > 0 {
		c.out.addChain("destination_nat", &hook{kind: "nat", point: "prerouting", priority: "dstnat"}, rules...)
	}
}

// move is one range of ports outside and the first port inside; 0 if they
// stay the same.
type move struct {
	outside PortRange
	inside  uint16
}

// moves are one rule's worth of ports each: the kernel keeps a port or sets
// one, but does not shift a range.
func (f Forward) moves() []move {
	if f.ToPort == 0 || f.ToPort == f.Ports.First {
		return []move{{f.Ports, 0}}
	}
	var out []move
	for p := int(f.Ports.First); p <= int(f.Ports.Last); p++ {
		out = append(out, move{PortRange{uint16(p), uint16(p)}, f.ToPort + uint16(p) - f.Ports.First})
	}
	return out
}

// sourceNAT gives connections the source under which they shall appear. All
// but the first part matches the way out by wan, so that nothing that leaves
// by the tunnel is ever rewritten.
func (c *compiler) sourceNAT() {
	rules := c.hairpins()
	if len(c.devices[ZoneWAN]) > 0 {
		for _, n := range c.policy.NAT {
			ending := statement(accept)
			if !n.Exempt {
				ending = sourceTo{n.Address}
			}
			for _, f := range []family{ipv4, ipv6} {
				if n.Address.IsValid() && familyOf(n.Address) != f {
					continue
				}
				for _, from := range c.addresses("nat_"+n.ID+"_src", source, f, n.Sources, nil) {
					for _, to := range c.addresses("nat_"+n.ID+"_dst", destination, f, n.Destinations, nil) {
						selected := append(slices.Clone(from), to...)
						if len(selected) == 0 {
							selected = []statement{f}
						}
						statements := append([]statement{deviceIn{outgoing, setWAN}}, selected...)
						rules = append(rules, rule{comment: n.ID, statements: append(statements, ending)})
					}
				}
			}
		}
		rules = append(rules, c.masqueraded()...)
	}
	if len(rules) > 0 {
		c.out.addChain("source_nat", &hook{kind: "nat", point: "postrouting", priority: "srcnat"}, rules...)
	}
}

// hairpins: a host whose client is in its own network would answer it
// directly, past the translation; it must see the gateway as the client.
func (c *compiler) hairpins() []rule {
	var out []rule
	for _, f := range c.policy.Forwards {
		for _, i := range c.policy.Interfaces {
			for _, a := range i.Addresses {
				if i.Zone == ZoneWAN || !a.Contains(f.To) {
					continue
				}
				for _, over := range f.transports() {
					out = append(out, rule{comment: f.ID, statements: []statement{
						translated{}, address{source, a.Masked()}, address{destination, single(f.To)},
						port{over, destination, f.target()}, masquerade{},
					}})
				}
			}
		}
	}
	return out
}

// masqueraded hides the inside networks' IPv4 behind the wan device.
func (c *compiler) masqueraded() []rule {
	if !c.policy.Masquerade {
		return nil
	}
	var networks []netip.Prefix
	for _, i := range c.policy.Interfaces {
		if i.Zone != ZoneWAN {
			networks = append(networks, i.networks()...)
		}
	}
	spans, _ := split(networks)
	if len(spans) == 0 {
		return nil
	}
	c.out.addSet(addressSet("masqueraded4", spans))
	return []rule{when(deviceIn{outgoing, setWAN}, addressIn{source, ipv4, "masqueraded4"}, masquerade{})}
}
