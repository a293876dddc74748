package store

import (
	"fmt"
	"net/netip"
	"slices"
)

// fromZone refuses the gateway as a source: its own connections are not
// filtered.
func (c *checker) fromZone(at string, from Zone) {
	if from == ZoneGateway {
		c.bad(at+".from", "choice", "what this gateway itself sends is not filtered")
	}
}

func oneOf(s string, all ...string) bool { return slices.Contains(all, s) }

// ports checks ranges, and that the protocol has ports.
func (c *checker) ports(at, protocol string, all []PortRange) {
	if len(all) > 0 && !oneOf(protocol, "tcp", "udp", "tcp+udp") {
		c.bad(at, "choice", "only tcp and udp have ports")
	}
	for j, p := range all {
		c.portRange(fmt.Sprintf("%s[%d]", at, j), p)
	}
}

func (c *checker) portRange(at string, p PortRange) {
	if p.First == 0 || p.Last < p.First {
		c.bad(at, "range", "must be a range from 1 to 65535, the lower port first")
	}
}

func (c *checker) rule(at string, r Rule) {
	if reservedRule.MatchString(r.Name) {
		c.bad(at+".name", "reserved", "the firewall uses this name in its log; take another")
	}
	c.fromZone(at, r.From)
	c.ports(at+".ports", r.Protocol, r.Ports)
	if len(r.Services) > 0 && (r.Protocol != "" || len(r.Ports) > 0) {
		c.bad(at+".services", "choice", "name services, or a protocol with its ports, not both")
	}
	c.places(at+".sources", r.Sources)
	c.places(at+".destinations", r.Destinations)
	plain := len(r.SourceLists)+len(r.SourceUsers)+len(r.SourceGroups)+len(r.SourceBranches) == 0 &&
		len(r.DestinationLists)+len(r.DestinationUsers)+len(r.DestinationGroups)+len(r.DestinationBranches) == 0
	if plain && len(r.Sources) > 0 && len(r.Destinations) > 0 && !shareFamily(bare(r.Sources), bare(r.Destinations)) {
		c.bad(at+".destinations", "family", "sources and destinations have no address family in common")
	}
	c.macs(at+".source_macs", r.SourceMACs)
	c.codePoints(at+".dscp", r.DSCP)
	c.limits(at, r)
}

func (c *checker) macs(at string, all []string) {
	for i, m := range all {
		if !macPattern.MatchString(m) {
			c.bad(fmt.Sprintf("%s[%d]", at, i), "format", "must be six bytes in lower case, as in 02:00:5e:10:00:01")
		}
	}
}

func (c *checker) codePoints(at string, all []string) {
	seen := map[uint8]bool{}
	for i, name := range all {
		n, err := ParseDSCP(name)
		if err != nil {
			c.bad(fmt.Sprintf("%s[%d]", at, i), "format", "%v", err)
		} else if seen[n] {
			c.bad(fmt.Sprintf("%s[%d]", at, i), "repeated", "%s is given twice", name)
		}
		seen[n] = true
	}
}

// maxLimit bounds every number of a limit.
const maxLimit = 1_000_000

func (c *checker) limits(at string, r Rule) {
	for _, l := range []struct {
		field string
		n     uint32
	}{{"limit_rate", r.LimitRate}, {"limit_burst", r.LimitBurst}, {"limit_open", r.LimitOpen}} {
		if l.n > maxLimit {
			c.bad(at+"."+l.field, "range", "must be at most %d, or left out", maxLimit)
		}
		if l.n > 0 && r.Action != Allow {
			c.bad(at+"."+l.field, "choice", "only what is allowed can be limited")
		}
	}
	switch {
	case r.LimitRate > 0 && r.LimitPer == "":
		c.bad(at+".limit_per", "required", "is needed with a limit of new connections")
	case r.LimitRate == 0 && r.LimitPer != "":
		c.bad(at+".limit_rate", "required", "is needed with a time")
	case r.LimitRate == 0 && r.LimitBurst > 0:
		c.bad(at+".limit_rate", "required", "is needed: a burst goes beyond it")
	}
	if r.LimitPerSource && r.LimitRate == 0 && r.LimitOpen == 0 {
		c.bad(at+".limit_per_source", "choice", "there is no limit that each source could have")
	}
}

// zones checks what a zone of branches and groups is made of.
func (c *checker) zones(d Document) {
	ports := map[Zone]string{}
	for _, n := range d.Interfaces {
		ports[n.Zone] = n.Name
	}
	tunnels := map[Zone]bool{ZoneVPN: true}
	taken := map[string]Zone{}
	for i, z := range d.Zones {
		at := fmt.Sprintf("zones[%d]", i)
		tunnels[z.Name] = len(z.Branches)+len(z.Groups) > 0
		if tunnels[z.Name] && ports[z.Name] != "" {
			c.bad(at+".name", "choice", "the interface %s is in this zone: a zone has ports, or branches and groups, not both", ports[z.Name])
		}
		once := func(field string, names []string) {
			for j, name := range names {
				if other, ok := taken[field+" "+name]; ok && other != z.Name {
					c.bad(fmt.Sprintf("%s.%s[%d]", at, field, j), "repeated", "%s is in the zone %s already", name, other)
				}
				taken[field+" "+name] = z.Name
			}
		}
		once("branches", z.Branches)
		once("groups", z.Groups)
	}
	for i, r := range d.Firewall.Rules {
		if len(r.SourceMACs) > 0 && tunnels[r.From] {
			c.bad(fmt.Sprintf("firewall.rules[%d].source_macs", i), "choice", "what comes out of a tunnel has no hardware address")
		}
	}
}

func (c *checker) forward(at string, f Forward) {
	if reservedRule.MatchString(f.Name) {
		c.bad(at+".name", "reserved", "the firewall uses this name in its log; take another")
	}
	if f.Ports != (PortRange{}) {
		c.portRange(at+".ports", f.Ports)
	}
	if more := int(f.Ports.Last) - int(f.Ports.First); int(f.ToPort)+more > 65535 {
		c.bad(at+".to_port", "range", "as many ports do not follow this one")
	}
	if to := f.To.Addr; to.IsValid() {
		c.addresses(at+".to", []netip.Addr{to})
		if f.Address.IsValid() && f.Address.Is4() != to.Is4() {
			c.bad(at+".address", "family", "must be of the host's family")
		}
		for i, s := range f.Sources {
			if s.Addr().Is4() != to.Is4() {
				c.bad(fmt.Sprintf("%s.sources[%d]", at, i), "family", "must be of the host's family")
			}
		}
	}
	if f.To.Interface != "" && f.Address.IsValid() {
		c.bad(at+".address", "choice", "a host that follows a prefix has addresses of its own outside")
	}
	if f.To.Interface != "" && f.ToPort != 0 && f.ToPort != f.Ports.First {
		c.bad(at+".to_port", "choice", "a host that follows a prefix is reached at its own ports")
	}
	c.networks(at+".sources", f.Sources)
}

// outside checks what speaks of this gateway's outside addresses: that they
// are its own, and that no two entries want the same port of one.
func (c *checker) outside(d Document) {
	own := map[netip.Addr]bool{}
	rules := map[string]bool{}
	for _, n := range d.Interfaces {
		for _, a := range n.Addresses {
			if n.Zone == ZoneWAN {
				own[a.Addr()] = true
			}
		}
	}
	for _, r := range d.Firewall.Rules {
		rules[r.Name] = true
	}
	for i, f := range d.Firewall.Forwards {
		at := fmt.Sprintf("firewall.forwards[%d]", i)
		if f.Address.IsValid() && !own[f.Address] {
			c.bad(at+".address", "network", "%s is not one of this gateway's addresses in the zone wan", f.Address)
		}
		if rules[f.Name] {
			c.bad(at+".name", "repeated", "a rule has this name, and the log would not tell them apart")
		}
		if f.To.Interface == "" && f.To.Addr.IsValid() && !d.behind(f.To.Addr) {
			c.bad(at+".to", "network", "%s is in no network behind this gateway", f.To)
		}
		for _, o := range d.Firewall.Forwards[:i] {
			if f.Enabled && o.Enabled && f.meets(o) {
				c.bad(at+".ports", "overlap", "port forward %s takes some of these ports", o.Name)
			}
		}
	}
	c.outsideNAT(d, own)
}

// behind says whether a host is inside: in a network of an interface that is
// not of the zone wan, or behind a router there. What is behind a tunnel is not:
// the tunnel would refuse sources from the internet.
func (d Document) behind(host netip.Addr) bool {
	for _, n := range d.Interfaces {
		for _, a := range n.Addresses {
			if a.Addr() == host {
				return false
			}
		}
	}
	holds := func(p netip.Prefix) bool { return p.Contains(host) }
	for _, n := range d.Interfaces {
		if n.Zone == ZoneWAN {
			continue
		}
		if slices.ContainsFunc(n.Addresses, holds) {
			return true
		}
		for _, r := range d.Routes {
			if holds(r.Destination) && slices.ContainsFunc(n.Addresses, func(a netip.Prefix) bool { return a.Contains(r.Via) }) {
				return true
			}
		}
	}
	return false
}

// meets says whether two forwards could both want a connection.
func (f Forward) meets(o Forward) bool {
	return f.To.Interface == "" && o.To.Interface == "" && f.To.Addr.Is4() == o.To.Addr.Is4() && f.Ports.First <= o.Ports.Last && o.Ports.First <= f.Ports.Last &&
		(f.Protocol == o.Protocol || f.Protocol == "tcp+udp" || o.Protocol == "tcp+udp") &&
		(f.Address == o.Address || !f.Address.IsValid() || !o.Address.IsValid()) &&
		len(f.Sources)+len(f.SourceLists) == 0 && len(o.Sources)+len(o.SourceLists) == 0
}
