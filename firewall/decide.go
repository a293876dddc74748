package firewall

import (
	"net/netip"
	"slices"
)

// Flow is a connection as its first packet asks for it, after its destination
// was translated.
type Flow struct {
	Source, Destination netip.Addr
	// Protocol is IANA's number; Port the destination port of TCP and UDP.
	Protocol uint8
	Port     uint16
	// Translated says that a forward or a one-to-one address led it here.
	Translated bool
}

// Decider says what a policy does with new connections. It is the meaning of
// Compile without a kernel, but for what depends on devices: it takes the zone
// of an address to be where the policy says that address is.
type Decider struct {
	policy Policy
	c      *compiler
	own    map[netip.Addr]bool
	wan    bool
}

// NewDecider prepares a policy that Compile accepts.
func NewDecider(p Policy) (*Decider, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	d := &Decider{policy: p, c: &compiler{policy: p}, own: map[netip.Addr]bool{}}
	d.c.gather()
	if err := d.c.place(); err != nil {
		return nil, err
	}
	for _, i := range p.Interfaces {
		d.wan = d.wan || i.Zone == ZoneWAN
		for _, a := range i.Addresses {
			d.own[a.Addr()] = true
		}
	}
	return d, nil
}

// Zone is where an address is: at this gateway, in a network of an interface,
// behind a tunnel, or on the internet. Empty: nowhere.
func (d *Decider) Zone(a netip.Addr) string {
	if d.own[a] {
		return ZoneGateway
	}
	zone, length := "", -1
	for _, i := range d.policy.Interfaces {
		for _, n := range i.networks() {
			if n.Masked().Contains(a) && n.Bits() > length {
				zone, length = i.Zone, n.Bits()
			}
		}
	}
	switch {
	case length >= 0:
		return zone
	case slices.ContainsFunc(d.c.pools[remote].of(familyOf(a)), func(s span) bool { return s.has(a) }):
		return ZoneVPN
	case d.wan:
		return ZoneWAN
	}
	return ""
}

// Decide gives the verdict on a new connection, and the rule, forward or
// built-in ID that decided.
func (d *Decider) Decide(f Flow) (Action, string) {
	from, to := d.Zone(f.Source), d.Zone(f.Destination)
	switch {
	case from == ZoneGateway:
		return Allow, "" // the gateway's own connections are not filtered
	case from == "" || to == "":
		return Drop, idForwardDefault
	}
	if to == ZoneGateway {
		if id, ok := d.always(from, f); ok {
			return Allow, id
		}
	}
	for _, r := range d.policy.Rules {
		if (r.From == "" || r.From == from) && (r.To == "" || r.To == to) && d.matches(r, f) {
			return r.Action, r.ID
		}
	}
	if f.Translated {
		for _, fw := range d.c.hosts[to] {
			if fw.To == f.Destination && slices.Contains(fw.transports(), transport(f.Protocol)) && within(fw.target(), f.Port) {
				return Allow, fw.ID
			}
		}
	}
	if to == ZoneGateway && from != ZoneWAN && isPing(f.Protocol) {
		return Allow, ""
	}
	for _, def := range d.policy.Defaults {
		if def.From == from && def.To == to {
			return def.Action, ""
		}
	}
	return Drop, ""
}

// always is what reaches the gateway whatever the rules say.
func (d *Decider) always(from string, f Flow) (string, bool) {
	admin := from == ZoneLAN || slices.Contains(d.policy.AdminZones, from)
	if admin && transport(f.Protocol) == overTCP && slices.Contains(d.policy.AdminPorts, f.Port) {
		return idAdmin, true
	}
	exchange := transport(f.Protocol) == overESP || transport(f.Protocol) == overUDP && (f.Port == 500 || f.Port == 4500)
	known := d.c.ikeFromAnywhere() || slices.ContainsFunc(d.policy.IKE, func(k IKEPeer) bool { return k.Peer == f.Source })
	return idIKE, from == ZoneWAN && exchange && known
}

func isPing(protocol uint8) bool {
	return transport(protocol) == overICMP || transport(protocol) == overICMPv6
}

func within(p PortRange, port uint16) bool { return p.First <= port && port <= p.Last }

func (d *Decider) matches(r Rule, f Flow) bool {
	return d.has(f.Source, r.Sources, r.SourceLists) && d.has(f.Destination, r.Destinations, r.DestinationLists) && r.serves(f)
}

// has says whether an address is in one of the networks or lists; both empty
// have every address.
func (d *Decider) has(a netip.Addr, networks []netip.Prefix, lists []string) bool {
	if len(networks)+len(lists) == 0 || slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return true
	}
	return slices.ContainsFunc(lists, func(l string) bool {
		spans := d.c.lists[l].of(familyOf(a))
		i, found := slices.BinarySearchFunc(spans, a, func(s span, a netip.Addr) int { return s.First.Compare(a) })
		return found || i > 0 && spans[i-1].has(a)
	})
}

func (r Rule) serves(f Flow) bool {
	services := r.Services
	if len(services) == 0 {
		services = []Service{{Protocol: r.Protocol, Ports: r.Ports}}
	}
	return slices.ContainsFunc(services, func(s Service) bool {
		switch s.Protocol {
		case AnyProtocol:
			return true
		case OtherProtocol:
			return s.Number == f.Protocol
		case ICMP:
			return transport(f.Protocol) == overICMP && f.Source.Is4() || transport(f.Protocol) == overICMPv6 && f.Source.Is6()
		case TCP:
			if transport(f.Protocol) != overTCP {
				return false
			}
		case UDP:
			if transport(f.Protocol) != overUDP {
				return false
			}
		}
		return len(s.Ports) == 0 || slices.ContainsFunc(s.Ports, func(p PortRange) bool { return within(p, f.Port) })
	})
}

// Lead gives a flow the destination that a forward or a one-to-one address
// leads it to, as destinationNAT does.
func (d *Decider) Lead(f Flow) Flow {
	for _, fw := range d.policy.Forwards {
		outside := fw.Address == f.Destination || !fw.Address.IsValid() && d.isWAN(f.Destination)
		if outside && f.Destination.BitLen() == fw.To.BitLen() && slices.Contains(fw.transports(), transport(f.Protocol)) &&
			within(fw.Ports, f.Port) && d.has(f.Source, fw.Sources, fw.SourceLists) {
			f.Destination, f.Port, f.Translated = fw.To, fw.target().First+f.Port-fw.Ports.First, true
			return f
		}
	}
	if from := d.Zone(f.Source); from != ZoneWAN {
		return f
	}
	if _, key := d.always(ZoneWAN, f); key && d.isWAN(f.Destination) {
		return f // key exchange is the gateway's
	}
	for _, n := range d.policy.NAT {
		if n.OneToOne && n.Address == f.Destination {
			f.Destination, f.Translated = n.Sources[0].Addr(), true
			return f
		}
	}
	return f
}

func (d *Decider) isWAN(a netip.Addr) bool {
	return slices.ContainsFunc(d.c.pools[wanAddresses].of(familyOf(a)), func(s span) bool { return s.has(a) })
}
