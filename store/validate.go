package store

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
)

var (
	namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	hostPattern = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)
	// What the firewall counts and logs without an admin's rule
	// (firewall.Reserved).
	reservedRule  = regexp.MustCompile(`^(invalid|unknown-device|spoof-.*|(wan|forward|input)-default|leak|admin-access|ike|bogon(-out)?|icmp-refused|banned|flood|dhcp|allowed-.*)$`)
	macPattern    = regexp.MustCompile(`^([0-9a-f]{2}:){5}[0-9a-f]{2}$`)
	devicePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$`)
)

// Bounds that an admin may run into; said in the messages.
const (
	minPSK, maxPSK     = 8, 128
	minMTU, maxMTU     = 1280, 9000
	minRekey, maxRekey = 5, 86400
	minDPD, maxDPD     = 2, 3600
	minLease, maxLease = 120, 604800
	maxNote            = 1000
	maxZone            = 20
)

// checker gathers field errors.
type checker struct{ found ValidationError }

func (c *checker) bad(field, code, format string, args ...any) {
	c.found = append(c.found, FieldError{Field: field, Code: code, Message: fmt.Sprintf(format, args...)})
}

// between refuses a number outside of bounds; 0 stands for the default.
func (c *checker) between(field string, n, least, most int, unit string) {
	if n != 0 && (n < least || n > most) {
		c.bad(field, "range", "must be %d to %d %s, or left out", least, most, unit)
	}
}

// addresses refuses what is not a plain address.
func (c *checker) addresses(at string, all []netip.Addr) {
	for i, a := range all {
		if !a.IsValid() || a.Zone() != "" || a.Is4In6() || a.IsUnspecified() {
			c.bad(fmt.Sprintf("%s[%d]", at, i), "format", "must be an IP address")
		}
	}
}

// unique reports a value that came before and remembers it.
func (c *checker) unique(seen map[string]bool, field, value string) {
	if seen[value] {
		c.bad(field, "repeated", "%q is used twice", value)
	}
	seen[value] = true
}

// Validate finds everything that is wrong with a document; nil if nothing is.
// Whether the users that it names exist is not in it, and so not judged.
func (d Document) Validate() error { return d.validate(nil) }

// validate knows the names of objects that are not in the document.
func (d Document) validate(people names) error {
	c := &checker{}
	if d.Version != DocumentVersion {
		c.bad("version", "version", "must be %d", DocumentVersion)
	}
	if !hostPattern.MatchString(d.System.Name) {
		c.bad("system.name", "format", "must be one DNS label: letters, digits and hyphens, at most 63")
	}
	known := d.names()
	maps.Copy(known, people)
	for _, s := range sections {
		s.validate(c, d, known)
	}
	c.timeZone("system.time_zone", d.System.TimeZone)
	c.interfaces(d.Interfaces)
	c.zones(d)
	c.routes(d)
	c.outside(d)
	c.following(d)
	c.branches(d)
	c.children(d)
	c.services(d)
	c.manual(d)
	if len(c.found) == 0 {
		return nil
	}
	return c.found
}

// names are all that objects of a document can refer to.
func (d Document) names() names {
	known := names{}
	for _, s := range sections {
		s.collect(d, known)
	}
	for zone := range zoneWords {
		known["zone"][string(zone)] = true
	}
	return known
}

func (c *checker) interfaces(all []Interface) {
	devices := map[string]bool{}
	type network struct {
		prefix netip.Prefix
		of     int // index of the interface
	}
	var networks []network
	for i, n := range all {
		at := fmt.Sprintf("interfaces[%d]", i)
		if !devicePattern.MatchString(n.Device) || n.Device == "lo" || n.Device == "ipsec0" || n.Device == "all" || n.Device == "default" {
			c.bad(at+".device", "format", "%q is not a port that can be configured", n.Device)
		}
		c.unique(devices, at+".device", n.Device)
		if n.Zone == ZoneVPN || n.Zone == ZoneGateway {
			c.bad(at+".zone", "choice", "%s has no ports", zoneWord(n.Zone))
		}
		if n.MTU != 0 && (n.MTU < minMTU || n.MTU > maxMTU) {
			c.bad(at+".mtu", "range", "must be %d to %d bytes, or left out", minMTU, maxMTU)
		}
		if len(n.Addresses) == 0 {
			c.bad(at+".addresses", "required", "needs at least one address")
		}
		for j, a := range n.Addresses {
			field := fmt.Sprintf("%s.addresses[%d]", at, j)
			if !ownAddress(a) {
				c.bad(field, "format", "must be an address of this gateway with its network's length, as in 10.1.0.1/24")
				continue
			}
			if slices.Contains(n.Addresses[:j], a) {
				c.bad(field, "repeated", "%s is given twice", a)
			}
			for _, other := range networks {
				// A second address in the same network of the same port is fine.
				if other.prefix.Overlaps(a) && (other.of != i || other.prefix != a.Masked()) {
					c.bad(field, "overlap", "overlaps the network %s of interface %s", other.prefix, all[other.of].Name)
				}
			}
			networks = append(networks, network{a.Masked(), i})
		}
		c.gateways(at, n)
	}
}

// ownAddress refuses what no host can have: the network's own address, the
// broadcast address and special ranges.
func ownAddress(p netip.Prefix) bool {
	a := p.Addr()
	if !p.IsValid() || p.Bits() == 0 || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Is4In6() || a.Zone() != "" {
		return false
	}
	if a.Is4() && p.Bits() < 31 {
		return a != p.Masked().Addr() && p.Contains(a.Next())
	}
	return true
}

func (c *checker) gateways(at string, n Interface) {
	if len(n.Gateways) > 0 && n.Zone != ZoneWAN {
		c.bad(at+".gateways", "choice", "only an interface of the zone wan has a way to the internet")
	}
	families := map[bool]bool{}
	for j, gw := range n.Gateways {
		field := fmt.Sprintf("%s.gateways[%d]", at, j)
		if !gw.IsValid() || gw.Zone() != "" || gw.Is4In6() {
			c.bad(field, "format", "must be an IP address")
			continue
		}
		if families[gw.Is4()] {
			c.bad(field, "repeated", "a second gateway of the same family")
		}
		families[gw.Is4()] = true
		inside := func(a netip.Prefix) bool { return a.Contains(gw) && a.Addr() != gw }
		if !gw.IsLinkLocalUnicast() && !slices.ContainsFunc(n.Addresses, inside) {
			c.bad(field, "network", "%s is not in a network of this interface", gw)
		}
	}
}

func (c *checker) routes(d Document) {
	for i, r := range d.Routes {
		at := fmt.Sprintf("routes[%d]", i)
		if !isNetwork(r.Destination) {
			c.bad(at+".destination", "format", "must be a network, as in 10.9.0.0/16")
			continue
		}
		reachable := slices.ContainsFunc(d.Interfaces, func(n Interface) bool {
			return slices.ContainsFunc(n.Addresses, func(a netip.Prefix) bool { return a.Contains(r.Via) && a.Addr() != r.Via })
		})
		if !reachable {
			c.bad(at+".via", "network", "must be an address in a network of one of the interfaces")
		}
		if r.Via.IsValid() && r.Via.Is4() != r.Destination.Addr().Is4() {
			c.bad(at+".via", "family", "must be of the destination's family")
		}
	}
}

// networks checks that each is a network without host bits.
func (c *checker) networks(at string, all []netip.Prefix) {
	for i, n := range all {
		if !isNetwork(n) {
			c.bad(fmt.Sprintf("%s[%d]", at, i), "format", "must be a network, as in 10.2.0.0/24")
		}
	}
}

func isNetwork(p netip.Prefix) bool {
	return p.IsValid() && p == p.Masked() && !p.Addr().Is4In6()
}

func shareFamily(a, b []netip.Prefix) bool {
	has := func(all []netip.Prefix, v4 bool) bool {
		return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Addr().Is4() == v4 })
	}
	return has(a, true) && has(b, true) || has(a, false) && has(b, false)
}
