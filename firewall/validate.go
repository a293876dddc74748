package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
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
	idAllowed        = "allowed-"        // and both zones: the matrix allows it
)

// Reserved says that the firewall uses this ID itself.
func Reserved(id string) bool {
	switch id {
	case idInvalid, idUnknownDevice, idWANDefault, idForwardDefault, idInputDefault, idLeak, idAdmin, idIKE:
		return true
	}
	return strings.HasPrefix(id, idSpoof) || strings.HasPrefix(id, idAllowed)
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
		errs = append(errs, plain("interface "+i.Device, i.Addresses, i.Routed))
	}
	cells := map[Default]bool{}
	for _, d := range p.Defaults {
		cell := Default{From: d.From, To: d.To}
		switch {
		case !name.MatchString(d.From) || !name.MatchString(d.To):
			errs = append(errs, fmt.Errorf("default %q to %q: both must name a zone", d.From, d.To))
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
		errs = append(errs, r.validate(), plain("rule "+r.ID, r.Sources, r.Destinations))
	}
	for _, k := range p.IKE {
		if a := k.Peer; a.Is4In6() || a.Zone() != "" {
			errs = append(errs, fmt.Errorf("IKE peer %s: not a plain address", a))
		}
	}
	for _, t := range p.Tunnels {
		errs = append(errs, plain("tunnel "+t.Name, t.Local, t.Remote))
	}
	return errors.Join(errs...)
}

func (r Rule) validate() error {
	if r.From == ZoneGateway {
		return fmt.Errorf("rule %s: the gateway's own connections are not filtered", r.ID)
	}
	if r.Protocol > ICMP {
		return fmt.Errorf("rule %s: unknown protocol %d", r.ID, r.Protocol)
	}
	if r.Action > Allow {
		return fmt.Errorf("rule %s: unknown action %d", r.ID, r.Action)
	}
	if len(r.Ports) > 0 && r.Protocol != TCP && r.Protocol != UDP {
		return fmt.Errorf("rule %s: ports need tcp or udp", r.ID)
	}
	for _, p := range r.Ports {
		if p.First > p.Last {
			return fmt.Errorf("rule %s: ports %d-%d are the wrong way round", r.ID, p.First, p.Last)
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
