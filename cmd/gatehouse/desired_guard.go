package main

import (
	"net/netip"

	"go4.org/netipx"

	"gatehouse/firewall"
	"gatehouse/network"
	"gatehouse/store"
)

const (
	// engineMark is on what the data plane itself sends, see throughTunnel.
	engineMark = 0x67
	// peerTable holds the routes into the tunnel of what also holds a peer. What
	// the data plane sends to it does not look there.
	peerTable = 10500
	// natTPort is the port of ESP in UDP (RFC 3948).
	natTPort = 4500
)

// guarded are the networks that are reached by IPsec alone, because a policy made
// by hand says so.
type guarded struct {
	name      string
	near, far []netip.Prefix
	// peers are the ends of the tunnels, or of what is protected between hosts.
	peers []netip.Addr
	own   netip.Addr // the end on this side, in transport mode
	on    bool
}

// guards are what the policies of a document lead into the tunnel. What one
// before says goes past it is not in it.
func guards(doc store.Document, now world) []guarded {
	var out []guarded
	sas := map[string]store.ManualSA{}
	for _, s := range doc.ManualSAs {
		sas[s.Name] = s
	}
	// What is decided already, by the direction.
	tunnelled, past := map[store.Direction]*netipx.IPSetBuilder{}, map[store.Direction]*netipx.IPSetBuilder{}
	for _, way := range []store.Direction{store.In, store.Out} {
		tunnelled[way], past[way] = &netipx.IPSetBuilder{}, &netipx.IPSetBuilder{}
	}
	for _, p := range doc.Policies {
		near, far := now.sides(doc, p)
		if p.Protection == store.Bypass {
			if p.Enabled {
				past[p.Direction].AddSet(without(far, tunnelled[p.Direction]))
			}
			continue
		}
		g := guarded{name: p.Name, on: p.Enabled, near: prefixesOf(setOf(near)), far: prefixesOf(without(far, past[p.Direction]))}
		for _, name := range p.SAs {
			s := sas[name]
			here, there := s.Source, s.Destination
			if p.Direction == store.In {
				here, there = there, here
			}
			g.peers = append(g.peers, there)
			if s.Mode == "transport" && len(p.SAs) > 0 && name == p.SAs[0] {
				g.own = here
			}
		}
		if !p.Enabled && g.own.IsValid() {
			continue // the host itself may be spoken to in clear again
		}
		tunnelled[p.Direction].AddSet(setOf(far))
		out = append(out, g)
	}
	return append(out, betweenGateways(doc)...)
}

// betweenGateways are the peers that branches protect in transport mode. Whatever
// this gateway says to them goes protected or not at all.
func betweenGateways(doc store.Document) []guarded {
	var out []guarded
	for _, j := range doc.Joints() {
		if !j.Transport() || !j.Enabled {
			continue // a gateway may be spoken to in clear again
		}
		g := guarded{name: j.Branch, far: []netip.Prefix{netip.PrefixFrom(j.Peer, j.Peer.BitLen())}, peers: []netip.Addr{j.Peer}, on: true}
		for _, i := range doc.Interfaces {
			for _, a := range i.Addresses {
				if i.Zone == store.ZoneWAN && a.Addr().Is4() == j.Peer.Is4() {
					g.near = append(g.near, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
				}
			}
		}
		if len(g.near) > 0 {
			g.own = g.near[0].Addr()
		}
		out = append(out, g)
	}
	return out
}

func setOf(ranges []store.AddressRange) *netipx.IPSet { return without(ranges, &netipx.IPSetBuilder{}) }

// without is what of some ranges is not in a set.
func without(ranges []store.AddressRange, not *netipx.IPSetBuilder) *netipx.IPSet {
	var b netipx.IPSetBuilder
	for _, r := range ranges {
		b.AddRange(netipx.IPRangeFrom(r.First, r.Last))
	}
	// Ranges that make no sense are refused before.
	if set, err := not.IPSet(); err == nil {
		b.RemoveSet(set)
	}
	set, err := b.IPSet()
	if err != nil {
		return &netipx.IPSet{}
	}
	return set
}

func prefixesOf(s *netipx.IPSet) []netip.Prefix { return s.Prefixes() }

// holds says whether one of the peers is within what is protected.
func (g guarded) holds(p netip.Prefix) bool {
	for _, peer := range g.peers {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}

// guardedTunnels are the networks for the firewall, and the peers that may send.
func guardedTunnels(doc store.Document, now world) (tunnels []firewall.Tunnel, peers []firewall.IKEPeer) {
	seen := map[netip.Addr]bool{}
	for _, g := range guards(doc, now) {
		tunnels = append(tunnels, firewall.Tunnel{Name: g.name, Local: g.near, Remote: g.far})
		for _, peer := range g.peers {
			if g.on && !seen[peer] {
				seen[peer] = true
				peers = append(peers, firewall.IKEPeer{Peer: peer})
			}
		}
	}
	return tunnels, peers
}

// throughTunnel adds the routes of what is protected by hand. A network with the
// peer in it, or the peer itself, has them in a table of its own, which packets
// of the data plane pass by: they would go round and round.
func throughTunnel(doc store.Document, now world, c *network.Config) {
	type route struct {
		to    netip.Prefix
		table int
	}
	seen := map[route]bool{}
	ruled := false
	for _, g := range guards(doc, now) {
		for _, to := range g.far {
			table := 0
			if g.holds(to) {
				table = peerTable
			}
			if seen[route{to, table}] {
				continue
			}
			seen[route{to, table}] = true
			if table != 0 && !ruled {
				ruled = true
				c.Rules = append(c.Rules, network.Rule{Mark: engineMark, Not: true, Table: peerTable})
			}
			if g.on {
				source := g.own
				if !source.IsValid() {
					source = ownAddressIn(doc, g.near, to.Addr().Is4())
				}
				c.Routes = append(c.Routes, network.Route{Destination: to, Table: table, Device: tunnelDevice, Source: source})
			}
			c.Routes = append(c.Routes, network.Route{Destination: to, Table: table, Unreachable: true, Metric: fallbackMetric})
		}
	}
}
