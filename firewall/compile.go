package firewall

import (
	"net/netip"
	"slices"
)

// Names of sets that more than one chain uses.
const (
	setND          = "neighbor_discovery"
	setMLD         = "listener_discovery"
	setStates      = "connection_states"
	setInputStates = "input_states"
	setIKEPorts    = "ike_ports"
	setWAN         = "wan_devices"
	setAdmin       = "admin_devices"
	setInside      = "inside_devices"
	wanAddresses   = "wan_addresses" // + 4 or 6: the gateway's own, where forwards wait
	inside         = "inside"        // + 4 or 6: every network that is not behind wan
	remote         = "remote"        // + 4 or 6: the networks behind tunnels
	ikePeers       = "ike_peers"     // + 4 or 6
	neverSources   = "never_a_source"
	bogons         = "bogons"
)

// Compile turns a policy into the table that enforces it. It reads nothing but
// p and always gives the same result for the same policy. Errors name the
// interface, default, rule or tunnel at fault; all of them are reported.
func Compile(p Policy) (Ruleset, error) { return compile(p, false) }

// compile with linear leaves all rules one by one, which is what grouping is
// measured by.
func compile(p Policy, linear bool) (Ruleset, error) {
	if err := p.validate(); err != nil {
		return Ruleset{}, err
	}
	c := &compiler{policy: p, linear: linear, counted: map[string]bool{}, ends: map[string]bool{}}
	c.gather()
	if err := c.place(); err != nil {
		return Ruleset{}, err
	}
	c.shared()
	c.antiSpoofing()
	if err := c.input(); err != nil {
		return Ruleset{}, err
	}
	if err := c.forward(); err != nil {
		return Ruleset{}, err
	}
	c.uplinks()
	c.clamp()
	c.leakGuard()
	c.labels()
	c.destinationNAT()
	c.synProxy()
	c.sourceNAT()
	c.out.chains = append(c.out.chains, c.endings...)
	c.out.dynamic = c.dynamic()
	c.out.dropUnused(c.live)
	return c.out, nil
}

// Lockdown is the policy before there is a configuration: loopback and
// Neighbor Discovery work, nothing else comes in and nothing passes.
func Lockdown(tunnelDevice string, logGroup uint16) Policy {
	return Policy{TunnelDevice: tunnelDevice, LogGroup: logGroup}
}

type compiler struct {
	policy Policy
	linear bool
	out    Ruleset
	inSets lookUp // what the sets so far hold

	zones   []string            // in order of first use, those behind tunnels last
	devices map[string][]string // of a zone; vpn has the tunnel's
	places  zoneNames
	// pools are disjoint address lists under their set's name, by family.
	pools map[string]pool

	counted map[string]bool
	ends    map[string]bool
	endings []chain

	lists map[string]pool      // by ID
	live  map[string]bool      // by ID: lists whose sets are always there
	hosts map[string][]Forward // by the zone of their host
}

// pool is one list of addresses in both families; a family without addresses
// has no set.
type pool struct{ v4, v6 []span }

func newPool(prefixes []netip.Prefix) pool {
	v4, v6 := split(prefixes)
	return pool{v4, v6}
}

// listPool makes the ranges of a list disjoint. A long list is mostly in order
// and of one family, and then not copied.
func listPool(ranges []Range) pool {
	first6 := len(ranges)
	tidy := true
	for i := range ranges {
		switch {
		case ranges[i].First.Is6() && first6 > i:
			first6 = i
		case i > 0 && (ranges[i].First.Is4() != ranges[i-1].First.Is4() || !apart(ranges[i-1], ranges[i])):
			tidy = false
		}
	}
	if tidy {
		return pool{v4: ranges[:first6:first6], v6: ranges[first6:]}
	}
	var p pool
	for _, r := range ranges {
		if r.First.Is4() {
			p.v4 = append(p.v4, r)
		} else {
			p.v6 = append(p.v6, r)
		}
	}
	return pool{join(p.v4), join(p.v6)}
}

// has says whether an address is in one of the spans, which are in order and
// disjoint.
func (p pool) has(a netip.Addr) bool {
	spans := p.of(familyOf(a))
	i, found := slices.BinarySearchFunc(spans, a, func(s span, a netip.Addr) int { return s.First.Compare(a) })
	return found || i > 0 && !spans[i-1].Last.Less(a)
}

func (p pool) of(f family) []span {
	if f == ipv6 {
		return p.v6
	}
	return p.v4
}

func (p pool) without(q pool) pool {
	return pool{without(p.v4, q.v4), without(p.v6, q.v6)}
}

// gather derives what the chains need from the policy.
func (c *compiler) gather() {
	c.devices, c.places = map[string][]string{}, c.policy.zoneNames()
	var insides, remotes, peers, outside []netip.Prefix
	for _, i := range c.policy.Interfaces {
		if !slices.Contains(c.zones, i.Zone) {
			c.zones = append(c.zones, i.Zone)
		}
		c.devices[i.Zone] = append(c.devices[i.Zone], i.Device)
		if i.Zone != ZoneWAN {
			insides = append(insides, i.networks()...)
			continue
		}
		for _, a := range i.Addresses {
			outside = append(outside, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
		}
	}
	if d := c.policy.TunnelDevice; d != "" {
		c.zones = append(c.zones, ZoneVPN)
		c.devices[ZoneVPN] = []string{d}
		for _, t := range c.policy.TunnelZones {
			c.zones = append(c.zones, t.Zone)
		}
	}
	for _, t := range c.policy.Tunnels {
		remotes = append(remotes, t.Remote...)
	}
	for _, k := range c.policy.IKE {
		if k.Peer.IsValid() && !k.Peer.IsUnspecified() {
			peers = append(peers, netip.PrefixFrom(k.Peer, k.Peer.BitLen()))
		}
	}
	// A remote network may be wider than it looks: 10.0.0.0/8 around this
	// office's own 10.1.0.0/24, or everything. Our own networks and what never
	// leaves a link are not remote.
	own := newPool(append(notRouted(), insides...))
	c.pools = map[string]pool{
		inside:       newPool(insides),
		remote:       newPool(remotes).without(own),
		ikePeers:     newPool(peers),
		wanAddresses: newPool(outside),
		neverSources: newPool(impossibleSources()),
		bogons:       c.policy.bogonPool(),
	}
}

func (i Interface) networks() []netip.Prefix {
	return append(slices.Clone(i.Addresses), i.Routed...)
}

// peers matches a field against those that key exchange is open to; one match
// per family in use.
func (c *compiler) peers(field addressField) []statement {
	if c.ikeFromAnywhere() {
		return []statement{ipv4, ipv6}
	}
	return fromPool(field, ikePeers, c.pools[ikePeers])
}

// ikeFromAnywhere: a peer whose address nobody can know calls from anywhere.
func (c *compiler) ikeFromAnywhere() bool {
	return slices.ContainsFunc(c.policy.IKE, func(k IKEPeer) bool { return !k.Peer.IsValid() || k.Peer.IsUnspecified() })
}

// shared adds the sets that several chains use.
func (c *compiler) shared() {
	c.messageSets()
	for _, l := range c.policy.Lists {
		if l.Live {
			c.out.sets = append(c.out.sets, liveSets(l.ID, c.lists[l.ID])...)
		}
	}
	for _, name := range []string{inside, remote, ikePeers, neverSources, bogons} {
		c.addPool(name, c.pools[name])
	}
	if devices := c.devices[ZoneWAN]; len(devices) > 0 {
		c.out.addSet(deviceSet(setWAN, devices))
	}
	if devices := c.adminDevices(); len(devices) > 0 {
		c.out.addSet(deviceSet(setAdmin, devices))
	}
	if len(c.policy.IKE) > 0 {
		c.out.addSet(portSet(setIKEPorts, []PortRange{{500, 500}, {4500, 4500}}))
	}
}

// adminDevices are where the gateway's own page can be reached, whoever is
// behind them.
func (c *compiler) adminDevices() []string {
	if len(c.policy.AdminPorts) == 0 {
		return nil
	}
	var out []string
	for _, zone := range c.zones {
		if c.manages(zone) && !c.divided(zone) {
			out = append(out, c.devices[zone]...)
		}
	}
	return out
}

// manages says whether the page can be reached from a zone.
func (c *compiler) manages(zone string) bool {
	return zone == ZoneLAN || slices.Contains(c.policy.AdminZones, zone)
}

func (c *compiler) addPool(name string, p pool) {
	if len(p.v4) > 0 {
		c.out.addSet(addressSet(name+"4", p.v4))
	}
	if len(p.v6) > 0 {
		c.out.addSet(addressSet(name+"6", p.v6))
	}
}

// fromPool matches a field against a pool; one match per family in use.
func fromPool(field addressField, name string, p pool) []statement {
	var out []statement
	if len(p.v4) > 0 {
		out = append(out, addressIn{field, ipv4, name + "4"})
	}
	if len(p.v6) > 0 {
		out = append(out, addressIn{field, ipv6, name + "6"})
	}
	return out
}

// count gives the counter of a rule ID, declaring it on first use.
func (c *compiler) count(id string) count {
	if !c.counted[id] {
		c.counted[id] = true
		c.out.counters = append(c.out.counters, id)
	}
	return count{id}
}

// end is the verdict that counts, reports and then carries out an action under
// a rule ID. It is a chain of its own, so that the limit on reports is one per
// rule and never stands before the counter.
func (c *compiler) end(id string, action Action) verdict {
	name := "do_" + id + "_" + action.String()
	if c.ends[name] {
		return goTo(name)
	}
	c.ends[name] = true
	rules := []rule{when(c.count(id)), when(report{id, action, c.policy.LogGroup})}
	switch action {
	case Allow:
		rules = append(rules, when(accept))
	case Reject:
		rules = append(rules, when(refuseTCP{}), when(refuse{}))
	default:
		rules = append(rules, when(drop))
	}
	c.endings = append(c.endings, chain{name: name, rules: rules})
	return goTo(name)
}

// pass is the verdict that counts and accepts, for a map: it has no room for
// both.
func (c *compiler) pass(id string) verdict {
	name := "do_" + id + "_" + Allow.String()
	if !c.ends[name] {
		c.ends[name] = true
		c.endings = append(c.endings, chain{name: name, rules: []rule{when(c.count(id), accept)}})
	}
	return goTo(name)
}
