package firewall

import "strconv"

// What is behind the tunnel's device may be several zones, told apart by
// address, where what is elsewhere is told by device. Look-ups by device then
// lead to a chain that looks at the address; the first zone that holds it has
// it, and the rest is the zone vpn.

// divided says whether a zone stands for a device that more zones are behind.
func (c *compiler) divided(zone string) bool {
	return zone == ZoneVPN && len(c.policy.TunnelZones) > 0
}

// pair is where connections between the devices of two zones go.
func (c *compiler) pair(from, to string) verdict {
	if c.divided(from) {
		return c.byAddress("outof_"+to, source, func(zone string) verdict { return c.towards(zone, to) })
	}
	return c.towards(from, to)
}

// towards is where connections from a zone to the devices of another go.
func (c *compiler) towards(from, to string) verdict {
	if !c.divided(to) {
		return goTo("pair_" + from + "_" + to)
	}
	return c.byAddress("into_"+from, destination, func(zone string) verdict { return goTo("pair_" + from + "_" + zone) })
}

// byAddress is a chain that leads on by the zone behind the tunnel that an
// address is in.
func (c *compiler) byAddress(name string, field addressField, on func(zone string) verdict) verdict {
	if c.ends[name] {
		return goTo(name)
	}
	c.ends[name] = true
	var rules []rule
	for _, t := range c.policy.TunnelZones {
		for _, m := range c.behind(t, field) {
			rules = append(rules, rule{statements: append(m, on(t.Zone))})
		}
	}
	c.out.addChain(name, nil, append(rules, when(on(ZoneVPN)))...)
	return goTo(name)
}

// behind matches the addresses of a zone behind the tunnel.
func (c *compiler) behind(t TunnelZone, field addressField) alternatives {
	if len(t.Networks)+len(t.Lists) == 0 {
		return nil
	}
	var out alternatives
	for _, f := range []family{ipv4, ipv6} {
		out = append(out, c.addresses("zone_"+t.Zone+"_", field, f, t.Networks, t.Lists)...)
	}
	return out
}

// betweenDevices is the look-up of both devices in the forward chain.
func (c *compiler) betweenDevices() set {
	pairs := set{name: "between", key: keyDevicePair(), verdicts: true}
	for _, from := range c.zones {
		for _, to := range c.zones {
			for _, in := range c.devices[from] {
				for _, out := range c.devices[to] {
					pairs.elements = append(pairs.elements, element{
						label: strconv.Quote(in) + " . " + strconv.Quote(out),
						key:   append(deviceKey(in), deviceKey(out)...), verdict: c.pair(from, to),
					})
				}
			}
		}
	}
	return pairs
}
