package store

import (
	"fmt"
	"net/netip"
)

// How long the prefixes of NPTv6 can be: what a provider gives, down to one
// network.
const longestNPT, shortestNPT = 64, 48

func (c *checker) nat(at string, n NAT) {
	c.places(at+".sources", n.Sources)
	c.places(at+".destinations", n.Destinations)
	both := n.Action == NATOneToOne || n.Action == NATPrefix
	switch {
	case n.Action == NATExempt && n.Address.IsValid():
		c.bad(at+".address", "choice", "has no meaning with exempt")
	case n.Action == NATPrefix && n.Address.IsValid():
		c.bad(at+".address", "choice", "with prefix a network is given, not an address")
	case n.Action == NATSource && !n.Address.IsValid():
		c.bad(at+".address", "required", "is needed")
	case n.Action == NATOneToOne && n.Address.IsValid() == !n.Network.IsZero():
		c.bad(at+".address", "choice", "give the outside address of one host, or the outside network")
	case n.Action == NATPrefix && n.Network.IsZero():
		c.bad(at+".network", "required", "is needed")
	case !both && !n.Network.IsZero():
		c.bad(at+".network", "choice", "only one-to-one and prefix have a network outside")
	}
	if n.Network.Prefix.IsValid() && n.Network.Prefix != n.Network.Prefix.Masked() {
		c.bad(at+".network", "format", "must be a network; did you mean %s?", Network{n.Network.Interface, n.Network.Prefix.Masked()})
	}
	if both {
		c.sameLength(at, n)
	}
	if n.Address.IsValid() {
		for _, l := range [][]Network{n.Sources, n.Destinations} {
			for _, p := range l {
				if p.Prefix.IsValid() && p.Is4() != n.Address.Is4() {
					c.bad(at+".address", "family", "must be of the family of the networks")
					return
				}
			}
		}
	}
}

// sameLength refuses what cannot stand for one another address by address.
func (c *checker) sameLength(at string, n NAT) {
	outside := n.Network.Prefix
	if n.Address.IsValid() {
		outside = netip.PrefixFrom(n.Address, n.Address.BitLen())
	}
	switch {
	case len(n.Sources) != 1:
		c.bad(at+".sources", "choice", "with %s this is exactly one, as in 10.1.0.20/32 or 10.1.0.16/28", n.Action)
	case !outside.IsValid() || !n.Sources[0].Prefix.IsValid():
	case n.Address.IsValid() && !n.Sources[0].Prefix.IsSingleIP():
		c.bad(at+".sources", "choice", "an outside address stands for exactly one address, as in 10.1.0.20/32")
	case n.Network.Is4() != n.Sources[0].Is4() && !n.Address.IsValid():
		c.bad(at+".network", "family", "must be of the family of the network inside")
	case n.Sources[0].Prefix.Bits() != outside.Bits():
		c.bad(at+".network", "length", "must be as long as the network inside, /%d", n.Sources[0].Prefix.Bits())
	case n.Action == NATPrefix && n.Network.Is4():
		c.bad(at+".network", "family", "prefix is for IPv6; take one-to-one")
	case n.Action == NATPrefix && (outside.Bits() < shortestNPT || outside.Bits() > longestNPT):
		c.bad(at+".network", "length", "must be /%d to /%d", shortestNPT, longestNPT)
	}
}

// outsideNAT checks what entries say of addresses outside: own are this
// gateway's in the zone wan.
func (c *checker) outsideNAT(d Document, own map[netip.Addr]bool) {
	type claim struct {
		by      string
		network netip.Prefix
	}
	var taken []claim
	for i, n := range d.Firewall.NAT {
		at := fmt.Sprintf("firewall.nat[%d]", i)
		outside, field := n.Network.Prefix, at+".network"
		if n.Address.IsValid() {
			outside, field = netip.PrefixFrom(n.Address, n.Address.BitLen()), at+".address"
			if !own[n.Address] {
				c.bad(field, "network", "%s is not one of this gateway's addresses in the zone wan", n.Address)
			}
		}
		if n.Network.Interface != "" || !outside.IsValid() {
			continue // where it is, nobody knows yet
		}
		if !n.Address.IsValid() {
			c.outsideNetwork(d, field, outside, own)
		}
		if !n.Enabled || n.Action != NATOneToOne && n.Action != NATPrefix {
			continue
		}
		for _, t := range taken {
			if t.network.Overlaps(outside) {
				c.bad(field, "repeated", "%s overlaps %s of NAT %s", short(outside), short(t.network), t.by)
			}
		}
		taken = append(taken, claim{n.Name, outside})
	}
	for i, n := range d.Firewall.NAT {
		inside := n.Action == NATOneToOne || n.Action == NATPrefix
		if inside && len(n.Sources) == 1 && n.Sources[0].Interface == "" && n.Sources[0].Prefix.IsValid() && !d.reaches(n.Sources[0].Prefix) {
			c.bad(fmt.Sprintf("firewall.nat[%d].sources[0]", i), "network", "%s is in no network behind this gateway", n.Sources[0])
		}
	}
}

// short leaves out the length of a single address.
func short(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// outsideNetwork refuses a network that does not come to this gateway.
func (c *checker) outsideNetwork(d Document, field string, outside netip.Prefix, own map[netip.Addr]bool) {
	for _, i := range d.Interfaces {
		for _, a := range i.Addresses {
			if !a.Overlaps(outside) {
				continue
			}
			if i.Zone != ZoneWAN {
				c.bad(field, "overlap", "overlaps the network %s of interface %s, which is inside", a.Masked(), i.Name)
				return
			}
			shared := outside
			if a.Bits() > shared.Bits() {
				shared = a.Masked()
			}
			// Ends at the first address that is not ours.
			for x := shared.Addr(); shared.Contains(x); x = x.Next() {
				if !own[x] {
					c.bad(field, "network", "%s is in the network of interface %s and not an address of this gateway, so nothing would arrive for it", x, i.Name)
					return
				}
			}
		}
	}
}

// reaches says whether a network meets one inside.
func (d Document) reaches(p netip.Prefix) bool {
	for _, n := range d.Interfaces {
		if n.Zone == ZoneWAN {
			continue
		}
		for _, a := range n.Addresses {
			if a.Overlaps(p) {
				return true
			}
			for _, r := range d.Routes {
				if a.Contains(r.Via) && r.Destination.Overlaps(p) {
					return true
				}
			}
		}
	}
	return false
}
