package firewall

import (
	"net/netip"
)

// Ports of DHCP (RFC 2131 4.1) and DHCPv6 (RFC 8415 7.2): what a server and a
// client listen on.
const (
	dhcpServer, dhcpClient     = 67, 68
	dhcpv6Server, dhcpv6Client = 547, 546
)

var linkLocal6 = netip.MustParsePrefix("fe80::/10")

// insideZone says whether a zone is of links inside, where hosts get their
// addresses from this gateway.
func (c *compiler) insideZone(zone string) bool {
	return zone != ZoneWAN && c.places[zone] == onInterfaces
}

// addressing lets in DHCP, which no rule can refuse: a server's messages to this
// gateway on wan, by which it keeps its own address, and those of hosts inside.
// DHCPv6 is spoken on a link only.
func (c *compiler) addressing() []rule {
	var rules []rule
	add := func(set string, v4, v6 uint16) {
		counted := c.count(idDHCP)
		rules = append(rules,
			when(deviceIn{incoming, set}, ipv4, port{overUDP, destination, PortRange{v4, v4}}, counted, accept),
			when(deviceIn{incoming, set}, address{source, linkLocal6}, port{overUDP, destination, PortRange{v6, v6}}, counted, accept))
	}
	var within []string
	for _, zone := range c.zones {
		if c.insideZone(zone) {
			within = append(within, c.devices[zone]...)
		}
	}
	if len(within) > 0 {
		c.out.addSet(deviceSet(setInside, within))
		add(setInside, dhcpServer, dhcpv6Server)
	}
	if len(c.devices[ZoneWAN]) > 0 {
		add(setWAN, dhcpClient, dhcpv6Client)
	}
	return rules
}

// isDHCP says whether addressing lets a flow to the gateway in.
func (c *compiler) isDHCP(from string, f Flow) bool {
	if transport(f.Protocol) != overUDP {
		return false
	}
	v4, v6 := uint16(dhcpServer), uint16(dhcpv6Server)
	switch {
	case from == ZoneWAN:
		v4, v6 = dhcpClient, dhcpv6Client
	case !c.insideZone(from):
		return false
	}
	if f.Source.Is4() {
		return f.Port == v4
	}
	return f.Port == v6 && linkLocal6.Contains(f.Source)
}
