package firewall

import (
	"fmt"
	"net/netip"
	"strconv"
)

// forward writes what may pass through: one chain per pair of zones, found by
// one look-up of both devices.
func (c *compiler) forward() error {
	pairs := set{name: "between", key: keyDevicePair(), verdicts: true}
	for _, from := range c.zones {
		for _, to := range c.zones {
			name := "pair_" + from + "_" + to
			rules, err := c.adminRules(from, to)
			if err != nil {
				return err
			}
			c.out.addChain(name, nil, append(rules, when(c.otherwise(from, to)...))...)
			for _, in := range c.devices[from] {
				for _, out := range c.devices[to] {
					pairs.elements = append(pairs.elements, element{
						label: strconv.Quote(in) + " . " + strconv.Quote(out),
						key:   append(deviceKey(in), deviceKey(out)...), verdict: goTo(name),
					})
				}
			}
		}
	}
	rules := []rule{when(byState{setStates})}
	if len(pairs.elements) > 0 {
		rules = append(rules, when(byDevicePair{c.out.addSet(pairs)}))
	}
	rules = append(rules, when(c.end(idForwardDefault, Drop)))
	c.out.addChain("forward", &hook{kind: "filter", point: "forward", priority: "filter", drop: true}, rules...)
	return nil
}

// otherwise is the end of a pair's chain: the cell of the matrix, and drop if
// it has none.
func (c *compiler) otherwise(from, to string) []statement {
	action := Drop
	for _, d := range c.policy.Defaults {
		if d.From == from && d.To == to {
			action = d.Action
		}
	}
	switch {
	case action == Allow:
		return []statement{c.count(idAllowed + from + "-" + to), accept}
	case from == ZoneWAN:
		return []statement{c.end(idWANDefault, action)}
	case to == ZoneGateway:
		return []statement{c.end(idInputDefault, action)}
	}
	return []statement{c.end(idForwardDefault, action)}
}

// adminRules are the policy's rules for one pair of zones, in order.
func (c *compiler) adminRules(from, to string) ([]rule, error) {
	var out []rule
	for _, r := range c.policy.Rules {
		if r.From != "" && r.From != from || r.To != "" && r.To != to {
			continue
		}
		rules, err := c.translate(r)
		if err != nil {
			return nil, err
		}
		out = append(out, rules...)
	}
	return out, nil
}

// translate writes one rule: once per family and protocol number it can match.
func (c *compiler) translate(r Rule) ([]rule, error) {
	var ending []statement
	if r.Action == Allow && !r.Log {
		ending = []statement{c.count(r.ID), accept}
	} else {
		ending = []statement{c.end(r.ID, r.Action)}
	}
	from, to := newPool(r.Sources), newPool(r.Destinations)
	var out []rule
	add := func(matches ...[]statement) {
		line := rule{comment: r.ID}
		for _, m := range matches {
			line.statements = append(line.statements, m...)
		}
		line.statements = append(line.statements, ending...)
		out = append(out, line)
	}
	if len(r.Sources) == 0 && len(r.Destinations) == 0 {
		switch r.Protocol {
		case ICMP:
			add([]statement{ipv4, overICMP})
			add([]statement{ipv6, overICMPv6})
		default:
			add(c.protocol(r, ipv4))
		}
		return out, nil
	}
	for _, f := range []family{ipv4, ipv6} {
		sources, ok := c.addresses(r.ID+"_src", source, f, from, len(r.Sources) == 0)
		if !ok {
			continue
		}
		destinations, ok := c.addresses(r.ID+"_dst", destination, f, to, len(r.Destinations) == 0)
		if !ok {
			continue
		}
		add(sources, destinations, c.protocol(r, f))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("rule %s: its sources and destinations have no IP version in common, so it would never match", r.ID)
	}
	return out, nil
}

// addresses matches one side of a rule in one family; false if the rule names
// addresses on that side, but none of this family.
func (c *compiler) addresses(name string, field addressField, f family, p pool, any bool) ([]statement, bool) {
	if any {
		return nil, true
	}
	spans := p.v4
	if f == ipv6 {
		spans = p.v6
	}
	if len(spans) == 0 {
		return nil, false
	}
	if len(spans) == 1 {
		if prefix, ok := spans[0].prefix(); ok {
			if prefix.Bits() == 0 {
				return []statement{f}, true
			}
			return []statement{address{field, prefix}}, true
		}
	}
	name = fmt.Sprintf("rule_%s%d", name, map[family]int{ipv4: 4, ipv6: 6}[f])
	c.setOnce(addressSet(name, spans))
	return []statement{addressIn{field, f, name}}, true
}

func (c *compiler) protocol(r Rule, f family) []statement {
	var over transport
	switch r.Protocol {
	case AnyProtocol:
		return nil
	case ICMP:
		if f == ipv6 {
			return []statement{overICMPv6}
		}
		return []statement{overICMP}
	case TCP:
		over = overTCP
	case UDP:
		over = overUDP
	}
	ports := disjointPorts(r.Ports)
	switch len(ports) {
	case 0:
		return []statement{over}
	case 1:
		return []statement{port{over, destination, ports[0]}}
	}
	name := "rule_" + r.ID + "_ports"
	c.setOnce(portSet(name, ports))
	return []statement{portIn{over, destination, name}}
}

// setOnce adds the set of a rule that stands in several chains.
func (c *compiler) setOnce(s set) {
	if !c.ends[s.name] {
		c.ends[s.name] = true
		c.out.addSet(s)
	}
}

// clamp keeps TCP through the tunnel within its MTU, in both directions.
func (c *compiler) clamp() {
	d := c.policy.TunnelDevice
	if d == "" {
		return
	}
	c.out.addChain("segment_size", &hook{kind: "filter", point: "forward", priority: "mangle"},
		when(device{outgoing, d}, clampMSS{}), when(device{incoming, d}, clampMSS{}))
}

// leakGuard is the last filter before a packet leaves, forwarded or our own:
// what is for a network behind a tunnel goes by the tunnel or not at all. Our
// own key exchange and ESP are exempt, for a peer may be within its network.
func (c *compiler) leakGuard() {
	guarded := fromPool(destination, remote, c.pools[remote])
	if len(guarded) == 0 {
		return
	}
	rules := []rule{
		when(device{outgoing, c.policy.TunnelDevice}, accept),
		when(device{outgoing, "lo"}, accept),
		when(icmpv6In{setND}, onLink{}, accept),
	}
	if len(c.policy.IKE) > 0 {
		to := fromPool(destination, ikePeers, c.pools[ikePeers])
		if c.ikeFromAnywhere() {
			to = []statement{ipv4, ipv6}
		}
		for _, m := range to {
			rules = append(rules,
				when(ownSource{}, m, portIn{overUDP, source, setIKEPorts}, accept),
				when(ownSource{}, m, overESP, accept))
		}
	}
	for _, m := range guarded {
		rules = append(rules, when(m, c.end(idLeak, Drop)))
	}
	c.out.addChain("leaving", &hook{kind: "filter", point: "postrouting", priority: "filter"}, rules...)
}

// nat hides the inside networks' IPv4 behind the wan device. It matches the
// way out, so that nothing that leaves by the tunnel is ever rewritten.
func (c *compiler) nat() {
	if !c.policy.Masquerade || len(c.devices[ZoneWAN]) == 0 {
		return
	}
	lans := pool{}
	var networks []netip.Prefix
	for _, i := range c.policy.Interfaces {
		if i.Zone == ZoneLAN {
			networks = append(networks, i.networks()...)
		}
	}
	if lans.v4, _ = split(networks); len(lans.v4) == 0 {
		return
	}
	c.out.addSet(addressSet("masqueraded4", lans.v4))
	c.out.addChain("source_nat", &hook{kind: "nat", point: "postrouting", priority: "srcnat"},
		when(deviceIn{outgoing, setWAN}, addressIn{source, ipv4, "masqueraded4"}, masquerade{}))
}
