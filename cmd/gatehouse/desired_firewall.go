package main

import (
	"net/netip"
	"strings"

	"gatehouse/firewall"
	"gatehouse/store"
)

// perimeter translates what a document says about the firewall.
func perimeter(doc store.Document, now world, adminPort uint16) firewall.Policy {
	p := firewall.Policy{
		Masquerade: doc.Firewall.Masquerade, TunnelDevice: tunnelDevice,
		AdminPorts: []uint16{adminPort, 22}, LogGroup: logGroup,
		// Nothing shapes traffic yet; what will be must be in NoOffload.
		Offload:    !doc.Firewall.OffloadOff,
		Protection: protection(doc.Firewall.Protection),
	}
	marks := uplinkMarks(doc)
	for _, i := range doc.Interfaces {
		fi := firewall.Interface{Device: i.Device, Zone: string(i.Zone), Addresses: now.addressesOf(i), Mark: marks[i.Name], ReversePath: reversePaths[i.ReversePath]}
		for _, r := range doc.Routes {
			if onLink(i, r.Via) {
				fi.Routed = append(fi.Routed, r.Destination)
			}
		}
		p.Interfaces = append(p.Interfaces, fi)
	}
	following := now.following(doc)
	for _, z := range doc.Zones {
		if len(z.Branches)+len(z.Groups) == 0 {
			p.Zones = append(p.Zones, string(z.Name))
		}
		if z.Manage {
			p.AdminZones = append(p.AdminZones, string(z.Name))
		}
	}
	for _, l := range doc.Lists {
		p.Lists = append(p.Lists, now.list(l, following.networks(l.Following)))
	}
	for _, d := range doc.Firewall.Defaults {
		p.Defaults = append(p.Defaults, firewall.Default{From: string(d.From), To: string(d.To), Action: actions[d.Action]})
	}
	who := newMembers(doc, now, p.Lists)
	p.Rules, p.TunnelZones = who.rules(), who.zones()
	p.Lists = who.lists
	for _, f := range doc.Firewall.Forwards {
		switch {
		case !f.Enabled:
		case f.To.Interface != "":
			if r, ok := following.opened(doc, f); ok {
				p.Rules = append(p.Rules, r)
			}
		default:
			p.Forwards = append(p.Forwards, firewall.Forward{
				ID: f.Name, Address: f.Address, Protocols: split(f.Protocol), Ports: firewall.PortRange(f.Ports),
				To: f.To.Addr, ToPort: f.ToPort, Sources: f.Sources, SourceLists: f.SourceLists, Log: f.Log,
			})
		}
	}
	for _, n := range doc.Firewall.NAT {
		if fn, ok := following.translated(n); ok && n.Enabled {
			p.NAT = append(p.NAT, fn)
		}
	}
	for _, j := range doc.Joints() {
		// A disabled branch keeps its guard: its networks must not leave in
		// clear just because the tunnel is switched off.
		if !j.Transport() {
			p.Tunnels = append(p.Tunnels, firewall.Tunnel{Name: j.Branch, Local: j.Local, Remote: j.Remote})
		}
	}
	for _, b := range doc.Branches {
		if !b.Enabled {
			continue
		}
		for _, addr := range peerAddresses(b, now.peers) {
			p.IKE = append(p.IKE, firewall.IKEPeer{Peer: addr})
		}
	}
	p.Labels = labels(doc)
	tunnels, peers := guardedTunnels(doc, now)
	p.Tunnels, p.IKE = append(p.Tunnels, tunnels...), append(p.IKE, peers...)
	return p
}

// peerAddresses are where a branch may call from. A name without a known
// address opens nothing: the perimeter fails closed.
func peerAddresses(b store.Branch, peers resolved) []netip.Addr {
	if b.Peer == "" {
		return []netip.Addr{{}}
	}
	if addr, err := netip.ParseAddr(b.Peer); err == nil {
		return []netip.Addr{addr}
	}
	return peers[b.Peer]
}

var actions = map[store.Action]firewall.Action{
	store.Allow: firewall.Allow, store.Reject: firewall.Reject, store.Drop: firewall.Drop,
}

var protocols = map[string]firewall.Protocol{
	"": firewall.AnyProtocol, "tcp": firewall.TCP, "udp": firewall.UDP, "icmp": firewall.ICMP,
}

// split gives the protocols of "tcp+udp".
func split(names string) []firewall.Protocol {
	var out []firewall.Protocol
	for name := range strings.SplitSeq(names, "+") {
		out = append(out, protocols[name])
	}
	return out
}

func portRanges(all []store.PortRange) []firewall.PortRange {
	var out []firewall.PortRange
	for _, p := range all {
		out = append(out, firewall.PortRange(p))
	}
	return out
}
