package store

import "fmt"

func (c *checker) group(at string, g Group) {
	c.networks(at+".pools", g.Pools)
	families := map[bool]bool{}
	for i, p := range g.Pools {
		if families[p.Addr().Is4()] {
			c.bad(fmt.Sprintf("%s.pools[%d]", at, i), "repeated", "a second network of the same family")
		}
		families[p.Addr().Is4()] = true
	}
	c.networks(at+".networks", g.Networks)
	c.addresses(at+".dns", g.DNS)
	for i, d := range g.Domains {
		if !isName(d) {
			c.bad(fmt.Sprintf("%s.domains[%d]", at, i), "format", "must be a domain, as in office.example")
		}
	}
}

// services checks what this gateway serves against its networks, and what must
// be unique across objects.
func (c *checker) services(d Document) {
	ports := map[string]Interface{}
	for _, n := range d.Interfaces {
		ports[n.Name] = n
	}
	for i, s := range d.DHCP {
		at := fmt.Sprintf("dhcp[%d]", i)
		n := ports[s.Interface]
		if n.Zone == ZoneWAN {
			c.bad(at+".interface", "choice", "this gateway hands out no addresses towards the internet")
		}
		inside := false
		for _, a := range n.Addresses {
			inside = inside || a.Contains(s.First) && a.Contains(s.Last)
		}
		if n.Name != "" && s.First.IsValid() && s.Last.IsValid() && !inside {
			c.bad(at+".first", "network", "both must be in one network of interface %s", s.Interface)
		}
	}
	macs, addresses := map[string]bool{}, map[string]bool{}
	for i, r := range d.Reservations {
		at := fmt.Sprintf("reservations[%d]", i)
		c.unique(macs, at+".mac", r.MAC)
		c.unique(addresses, at+".address", textOf(r.Address))
	}
	if d.DNS.Domain != "" && !isName(d.DNS.Domain) {
		c.bad("dns.domain", "format", "must be a domain, as in office.example")
	}
	c.addresses("dns.upstreams", d.DNS.Upstreams)
}
