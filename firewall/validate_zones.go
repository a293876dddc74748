package firewall

import (
	"fmt"
	"net/netip"
	"regexp"
)

// The zones of a policy and where they are.
type zoneNames map[string]zonePlace

type zonePlace byte

const (
	nowhere       zonePlace = iota
	onInterfaces            // or on none at present
	behindTunnel            // the zone vpn and its parts
	gatewayItself           // a target only
)

func (z zoneNames) known(name string) bool { return z[name] != nowhere }

func (p Policy) zoneNames() zoneNames {
	z := zoneNames{ZoneWAN: onInterfaces, ZoneLAN: onInterfaces, ZoneVPN: behindTunnel, ZoneGateway: gatewayItself}
	add := func(name string, place zonePlace) {
		if z[name] == nowhere {
			z[name] = place
		}
	}
	for _, i := range p.Interfaces {
		add(i.Zone, onInterfaces)
	}
	for _, name := range p.Zones {
		add(name, onInterfaces)
	}
	for _, t := range p.TunnelZones {
		add(t.Zone, behindTunnel)
	}
	return z
}

// validateTunnelZones refuses zones behind tunnels that mean something else
// already, or nothing.
func (p Policy) validateTunnelZones(name *regexp.Regexp, lists map[string]bool) []error {
	var errs []error
	z := Policy{Interfaces: p.Interfaces, Zones: p.Zones}.zoneNames()
	for _, t := range p.TunnelZones {
		switch {
		case !name.MatchString(t.Zone):
			errs = append(errs, fmt.Errorf("tunnel zone %q: a name is 1 to 40 of a-z, 0-9 and -", t.Zone))
		case z.known(t.Zone):
			errs = append(errs, fmt.Errorf("tunnel zone %s: there is a zone of that name", t.Zone))
		case p.TunnelDevice == "":
			errs = append(errs, fmt.Errorf("tunnel zone %s: the policy names no tunnel device", t.Zone))
		}
		z[t.Zone] = behindTunnel
		errs = append(errs, plain("tunnel zone "+t.Zone, t.Networks), known("tunnel zone "+t.Zone, lists, t.Lists))
	}
	return errs
}

// overlaps refuses two interfaces that share a part of a network: an address
// there would be in two places. Only what is routed may lie within another
// network; the smaller one has it. Link-local addresses are on every link.
func (p Policy) overlaps() []error {
	type place struct {
		device  string
		network netip.Prefix
	}
	var all []place
	var errs []error
	for _, i := range p.Interfaces {
		for _, a := range i.Addresses {
			if !a.IsValid() || a.Addr().IsLinkLocalUnicast() {
				continue
			}
			for _, other := range all {
				if other.device != i.Device && other.network.Overlaps(a.Masked()) {
					errs = append(errs, fmt.Errorf("interface %s: its network %s overlaps %s of interface %s", i.Device, a.Masked(), other.network, other.device))
				}
			}
			all = append(all, place{i.Device, a.Masked()})
		}
	}
	return errs
}
