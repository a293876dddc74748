package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// The built-in rule IDs: what is counted and logged without an admin's rule.
const (
	idInvalid        = "invalid"         // connection tracking makes no sense of it
	idUnknownDevice  = "unknown-device"  // it came by a device of no zone
	idSpoof          = "spoof-"          // and the zone: a source that cannot be there
	idWANDefault     = "wan-default"     // from wan and no rule allows it
	idForwardDefault = "forward-default" // between other zones and nothing allows it
	idInputDefault   = "input-default"   // to the gateway and nothing allows it
	idLeak           = "leak"            // to a tunnel's network, but not by the tunnel
	idAdmin          = "admin-access"    // the page and SSH from the lan
	idIKE            = "ike"             // key exchange and ESP from a peer
	idBogon          = "bogon"           // from wan with a source that is nobody's
	idBogonOut       = "bogon-out"       // to such a destination by wan
	idICMP           = "icmp-refused"    // an ICMP message that no gateway passes on
	idBanned         = "banned"          // from a source on wan that is banned
	idFlood          = "flood"           // more connections than a source on wan may have
	idDHCP           = "dhcp"            // DHCP for the gateway, as server or client
	idAllowed        = "allowed-"        // and both zones: the matrix allows it
	idLabel          = "label-"          // and a label: not protected as it demands
	idOver           = "over-"           // and a rule's ID: beyond what it allows
)

// OverID is what is counted and logged as beyond the Limit of a rule.
func OverID(rule string) string { return idOver + rule }

// Reserved says that the firewall uses this ID itself.
func Reserved(id string) bool {
	switch id {
	case idInvalid, idUnknownDevice, idWANDefault, idForwardDefault, idInputDefault, idLeak, idAdmin, idIKE,
		idBogon, idBogonOut, idICMP, idBanned, idFlood, idDHCP:
		return true
	}
	return strings.HasPrefix(id, idSpoof) || strings.HasPrefix(id, idAllowed) || strings.HasPrefix(id, idOver) || strings.HasPrefix(id, idLabel)
}

// validate refuses what cannot be compiled or would not mean what it says.
func (p Policy) validate() error {
	var errs []error
	name := regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	deviceName := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$`)

	if p.TunnelDevice != "" && !deviceName.MatchString(p.TunnelDevice) {
		errs = append(errs, fmt.Errorf("tunnel device %q: not a device name this firewall can write", p.TunnelDevice))
	}
	if p.TunnelDevice == "" && len(p.Tunnels) > 0 {
		errs = append(errs, fmt.Errorf("tunnel %s: the policy names no tunnel device", p.Tunnels[0].Name))
	}
	seen := map[string]bool{p.TunnelDevice: p.TunnelDevice != "", "lo": true}
	marks := map[uint32]string{}
	for _, i := range p.Interfaces {
		switch {
		case !deviceName.MatchString(i.Device):
			errs = append(errs, fmt.Errorf("interface %q: not a device name this firewall can write", i.Device))
		case seen[i.Device]:
			errs = append(errs, fmt.Errorf("interface %s: named twice, or reserved", i.Device))
		case !name.MatchString(i.Zone) || i.Zone == ZoneGateway || i.Zone == ZoneVPN:
			errs = append(errs, fmt.Errorf("interface %s: zone %q cannot hold a device", i.Device, i.Zone))
		}
		seen[i.Device] = true
		if i.Mark != 0 && (i.Zone != ZoneWAN || marks[i.Mark] != "") {
			errs = append(errs, fmt.Errorf("interface %s: the mark %d is for one wan device", i.Device, i.Mark))
		}
		marks[i.Mark] = i.Device
		errs = append(errs, plain("interface "+i.Device, i.Addresses, i.Routed))
	}
	errs = append(errs, p.overlaps()...)
	zones := p.zoneNames()
	for _, z := range append(slices.Clone(p.Zones), p.AdminZones...) {
		if !name.MatchString(z) || !zones.known(z) {
			errs = append(errs, fmt.Errorf("zone %q: there is no zone of that name", z))
		}
	}
	cells := map[Default]bool{}
	for _, d := range p.Defaults {
		cell := Default{From: d.From, To: d.To}
		switch {
		case !name.MatchString(d.From) || !name.MatchString(d.To):
			errs = append(errs, fmt.Errorf("default %q to %q: both must name a zone", d.From, d.To))
		case !zones.known(d.From) || !zones.known(d.To):
			errs = append(errs, fmt.Errorf("default %s to %s: there are not both of these zones", d.From, d.To))
		case d.From == ZoneGateway:
			errs = append(errs, fmt.Errorf("default %s to %s: the gateway's own connections are not filtered", d.From, d.To))
		case d.From == ZoneWAN && d.Action == Allow:
			errs = append(errs, fmt.Errorf("default %s to %s: what comes from wan is denied unless a rule allows it", d.From, d.To))
		case d.Action > Allow:
			errs = append(errs, fmt.Errorf("default %s to %s: unknown action %d", d.From, d.To, d.Action))
		case cells[cell]:
			errs = append(errs, fmt.Errorf("default %s to %s: given twice", d.From, d.To))
		}
		cells[cell] = true
	}
	lists := map[string]bool{}
	for _, l := range p.Lists {
		if !name.MatchString(l.ID) || lists[l.ID] {
			errs = append(errs, fmt.Errorf("list %q: an ID is 1 to 40 of a-z, 0-9 and -, and used once", l.ID))
		}
		lists[l.ID] = true
		errs = append(errs, l.validate())
	}
	errs = append(errs, p.validateTunnelZones(name, lists)...)
	ids := map[string]bool{}
	for _, r := range p.Rules {
		switch {
		case !name.MatchString(r.ID):
			errs = append(errs, fmt.Errorf("rule %q: an ID is 1 to 40 of a-z, 0-9 and -", r.ID))
			continue
		case Reserved(r.ID):
			errs = append(errs, fmt.Errorf("rule %s: the ID is one of the firewall's own", r.ID))
		case ids[r.ID]:
			errs = append(errs, fmt.Errorf("rule %s: the ID is used twice", r.ID))
		}
		ids[r.ID] = true
		errs = append(errs, r.validate(zones), plain("rule "+r.ID, r.Sources, r.Destinations), known("rule "+r.ID, lists, r.SourceLists, r.DestinationLists))
	}
	for _, f := range p.Forwards {
		switch {
		case !name.MatchString(f.ID) || Reserved(f.ID):
			errs = append(errs, fmt.Errorf("forward %q: an ID is 1 to 40 of a-z, 0-9 and -, and not one of the firewall's own", f.ID))
			continue
		case ids[f.ID]:
			errs = append(errs, fmt.Errorf("forward %s: the ID is used twice", f.ID))
		}
		ids[f.ID] = true
		errs = append(errs, f.validate(), plain("forward "+f.ID, f.Sources), known("forward "+f.ID, lists, f.SourceLists))
	}
	entries := map[string]bool{}
	for i, n := range p.NAT {
		if !name.MatchString(n.ID) || n.ID == idMasquerade || entries[n.ID] {
			errs = append(errs, fmt.Errorf("NAT %q: an ID is 1 to 40 of a-z, 0-9 and -, used once and not %q", n.ID, idMasquerade))
			continue
		}
		entries[n.ID] = true
		errs = append(errs, n.validate(), plain("NAT "+n.ID, n.Sources, n.Destinations))
		if other, ok := n.overlapping(p.NAT[:i]); ok {
			errs = append(errs, fmt.Errorf("NAT %s: its network %s overlaps %s of NAT %s", n.ID, n.Outside, other.Outside, other.ID))
		}
	}
	for _, k := range p.IKE {
		if a := k.Peer; a.Is4In6() || a.Zone() != "" {
			errs = append(errs, fmt.Errorf("IKE peer %s: not a plain address", a))
		}
	}
	for _, l := range p.Labels {
		if !name.MatchString(l.ID) || p.TunnelDevice == "" || len(l.Networks)+len(l.Services) == 0 {
			errs = append(errs, fmt.Errorf("label %q: it needs a name, networks or services, and a tunnel device", l.ID))
		}
		errs = append(errs, List{ID: l.ID, Ranges: l.Networks}.validate())
		for _, s := range l.Services {
			if err := s.validate(); err != nil {
				errs = append(errs, fmt.Errorf("label %s: %w", l.ID, err))
			}
		}
	}
	for _, t := range p.Tunnels {
		errs = append(errs, plain("tunnel "+t.Name, t.Local, t.Remote))
	}
	return errors.Join(errs...)
}

func (l List) validate() error {
	var errs []error
	for _, r := range l.Ranges {
		if !r.First.IsValid() || r.First.Is4In6() || r.Last.Is4In6() || r.First.BitLen() != r.Last.BitLen() || r.Last.Less(r.First) {
			errs = append(errs, fmt.Errorf("list %s: %s to %s is no range of addresses", l.ID, r.First, r.Last))
		}
	}
	return errors.Join(errs...)
}

func (f Forward) validate() error {
	switch {
	case !f.To.IsValid() || f.To.Is4In6() || f.To.IsUnspecified() || f.To.IsMulticast() || f.To.IsLoopback():
		return fmt.Errorf("forward %s: %s is not the address of a host", f.ID, f.To)
	case f.Address.IsValid() && f.Address.BitLen() != f.To.BitLen():
		return fmt.Errorf("forward %s: its address and its host are not of one IP version", f.ID)
	case len(f.Protocols) == 0:
		return fmt.Errorf("forward %s: it names no protocol", f.ID)
	case f.Ports.First == 0 || f.Ports.First > f.Ports.Last:
		return fmt.Errorf("forward %s: ports %d-%d are no range", f.ID, f.Ports.First, f.Ports.Last)
	case int(f.ToPort)+int(f.Ports.Last-f.Ports.First) > 65535:
		return fmt.Errorf("forward %s: there are not as many ports from %d on", f.ID, f.ToPort)
	}
	for _, p := range f.Protocols {
		if p != TCP && p != UDP {
			return fmt.Errorf("forward %s: only tcp and udp have ports", f.ID)
		}
	}
	return nil
}

func (n NAT) validate() error {
	switch {
	case n.Exempt && (n.Address.IsValid() || n.Outside.IsValid()):
		return fmt.Errorf("NAT %s: exempt leaves the source as it is", n.ID)
	case n.Exempt:
		return nil
	case n.Outside.IsValid():
		return n.validateOutside()
	case !n.Address.IsValid() || n.Address.Is4In6() || n.Address.IsUnspecified():
		return fmt.Errorf("NAT %s: %s is not an address", n.ID, n.Address)
	}
	return nil
}

func (n NAT) validateOutside() error {
	switch out := n.Outside; {
	case n.Address.IsValid():
		return fmt.Errorf("NAT %s: an address or a network outside, not both", n.ID)
	case out.Addr().Is4In6() || out != out.Masked() || out.Bits() == 0:
		return fmt.Errorf("NAT %s: %s is not a network", n.ID, out)
	case len(n.Sources) != 1:
		return fmt.Errorf("NAT %s: %s stands for one network inside, and here are %d", n.ID, out, len(n.Sources))
	case n.Sources[0] != n.Sources[0].Masked() || n.Sources[0].Addr().BitLen() != out.Addr().BitLen() || n.Sources[0].Bits() != out.Bits():
		return fmt.Errorf("NAT %s: %s and %s are not networks of one length", n.ID, n.Sources[0], out)
	}
	return nil
}

// known refuses lists that the policy does not have: a rule with a list that
// is not there would match too much or nothing.
func known(owner string, lists map[string]bool, named ...[]string) error {
	for _, names := range named {
		for _, n := range names {
			if !lists[n] {
				return fmt.Errorf("%s: there is no list %s", owner, n)
			}
		}
	}
	return nil
}

// plain refuses prefixes that are no prefix and IPv4 inside IPv6, which the
// kernel would never see on the wire as such.
func plain(owner string, lists ...[]netip.Prefix) error {
	for _, list := range lists {
		for _, p := range list {
			if !p.IsValid() || p.Addr().Is4In6() {
				return fmt.Errorf("%s: %s is not a plain prefix", owner, p)
			}
		}
	}
	return nil
}
