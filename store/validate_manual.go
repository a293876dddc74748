package store

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
)

func (c *checker) manualSA(at string, s ManualSA) {
	if s.SPI != 0 && s.SPI < 256 {
		c.bad(at+".spi", "range", "must be 256 or more; lower ones are reserved")
	}
	c.addresses(at+".source", []netip.Addr{s.Source})
	c.addresses(at+".destination", []netip.Addr{s.Destination})
	if s.Source.IsValid() && s.Destination.IsValid() && s.Source.Is4() != s.Destination.Is4() {
		c.bad(at+".destination", "family", "must be of the source's family")
	}
	if s.UDPPort != 0 && s.Protocol == "ah" {
		c.bad(at+".udp_port", "choice", "ah covers the outer addresses, so it cannot go in UDP")
	}
	switch {
	case s.Protocol == "esp" && s.Encryption == "":
		c.bad(at+".encryption", "required", "is needed with esp; null means none")
	case s.Protocol == "ah" && (s.Encryption != "" || s.EncryptionKey != ""):
		c.bad(at+".encryption", "choice", "ah does not encrypt")
	}
	c.keyOf(at+".encryption", handEncryptions, s.Encryption, s.EncryptionKey, s.Legacy)
	c.keyOf(at+".integrity", handIntegrities, s.Integrity, s.IntegrityKey, s.Legacy)
	if s.EncryptionKey != "" && s.EncryptionKey == s.IntegrityKey {
		c.bad(at+".integrity_key", "weak", "must not be the encryption key again")
	}
	switch {
	case s.ReplayWindow < 0 || s.ReplayWindow > 4096:
		c.bad(at+".replay_window", "range", "must be at most 4096 packets")
	case s.NoReplay && s.ReplayWindow != 0:
		c.bad(at+".replay_window", "choice", "there is no window without the replay check")
	case s.NoReplay && s.ESN:
		c.bad(at+".esn", "choice", "extended sequence numbers need the replay check, which finds their upper half")
	}
	c.lifetime(at, s)
}

// lifetime checks that what is due comes before the end.
func (c *checker) lifetime(at string, s ManualSA) {
	soft := false
	for _, b := range []struct {
		field      string
		soft, hard uint32
	}{{"hours", s.SoftHours, s.HardHours}, {"megabytes", s.SoftMegabytes, s.HardMegabytes}, {"packets", s.SoftPackets, s.HardPackets}} {
		soft = soft || b.soft > 0
		if b.hard > 0 && b.soft > b.hard {
			c.bad(at+".soft_"+b.field, "range", "must not be beyond the end")
		}
	}
	if s.HardHours > 1_000_000 {
		c.bad(at+".hard_hours", "range", "must be at most 1000000 hours")
	}
	if s.SoftHours > 1_000_000 {
		c.bad(at+".soft_hours", "range", "must be at most 1000000 hours")
	}
	if s.Successor != "" && !soft {
		c.bad(at+".successor", "choice", "takes over when new keys are due: say when that is")
	}
}

// keyOf checks an algorithm and its key, without showing it.
func (c *checker) keyOf(at string, all []keyed, name string, s Secret, legacy bool) {
	a, ok := algorithm(all, name)
	if !ok {
		return
	}
	if a.legacy && !legacy {
		c.bad(at, "choice", "%s can be broken; only a SA that admits broken algorithms may use it", name)
	}
	key, err := hex.DecodeString(s.Reveal())
	switch {
	case err != nil:
		c.bad(at+"_key", "format", "must be hexadecimal digits")
	case len(key) == 0 && a.key > 0:
		c.bad(at+"_key", "required", "is needed: %d hexadecimal digits (%d bits)", 2*a.key, 8*a.key)
	case len(key) != a.key:
		c.bad(at+"_key", "length", "must have %d hexadecimal digits (%d bits)", 2*a.key, 8*a.key)
	default:
		if why := weakness(name, key); why != "" {
			c.bad(at+"_key", "weak", "is no secret: %s; let the gateway make one", why)
		}
	}
}

// manual checks what concerns several SAs and policies, and this gateway's own
// addresses.
func (c *checker) manual(d Document) {
	own := map[netip.Addr]bool{}
	for _, n := range d.Interfaces {
		for _, a := range n.Addresses {
			own[a.Addr()] = true
		}
	}
	spis := map[string]bool{}
	keys := map[Secret]string{}
	for i, s := range d.ManualSAs {
		at := fmt.Sprintf("manual_sas[%d]", i)
		id := fmt.Sprintf("%s %s %d", s.Protocol, textOf(s.Destination), s.SPI)
		if s.Direction == In {
			// All that come in are for this gateway, whatever its addresses.
			id = fmt.Sprintf("%s in %d", s.Protocol, s.SPI)
		}
		c.unique(spis, at+".spi", id)
		for _, key := range []struct {
			field string
			value Secret
		}{{"encryption_key", s.EncryptionKey}, {"integrity_key", s.IntegrityKey}} {
			if other, used := keys[key.value]; used && key.value != "" && other != s.Name {
				c.bad(at+"."+key.field, "repeated", "is the key of %s already: each SA and each direction needs keys of its own", other)
			}
			keys[key.value] = s.Name
		}
		here, field := s.Source, ".source"
		if s.Direction == In {
			here, field = s.Destination, ".destination"
		}
		if s.Enabled && here.IsValid() && !own[here] {
			c.bad(at+field, "network", "%s is not one of this gateway's addresses", here)
		}
		c.successor(at, d, s)
	}
	c.policies(d)
	c.labels(d)
}

// successor checks that the SA that takes over can do so.
func (c *checker) successor(at string, d Document, s ManualSA) {
	i := manualKind.find(d.ManualSAs, s.Successor)
	if s.Successor == "" || i < 0 {
		return
	}
	next := d.ManualSAs[i]
	if next.Name == s.Name || next.Successor == s.Name {
		c.bad(at+".successor", "choice", "%s cannot follow itself", s.Name)
	}
	if next.Direction != s.Direction || next.Protocol != s.Protocol || next.Mode != s.Mode || next.Source != s.Source || next.Destination != s.Destination {
		c.bad(at+".successor", "choice", "%s must have the same direction, protocol, mode and addresses", next.Name)
	}
	if s.Enabled && !next.Enabled {
		c.bad(at+".successor", "choice", "%s is switched off", next.Name)
	}
}

// policies checks policies together with their SAs.
func (c *checker) policies(d Document) {
	taken := map[string]string{}
	for i, p := range d.Policies {
		at := fmt.Sprintf("policies[%d]", i)
		seen := map[string]bool{}
		for j, name := range p.SAs {
			field := fmt.Sprintf("%s.sas[%d]", at, j)
			k := manualKind.find(d.ManualSAs, name)
			if k < 0 {
				continue
			}
			s := d.ManualSAs[k]
			if s.Direction != p.Direction {
				c.bad(field, "choice", "%s is for the other direction", name)
			}
			if p.Enabled && !s.Enabled {
				c.bad(field, "choice", "%s is switched off", name)
			}
			if other := taken[name]; other != "" && p.Enabled {
				c.bad(field, "repeated", "%s serves the policy %s already; one policy can have several networks", name, other)
			}
			if p.Enabled {
				taken[name] = p.Name
			}
			if seen[s.Protocol] {
				c.bad(field, "repeated", "there is an SA of %s already; a bundle is ah around esp", s.Protocol)
			}
			seen[s.Protocol] = true
			if s.Protocol == "esp" && j > 0 {
				c.bad(field, "choice", "esp is inside of ah, so it comes first")
			}
			if j > 0 && s.Mode == "tunnel" {
				c.bad(field, "choice", "only the innermost SA can be of tunnel mode")
			}
			if s.UDPPort != 0 && len(p.SAs) > 1 {
				c.bad(field, "choice", "what goes in UDP cannot be within ah")
			}
			if s.Mode == "transport" && j == 0 {
				c.transport(at, p, s)
			}
		}
	}
}

// transport checks that a policy of transport mode speaks of the hosts that its
// SA is between.
func (c *checker) transport(at string, p Policy, s ManualSA) {
	if len(p.SourceUsers)+len(p.SourceGroups)+len(p.DestinationUsers)+len(p.DestinationGroups) > 0 {
		c.bad(at+".source_users", "choice", "transport mode is between hosts, not users")
	}
	for _, side := range []struct {
		field string
		all   []AddressRange
		want  netip.Addr
	}{{".sources", p.Sources, s.Source}, {".destinations", p.Destinations, s.Destination}} {
		if only := (AddressRange{side.want, side.want}); side.want.IsValid() && !slices.Equal(side.all, []AddressRange{only}) {
			c.bad(at+side.field, "choice", "transport mode is between hosts: must be %s, as in %s", side.want, s.Name)
		}
	}
}

func (c *checker) policy(at string, p Policy) {
	if len(p.Sources) > 0 && len(p.Destinations) > 0 && !shareFamilyOf(p.Sources, p.Destinations) {
		c.bad(at+".destinations", "family", "sources and destinations have no address family in common")
	}
	c.codePoints(at+".dscp", p.DSCP)
	for i, l := range p.FlowLabels {
		if l > 0xfffff || l == 0 {
			c.bad(fmt.Sprintf("%s.flow_labels[%d]", at, i), "range", "must be 1 to 1048575")
		}
	}
	for i, r := range p.SourcePorts {
		c.portRange(fmt.Sprintf("%s.source_ports[%d]", at, i), r)
	}
	if len(p.SourcePorts) > 0 && len(p.Services) == 0 {
		c.bad(at+".source_ports", "choice", "ports belong to services of tcp and udp: name one")
	}
	far, people, field := p.Destinations, len(p.DestinationUsers)+len(p.DestinationGroups), ".destinations"
	if p.Direction == In {
		far, people, field = p.Sources, len(p.SourceUsers)+len(p.SourceGroups), ".sources"
	}
	switch {
	case p.Protection == Protect && len(p.SAs) == 0:
		c.bad(at+".sas", "required", "protect needs an SA")
	case p.Protection != Protect && len(p.SAs) > 0:
		c.bad(at+".sas", "choice", "only with protect")
	case len(p.SAs) > 2:
		c.bad(at+".sas", "length", "at most two: ah around esp")
	}
	if p.Protection == Protect && len(far)+people == 0 {
		c.bad(at+field, "required", "is needed: the routes into the tunnel follow from it")
	}
	if p.Protection == Bypass && len(p.SourceUsers)+len(p.SourceGroups)+len(p.DestinationUsers)+len(p.DestinationGroups)+len(p.Labels) > 0 {
		c.bad(at+".labels", "choice", "what goes past IPsec is told apart by the routes, so not by users, groups or labels")
	}
	if p.Protection == Bypass && len(p.Services)+len(p.DSCP)+len(p.FlowLabels) > 0 {
		c.bad(at+".services", "choice", "what goes past IPsec is told apart by the routes, so by addresses only")
	}
	near := p.Sources
	if p.Direction == In {
		near = p.Destinations
	}
	if p.Protection == Bypass && len(near) > 0 {
		c.bad(at+".protection", "choice", "what goes past IPsec is told apart by the addresses on the other side only")
	}
	if p.Protection == Bypass && len(far) == 0 {
		c.bad(at+field, "required", "is needed with bypass: the routes follow from it")
	}
}

func shareFamilyOf(a, b []AddressRange) bool {
	return slices.ContainsFunc(a, func(x AddressRange) bool {
		return slices.ContainsFunc(b, func(y AddressRange) bool { return x.First.Is4() == y.First.Is4() })
	})
}
