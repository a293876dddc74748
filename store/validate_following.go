package store

import (
	"fmt"
	"net/netip"
)

// usualPrefix is how long the prefix of an interface is that has none yet
// (RFC 4291 2.5.1).
const usualPrefix = 64

// places checks that each is a network without host bits.
func (c *checker) places(at string, all []Network) {
	for i, n := range all {
		if !isNetwork(n.Prefix) {
			c.bad(fmt.Sprintf("%s[%d]", at, i), "format", "must be a network, as in 10.2.0.0/24, or the end of one, as in office+::80")
		}
	}
}

// bare are the prefixes of networks, or the ends of those that follow.
func bare(all []Network) []netip.Prefix {
	var out []netip.Prefix
	for _, n := range all {
		out = append(out, n.Prefix)
	}
	return out
}

// following checks what follows the prefix of an interface: that each of its
// prefixes leaves room. That there is such an interface is checked elsewhere.
func (c *checker) following(d Document) {
	lengths := map[string]int{}
	zones := map[string]Zone{}
	for _, n := range d.Interfaces {
		longest := 0
		for _, a := range n.Addresses {
			if a.Addr().Is6() {
				longest = max(longest, a.Bits())
			}
		}
		if longest == 0 {
			longest = usualPrefix
		}
		lengths[n.Name], zones[n.Name] = longest, n.Zone
	}
	check := func(at, name string, rest netip.Prefix) {
		length, known := lengths[name]
		if !known || !rest.IsValid() {
			return
		}
		if !fits(rest, netip.PrefixFrom(netip.IPv6Unspecified(), length)) {
			c.bad(at, "length", "the prefix of %s is /%d long, and there is no room behind it for %s", name, length, short(rest))
		}
	}
	each := func(at string, all []Network) {
		for i, n := range all {
			check(fmt.Sprintf("%s[%d]", at, i), n.Interface, n.Prefix)
		}
	}
	for i, l := range d.Lists {
		at := fmt.Sprintf("lists[%d].following", i)
		each(at, l.Following)
		for j, n := range l.Following {
			if n.Interface == "" {
				c.bad(fmt.Sprintf("%s[%d]", at, j), "format", "must name an interface, as in office+::80; other entries stand above")
			}
		}
		c.places(at, l.Following)
	}
	for i, r := range d.Firewall.Rules {
		at := fmt.Sprintf("firewall.rules[%d]", i)
		each(at+".sources", r.Sources)
		each(at+".destinations", r.Destinations)
	}
	for i, f := range d.Firewall.Forwards {
		at := fmt.Sprintf("firewall.forwards[%d].to", i)
		check(at, f.To.Interface, netip.PrefixFrom(f.To.Addr, f.To.Addr.BitLen()))
		if zones[f.To.Interface] == ZoneWAN {
			c.bad(at, "network", "%s is outside", f.To.Interface)
		}
	}
	for i, n := range d.Firewall.NAT {
		at := fmt.Sprintf("firewall.nat[%d]", i)
		each(at+".sources", n.Sources)
		each(at+".destinations", n.Destinations)
		check(at+".network", n.Network.Interface, n.Network.Prefix)
	}
}
