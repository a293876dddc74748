package firewall

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// place finds the lists and the zone of each forward's host.
func (c *compiler) place() error {
	c.lists, c.live, c.hosts = map[string]pool{}, map[string]bool{}, map[string][]Forward{}
	for _, l := range c.policy.Lists {
		c.lists[l.ID], c.live[l.ID] = listPool(l.Ranges), l.Live
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
	for _, n := range c.policy.NAT {
		if err := c.placeNAT(n); err != nil {
			return fmt.Errorf("NAT %s: %w", n.ID, err)
		}
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

// forwarded lets pass what destinationNAT has led to a host of a zone. It
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
		for _, m := range c.callers(f) {
			for _, over := range f.transports() {
				statements := append(slices.Clone(m), port{over, destination, f.Ports}, c.hostOf(f, over))
				rules = append(rules, rule{comment: f.ID, statements: statements})
			}
		}
	}
	rules = append(rules, c.ledIn()...)
	if len(rules) > 0 {
		c.out.addChain("destination_nat", &hook{kind: "nat", point: "prerouting", priority: "dstnat"}, rules...)
	}
}

// hostOf leads to a forward's host. The kernel keeps a port or sets one; a range
// that moves goes by a map from each port to the one inside.
func (c *compiler) hostOf(f Forward, over transport) statement {
	switch {
	case f.ToPort == 0 || f.ToPort == f.Ports.First:
		return destinationTo{to: f.To}
	case f.Ports.First == f.Ports.Last:
		return destinationTo{to: f.To, port: f.ToPort}
	}
	ports := keyPort()
	ports.interval = false
	moved := set{name: "forward_" + f.ID + "_ports", key: ports, values: ports.name}
	for p := int(f.Ports.First); p <= int(f.Ports.Last); p++ {
		to := uint16(p) - f.Ports.First + f.ToPort
		moved.elements = append(moved.elements, element{
			label: strconv.Itoa(p), key: binary.BigEndian.AppendUint16(nil, uint16(p)),
			value: binary.BigEndian.AppendUint16(nil, to), valueLabel: strconv.Itoa(int(to)),
		})
	}
	c.setOnce(moved)
	return destinationByPort{f.To, over, moved.name}
}
