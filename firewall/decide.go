package firewall

import (
	"net/netip"
	"slices"
	"time"
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
	// ICMPType and ICMPCode are of ICMP and ICMPv6. Type 0 stands for a ping,
	// for with 0, an echo reply, no connection begins.
	ICMPType, ICMPCode uint8
	// MAC is the Ethernet source as the gateway sees it; zero: not known, and
	// then no rule with hardware addresses matches.
	MAC MAC
	// DSCP is the packet's code point, 0 to 63.
	DSCP uint8
	// At is when it asks; zero: now.
	At time.Time
}

// Decision is what a policy does with a new connection.
type Decision struct {
	Action Action
	// ID is the rule, the forward or the built-in ID that decided; empty: the
	// zone matrix.
	ID string
	// Counted is what its packet is counted and logged under: ID, or one of the
	// firewall's own; empty: it is not counted, as a ping to the gateway.
	Counted string
	// Limit is what bounds the connections that the rule allows; those beyond
	// it are dropped under OverID(ID).
	Limit Limit
}

// Decider says what a policy does with new connections. It is the meaning of
// Compile without a kernel, but for what depends on devices: it takes the zone
// of an address to be where the policy says that address is.
type Decider struct {
	policy Policy
	c      *compiler
}

// NewDecider prepares a policy that Compile accepts.
func NewDecider(p Policy) (*Decider, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	d := &Decider{policy: p, c: &compiler{policy: p}}
	d.c.gather()
	if err := d.c.place(); err != nil {
		return nil, err
	}
	return d, nil
}

// Zone is where an address is: at this gateway, in a network of an interface,
// behind a tunnel, or on the internet. Empty: nowhere.
func (d *Decider) Zone(a netip.Addr) string {
	if d.c.owns(a) {
		return ZoneGateway
	}
	zone, ok := d.policy.zoneByNetwork(a, func(Interface) bool { return true })
	switch {
	case ok:
		return zone
	case d.c.pools[remote].has(a):
		for _, t := range d.policy.TunnelZones {
			if len(t.Networks)+len(t.Lists) > 0 && d.has(a, t.Networks, t.Lists) {
				return t.Zone
			}
		}
		return ZoneVPN
	case len(d.c.devices[ZoneWAN]) > 0:
		return ZoneWAN
	}
	return ""
}

// Decide gives the verdict on a new connection, and the rule, forward or
// built-in ID that decided.
func (d *Decider) Decide(f Flow) (Action, string) {
	v := d.Explain(f)
	return v.Action, v.ID
}

// Explain is Decide with all there is to say.
func (d *Decider) Explain(f Flow) Decision {
	v := d.explain(f)
	if v.ID != "" {
		v.Counted = v.ID
	}
	return v
}

func (d *Decider) explain(f Flow) Decision {
	from, to := d.Zone(f.Source), d.Zone(f.Destination)
	switch {
	case from == ZoneGateway:
		return Decision{Action: Allow} // the gateway's own connections are not filtered
	case from == "" || to == "":
		return Decision{Action: Drop, ID: idForwardDefault}
	case from == ZoneWAN && !d.exempt(f) && d.c.pools[bogons].has(f.Source):
		return Decision{Action: Drop, ID: idBogon}
	}
	f = f.complete()
	if id, refused := d.refusedByLabel(f, from, to); refused {
		return Decision{Action: Drop, ID: id}
	}
	if to != ZoneGateway && f.overICMPOf() && neverForwarded(familyOf(f.Source), f.ICMPType) {
		return Decision{Action: Drop, ID: idICMP}
	}
	if to == ZoneGateway {
		if id, ok := d.always(from, f); ok {
			return Decision{Action: Allow, ID: id}
		}
	}
	for _, r := range d.policy.Rules {
		if (r.From == "" || r.From == from) && (r.To == "" || r.To == to) && d.matches(r, f) {
			return Decision{Action: r.Action, ID: r.ID, Limit: r.Limit}
		}
	}
	if f.Translated {
		for _, fw := range d.c.hosts[to] {
			if fw.To == f.Destination && slices.Contains(fw.transports(), transport(f.Protocol)) && within(fw.target(), f.Port) {
				return Decision{Action: Allow, ID: fw.ID}
			}
		}
		if d.besideOneToOne(f, from, to) {
			return Decision{Action: Allow}
		}
	}
	if f.isPing() && (to == ZoneGateway && from != ZoneWAN || from == ZoneWAN && d.pingable(to, f)) {
		return Decision{Action: Allow}
	}
	if to == ZoneWAN && d.c.pools[bogons].has(f.Destination) {
		return Decision{Action: Reject, ID: idBogonOut}
	}
	for _, def := range d.policy.Defaults {
		if def.From == from && def.To == to {
			return Decision{Action: def.Action, Counted: matrixID(from, to, def.Action)}
		}
	}
	return Decision{Action: Drop, Counted: matrixID(from, to, Drop)}
}

// complete says what a Flow leaves open.
func (f Flow) complete() Flow {
	if f.At.IsZero() {
		f.At = time.Now()
	}
	switch {
	case f.ICMPType != 0:
	case transport(f.Protocol) == overICMP:
		f.ICMPType = echoRequest4
	case transport(f.Protocol) == overICMPv6:
		f.ICMPType = echoRequest6
	}
	return f
}

// overICMPOf says whether the flow is ICMP of its version of IP.
func (f Flow) overICMPOf() bool { return transport(f.Protocol) == icmpOf(familyOf(f.Source)) }

func (f Flow) isPing() bool {
	return f.overICMPOf() && f.ICMPType == map[bool]uint8{true: echoRequest4, false: echoRequest6}[f.Source.Is4()]
}

// always is what reaches the gateway whatever the rules say.
func (d *Decider) always(from string, f Flow) (string, bool) {
	if d.c.manages(from) && transport(f.Protocol) == overTCP && slices.Contains(d.policy.AdminPorts, f.Port) {
		return idAdmin, true
	}
	if d.c.isDHCP(from, f) {
		return idDHCP, true
	}
	exchange := slices.Contains(protections(), transport(f.Protocol)) || transport(f.Protocol) == overUDP && (f.Port == 500 || f.Port == 4500)
	known := d.c.ikeFromAnywhere() || slices.ContainsFunc(d.policy.IKE, func(k IKEPeer) bool { return k.Peer == f.Source })
	return idIKE, from == ZoneWAN && exchange && known
}

// exempt is what the check for bogons lets by: what a provider's DHCP server
// may send from a private address, and the tunnels' own packets.
func (d *Decider) exempt(f Flow) bool {
	_, ok := d.always(ZoneWAN, f)
	return ok
}

// pingable says whether strangers may ping there, within the rate of pings.
func (d *Decider) pingable(to string, f Flow) bool {
	if f.Source.Is4() {
		return d.policy.Protection.Ping4 && to == ZoneGateway
	}
	return d.policy.Protection.Ping6 && to != ZoneWAN && d.c.places[to] != behindTunnel
}

func within(p PortRange, port uint16) bool { return p.First <= port && port <= p.Last }

func (d *Decider) matches(r Rule, f Flow) bool {
	return d.has(f.Source, r.Sources, r.SourceLists) && d.has(f.Destination, r.Destinations, r.DestinationLists) && r.serves(f) &&
		(len(r.DSCP) == 0 || slices.Contains(r.DSCP, f.DSCP)) &&
		(len(r.SourceMACs) == 0 || slices.Contains(r.SourceMACs, f.MAC)) && holds(r.Times, f.At)
}

// has says whether an address is in one of the networks or lists; both empty
// have every address.
func (d *Decider) has(a netip.Addr, networks []netip.Prefix, lists []string) bool {
	if len(networks)+len(lists) == 0 || slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return true
	}
	return slices.ContainsFunc(lists, func(l string) bool { return d.c.lists[l].has(a) })
}

func (r Rule) serves(f Flow) bool {
	return slices.ContainsFunc(r.services(), func(s Service) bool { return s.serves(f) })
}

func (s Service) serves(f Flow) bool {
	switch s.Protocol {
	case AnyProtocol:
		return true
	case OtherProtocol:
		return slices.ContainsFunc(s.Numbers, func(n NumberRange) bool { return n.First <= f.Protocol && f.Protocol <= n.Last })
	case ICMP:
		return f.overICMPOf() && (len(s.Messages) == 0 || slices.ContainsFunc(s.Messages, func(m Message) bool {
			return m.V6 == f.Source.Is6() && m.Type == f.ICMPType && (m.Code == AnyCode || m.Code == int(f.ICMPCode))
		}))
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
}
