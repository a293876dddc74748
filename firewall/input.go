package firewall

import "strconv"

// input writes what may reach the gateway itself.
func (c *compiler) input() error {
	c.out.addSet(listenerDiscovery())
	// Some messages of a link are unknown to connection tracking.
	c.out.addChain("untrackable", nil, append(linkMessages(), when(c.end(idInvalid, Drop)))...)
	c.out.addSet(connectionStates(setInputStates, accept, c.related(), goTo("untrackable")))
	rules := []rule{
		when(device{incoming, "lo"}, accept),
		when(byState{setInputStates}),
	}
	rules = append(rules, linkMessages()...)
	rules = append(rules, when(notFirst{}, c.end(idInvalid, Drop)))
	if len(c.adminDevices()) > 0 {
		rules = append(rules, when(deviceIn{incoming, setAdmin}, c.adminPorts(), c.count(idAdmin), accept))
	}
	rules = append(rules, c.addressing()...)
	if len(c.devices[ZoneWAN]) > 0 {
		rules = append(rules, c.keyExchange()...)
	}

	byZone := set{name: "to_gateway", key: keyDevice(), verdicts: true}
	for _, zone := range c.zones {
		chain := "in_" + zone
		list, err := c.adminRules(chain, zone, ZoneGateway)
		if err != nil {
			return err
		}
		if c.places[zone] == behindTunnel && len(c.policy.TunnelZones) > 0 && c.manages(zone) && len(c.policy.AdminPorts) > 0 {
			// By device this cannot be said.
			list = append([]rule{when(c.adminPorts(), c.count(idAdmin), accept)}, list...)
		}
		if zone == ZoneWAN {
			list = append(list, c.pings(ZoneGateway)...)
		} else {
			list = append(list, when(echoRequest(ipv4), accept), when(echoRequest(ipv6), accept))
		}
		list = append(list, when(c.otherwise(zone, ZoneGateway)...))
		c.out.addChain(chain, nil, list...)
		on := goTo(chain)
		if c.divided(zone) {
			on = c.byAddress("outof_gateway", source, func(zone string) verdict { return goTo("in_" + zone) })
		}
		for _, d := range c.devices[zone] {
			byZone.elements = append(byZone.elements, element{label: strconv.Quote(d), key: deviceKey(d), verdict: on})
		}
	}
	if len(byZone.elements) > 0 {
		rules = append(rules, when(byDevice{c.out.addSet(byZone)}))
	}
	rules = append(rules, when(c.end(idInputDefault, Drop)))
	c.out.addChain("input", &hook{kind: "filter", point: "input", priority: "filter", drop: true}, rules...)
	return nil
}

// adminPorts matches the page and SSH.
func (c *compiler) adminPorts() statement {
	var ports []PortRange
	for _, p := range c.policy.AdminPorts {
		ports = append(ports, PortRange{p, p})
	}
	c.setOnce(portSet("admin_ports", ports))
	return portIn{overTCP, destination, "admin_ports"}
}

// keyExchange lets in IKE (RFC 7296 2.23: UDP 500 and 4500) ESP (RFC 4303)
// and AH (RFC 4302) on wan from the peers and from nobody else.
func (c *compiler) keyExchange() []rule {
	if len(c.policy.IKE) == 0 {
		return nil
	}
	var rules []rule
	for _, m := range c.peers(source) {
		rules = append(rules, when(deviceIn{incoming, setWAN}, m, portIn{overUDP, destination, setIKEPorts}, c.count(idIKE), accept))
		for _, p := range protections() {
			rules = append(rules, when(deviceIn{incoming, setWAN}, m, p, c.count(idIKE), accept))
		}
	}
	return rules
}
