package firewall

// forward writes what may pass through: one chain per pair of zones, found by
// one look-up of both devices.
func (c *compiler) forward() error {
	for _, from := range c.zones {
		for _, to := range c.zones {
			name := "pair_" + from + "_" + to
			rules, err := c.adminRules(name, from, to)
			if err != nil {
				return err
			}
			rules = append(append(rules, c.forwarded(to)...), c.besideOneToOne(from, to)...)
			rules = append(rules, c.bogonDestinations(to)...)
			if from == ZoneWAN {
				rules = append(rules, c.pings(to)...)
			}
			c.out.addChain(name, nil, append(rules, when(c.otherwise(from, to)...))...)
		}
	}
	c.out.addSet(connectionStates(setStates, c.known(), c.related(), c.end(idInvalid, Drop)))
	rules := append([]rule{when(byState{setStates})}, c.neverForwarded()...)
	rules = append(rules, when(notFirst{}, c.end(idInvalid, Drop)))
	if pairs := c.betweenDevices(); len(pairs.elements) > 0 {
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
	id := matrixID(from, to, action)
	if action == Allow {
		return []statement{c.count(id), accept}
	}
	return []statement{c.end(id, action)}
}

// matrixID is what the zone matrix decides a connection under.
func matrixID(from, to string, action Action) string {
	switch {
	case action == Allow:
		return idAllowed + from + "-" + to
	case from == ZoneWAN:
		return idWANDefault
	case to == ZoneGateway:
		return idInputDefault
	}
	return idForwardDefault
}

// adminRules are the policy's rules for one pair of zones, in order, for the
// chain of that name.
func (c *compiler) adminRules(chain, from, to string) ([]rule, error) {
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
	return c.group(chain, out), nil
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
// own key exchange, ESP and AH are exempt, for a peer may be within its network.
func (c *compiler) leakGuard() {
	guarded := fromPool(destination, remote, c.pools[remote])
	if len(guarded) == 0 {
		return
	}
	rules := []rule{
		when(device{outgoing, c.policy.TunnelDevice}, accept),
		when(toBeProtected{}, accept),
		when(device{outgoing, "lo"}, accept),
		when(icmpIn{ipv6, setND}, onLink{}, accept),
	}
	if len(c.policy.IKE) > 0 {
		for _, m := range c.peers(destination) {
			rules = append(rules, when(ownSource{}, m, portIn{overUDP, source, setIKEPorts}, accept))
			for _, p := range protections() {
				rules = append(rules, when(ownSource{}, m, p, accept))
			}
		}
	}
	for _, m := range guarded {
		rules = append(rules, when(m, c.end(idLeak, Drop)))
	}
	c.out.addChain("leaving", &hook{kind: "filter", point: "postrouting", priority: "filter"}, rules...)
}
