package firewall

import "net/netip"

// antiSpoofing writes the chain before connection tracking: on every device a
// packet's source must be one that can be there (RFC 2827, RFC 3704). What is
// dropped here costs no conntrack entry.
func (c *compiler) antiSpoofing() {
	rules := []rule{
		when(device{incoming, "lo"}, accept),
		when(loopedBack{}, accept),
		when(icmpIn{ipv6, setND}, onLink{}, accept),
		when(ownSource{}, c.end(idSpoof+ZoneGateway, Drop)),
	}
	byName := set{name: "from_device", key: keyDevice(), verdicts: true}
	add := func(device string, rules []rule) {
		name := "from_" + device
		c.out.addChain(name, nil, rules...)
		byName.elements = append(byName.elements, element{
			label: deviceSet("", []string{device}).elements[0].label, key: deviceKey(device), verdict: goTo(name),
		})
	}
	for _, i := range c.policy.Interfaces {
		if i.Zone == ZoneWAN {
			add(i.Device, c.sourcesOnWAN(i))
		} else {
			add(i.Device, c.sourcesInside(i))
		}
	}
	if d := c.policy.TunnelDevice; d != "" {
		add(d, c.sourcesInTunnel())
	}
	if len(byName.elements) > 0 {
		rules = append(rules, when(byDevice{c.out.addSet(byName)}))
	}
	rules = append(rules, when(c.end(idUnknownDevice, Drop)))
	c.out.addChain("prerouting", &hook{kind: "filter", point: "prerouting", priority: "raw"}, rules...)
}

// sourcesInside: only the networks of this very device, and what a host says
// before it has an address. With a loose check, all networks inside.
func (c *compiler) sourcesInside(i Interface) []rule {
	if c.reversePath(i) == ReversePathOff {
		return []rule{when(accept)}
	}
	name, networks := inside, c.pools[inside]
	if c.reversePath(i) == ReversePathStrict {
		name, networks = "networks_"+i.Device+"_", newPool(i.networks())
		c.addPool(name, networks)
	}
	var rules []rule
	for _, m := range fromPool(source, name, networks) {
		rules = append(rules, when(m, accept))
	}
	rules = append(rules,
		when(address{source, netip.MustParsePrefix("fe80::/10")}, accept),
		when(address{source, netip.MustParsePrefix("::/128")}, overICMPv6, accept),
		when(address{source, netip.MustParsePrefix("0.0.0.0/32")},
			port{overUDP, source, PortRange{68, 68}}, port{overUDP, destination, PortRange{67, 67}}, accept),
	)
	return append(rules, when(c.end(idSpoof+i.Zone, Drop)))
}

// sourcesInTunnel: only networks behind a tunnel.
func (c *compiler) sourcesInTunnel() []rule {
	var rules []rule
	for _, m := range fromPool(source, remote, c.pools[remote]) {
		rules = append(rules, when(m, accept))
	}
	return append(rules, when(c.end(idSpoof+ZoneVPN, Drop)))
}

// sourcesOnWAN: anything but our own networks, those behind tunnels and what
// is nobody's. A peer may itself be within a network behind its tunnel; its
// key exchange, ESP and AH still have to reach us.
func (c *compiler) sourcesOnWAN(i Interface) []rule {
	spoofed := c.end(idSpoof+ZoneWAN, Drop)
	var rules []rule
	refuse := func(name string) {
		for _, m := range fromPool(source, name, c.pools[name]) {
			rules = append(rules, when(m, spoofed))
		}
	}
	refuse(inside)
	rules = append(rules,
		when(address{source, netip.MustParsePrefix("fe80::/10")}, accept),
		when(address{source, netip.MustParsePrefix("::/128")}, overICMPv6, accept),
	)
	refuse(neverSources)
	rules = append(rules, when(family(ipv4),
		port{overUDP, source, PortRange{67, 67}}, port{overUDP, destination, PortRange{68, 68}}, accept))
	for _, m := range fromPool(source, ikePeers, c.pools[ikePeers]) {
		rules = append(rules, when(m, portIn{overUDP, destination, setIKEPorts}, accept))
		for _, p := range protections() {
			rules = append(rules, when(m, p, accept))
		}
	}
	if c.ikeFromAnywhere() {
		rules = append(rules, when(portIn{overUDP, destination, setIKEPorts}, accept))
		for _, p := range protections() {
			rules = append(rules, when(p, accept))
		}
	}
	refuse(remote)
	switch c.reversePath(i) {
	case ReversePathStrict:
		rules = append(rules, when(noWayBack{}, spoofed))
	case ReversePathLoose:
		rules = append(rules, when(noWayBack{anyDevice: true}, spoofed))
	}
	return append(rules, c.bogonSources()...)
}

// impossibleSources are in no packet that crosses a link between networks:
// this host, loopback, multicast, reserved, broadcast (RFC 6890).
func impossibleSources() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("224.0.0.0/3"),
		netip.MustParsePrefix("::/128"), netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("::ffff:0:0/96"), netip.MustParsePrefix("ff00::/8"),
	}
}

// notRouted are destinations that no tunnel carries, whatever its selectors.
func notRouted() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("224.0.0.0/4"),
		netip.MustParsePrefix("255.255.255.255/32"),
		netip.MustParsePrefix("::/127"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"),
	}
}
