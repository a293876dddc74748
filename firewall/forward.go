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
			rules = append(append(rules, c.forwarded(to)...), c.besideOneToOne(from, to)...)
			rules = append(rules, c.bogonDestinations(to)...)
			if from == ZoneWAN {
				rules = append(rules, c.pings(to)...)
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
	c.out.addSet(connectionStates(setStates, c.related(), c.end(idInvalid, Drop)))
	rules := append([]rule{when(byState{setStates})}, c.neverForwarded()...)
	rules = append(rules, when(notFirst{}, c.end(idInvalid, Drop)))
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

// translate writes one rule: once for each family, list and protocol that it
// can match.
func (c *compiler) translate(r Rule) ([]rule, error) {
	var ending []statement
	if r.Action == Allow && !r.Log {
		ending = []statement{c.count(r.ID), accept}
	} else {
		ending = []statement{c.end(r.ID, r.Action)}
	}
	services := r.services()
	var out []rule
	add := func(matches ...[]statement) {
		line := rule{comment: r.ID}
		for _, m := range matches {
			line.statements = append(line.statements, m...)
		}
		line.statements = append(line.statements, ending...)
		out = append(out, line)
	}
	anySource, anyDestination := len(r.Sources)+len(r.SourceLists) == 0, len(r.Destinations)+len(r.DestinationLists) == 0
	if anySource && anyDestination {
		for i, s := range services {
			if s.Protocol == ICMP {
				add([]statement{ipv4, overICMP})
				add([]statement{ipv6, overICMPv6})
				continue
			}
			add(c.protocol(r.ID, i, s, ipv4))
		}
		return out, nil
	}
	for _, f := range []family{ipv4, ipv6} {
		for _, from := range c.addresses(r.ID+"_src", source, f, r.Sources, r.SourceLists) {
			for _, to := range c.addresses(r.ID+"_dst", destination, f, r.Destinations, r.DestinationLists) {
				for i, s := range services {
					add(from, to, c.protocol(r.ID, i, s, f))
				}
			}
		}
	}
	if len(out) == 0 && len(r.SourceLists)+len(r.DestinationLists) == 0 {
		return nil, fmt.Errorf("rule %s: its sources and destinations have no IP version in common, so it would never match", r.ID)
	}
	return out, nil
}

// addresses matches one side of a rule in one family: each alternative is a
// match of its own, nil matches everything. A rule that names addresses, but
// none of this family, has no alternative.
func (c *compiler) addresses(name string, field addressField, f family, networks []netip.Prefix, lists []string) [][]statement {
	if len(networks)+len(lists) == 0 {
		return [][]statement{nil}
	}
	var out [][]statement
	if m := c.inSpans("rule_"+name, field, f, newPool(networks)); m != nil {
		out = append(out, m)
	}
	for _, l := range lists {
		if m := c.inSpans("list_"+l+"_", field, f, c.lists[l]); m != nil {
			out = append(out, m)
		}
	}
	return out
}

// inSpans matches a field against a list of addresses; nil if it has none of
// the family. The name is that of the set, if it takes one.
func (c *compiler) inSpans(name string, field addressField, f family, p pool) []statement {
	spans := p.of(f)
	if len(spans) == 0 {
		return nil
	}
	if len(spans) == 1 {
		if prefix, ok := spans[0].prefix(); ok {
			if prefix.Bits() == 0 {
				return []statement{f}
			}
			return []statement{address{field, prefix}}
		}
	}
	name += strconv.Itoa(map[family]int{ipv4: 4, ipv6: 6}[f])
	c.setOnce(addressSet(name, spans))
	return []statement{addressIn{field, f, name}}
}

// protocol matches the nth service of a rule.
func (c *compiler) protocol(id string, nth int, s Service, f family) []statement {
	var over transport
	switch s.Protocol {
	case AnyProtocol:
		return nil
	case OtherProtocol:
		return []statement{transport(s.Numbers[0].First)}
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
	ports := disjointPorts(s.Ports)
	switch len(ports) {
	case 0:
		return []statement{over}
	case 1:
		return []statement{port{over, destination, ports[0]}}
	}
	name := "rule_" + id + "_ports"
	if nth > 0 {
		name += strconv.Itoa(nth + 1)
	}
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
		when(icmpIn{ipv6, setND}, onLink{}, accept),
	}
	if len(c.policy.IKE) > 0 {
		for _, m := range c.peers(destination) {
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
