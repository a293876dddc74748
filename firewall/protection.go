package firewall

import (
	"net/netip"
	"slices"
)

// Protection are the guards of the wan devices that no rule has to ask for. The
// zero Protection has none of them.
type Protection struct {
	// Bogons refuses sources on wan that are nobody's there, and keeps packets
	// from inside to such destinations from leaving by wan.
	Bogons bool
	// BogonExceptions are networks that are not taken for bogons. What the
	// gateway's own wan addresses and the peers are in never is.
	BogonExceptions []netip.Prefix
	// Ping4 and Ping6 let strangers ping the gateway, and Ping6 also what is
	// inside where IPv6 is routed (RFC 4890 4.3.1): pingRate in all. Rules of the
	// admin come before.
	Ping4, Ping6 bool
	// NewPerSecond is how many connections one source on wan may begin in a
	// second, NewBurst how many more at once, and Open how many it may have open;
	// 0 is no bound. In IPv6 a source is a /64.
	NewPerSecond, NewBurst, Open uint32
	// SYNProxy answers SYNs to a port forward before its host sees them when more
	// than FreeSYNs come in a second.
	SYNProxy bool
	FreeSYNs uint32
}

// ReversePath is how a packet's source must relate to the device it came by
// (RFC 3704).
type ReversePath uint8

// The checks. On a device that is not of the zone wan, Strict allows the
// networks of this device, Loose all networks inside.
const (
	// ReversePathAuto is Strict, but Loose on wan devices when there are
	// several: an answer may rightly come by another one than the route says.
	ReversePathAuto   ReversePath = iota
	ReversePathStrict             // answers would leave by the same device
	ReversePathLoose              // there is a route for answers
	ReversePathOff                // no check but for the gateway's own addresses
)

// reversePath is the check that holds for an interface.
func (c *compiler) reversePath(i Interface) ReversePath {
	switch {
	case i.ReversePath != ReversePathAuto:
		return i.ReversePath
	case i.Zone == ZoneWAN && len(c.devices[ZoneWAN]) > 1:
		return ReversePathLoose
	}
	return ReversePathStrict
}

// specialPurpose are the blocks that the registries of RFC 6890 (IPv4: RFC 6890
// 2.2.2, IPv6: 2.2.3, as updated) say are not reachable globally, so never
// the source of a packet from the internet. impossibleSources is not repeated.
func specialPurpose() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fec0::/10",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// globalParts are within specialPurpose, but reachable: anycast of PCP and TURN
// (RFC 7723, RFC 8155), Teredo, AMT, AS112, ORCHIDv2 and DRIP.
func globalParts() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"192.0.0.9/32", "192.0.0.10/32",
		"2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:3::/32", "2001:4:112::/48", "2001:20::/28", "2001:30::/28",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// bogonPool are the bogons of a policy. A block that holds a wan network or a
// peer is left out whole: behind such a line it is in use.
func (p Policy) bogonPool() pool {
	if !p.Protection.Bogons {
		return pool{}
	}
	var used []netip.Prefix
	for _, i := range p.Interfaces {
		if i.Zone == ZoneWAN {
			used = append(used, i.networks()...)
		}
	}
	for _, k := range p.IKE {
		if k.Peer.IsValid() {
			used = append(used, single(k.Peer))
		}
	}
	blocks := slices.DeleteFunc(specialPurpose(), func(block netip.Prefix) bool { return slices.ContainsFunc(used, block.Overlaps) })
	return newPool(blocks).without(newPool(append(globalParts(), p.Protection.BogonExceptions...)))
}

// bogonSources refuses bogons as sources. A router on the way may have an
// address of a private network and still say that a packet was too big: such
// errors go on to connection tracking, which knows whose they are.
func (c *compiler) bogonSources() []rule {
	refused := fromPool(source, bogons, c.pools[bogons])
	if len(refused) == 0 {
		return nil
	}
	c.errorSets()
	rules := []rule{when(icmpIn{ipv4, setErrors4}, accept), when(icmpIn{ipv6, setErrors6}, accept)}
	for _, m := range refused {
		rules = append(rules, when(m, c.end(idBogon, Drop)))
	}
	return rules
}

// bogonDestinations refuses what would leave by wan to bogons, where no rule
// has allowed it.
func (c *compiler) bogonDestinations(to string) []rule {
	if to != ZoneWAN {
		return nil
	}
	var rules []rule
	for _, m := range fromPool(destination, bogons, c.pools[bogons]) {
		rules = append(rules, when(m, c.end(idBogonOut, Reject)))
	}
	return rules
}

// pingRate is how many pings a second from strangers pass for each way in.
const pingRate = 50

// pings lets strangers ping, where no rule has refused it.
func (c *compiler) pings(to string) []rule {
	var rules []rule
	if c.policy.Protection.Ping4 && to == ZoneGateway {
		rules = append(rules, when(echoRequest(ipv4), atMost{pingRate}, accept))
	}
	if c.policy.Protection.Ping6 && to != ZoneWAN && c.places[to] != behindTunnel {
		rules = append(rules, when(echoRequest(ipv6), atMost{pingRate}, accept))
	}
	return rules
}
