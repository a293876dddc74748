package store

import (
	"encoding/hex"
	"fmt"
)

// Lengths of keys in bytes.
var (
	encryptionKeys = map[string]int{"aes128-cbc": 16, "aes256-cbc": 32, "null": 0}
	integrityKeys  = map[string]int{"hmac-sha256": 32, "hmac-sha384": 48, "hmac-sha512": 64}
)

func (c *checker) manualSA(at string, s ManualSA) {
	if s.SPI != 0 && s.SPI < 256 {
		c.bad(at+".spi", "range", "must be 256 or more; lower ones are reserved")
	}
	if s.Source.IsValid() && s.Destination.IsValid() && s.Source.Is4() != s.Destination.Is4() {
		c.bad(at+".destination", "family", "must be of the source's family")
	}
	switch {
	case s.Protocol == "esp" && s.Encryption == "":
		c.bad(at+".encryption", "required", "is needed with esp; null means none")
	case s.Protocol == "ah" && (s.Encryption != "" || s.EncryptionKey != ""):
		c.bad(at+".encryption", "choice", "ah does not encrypt")
	}
	if length, ok := encryptionKeys[s.Encryption]; ok {
		c.key(at+".encryption_key", s.EncryptionKey, length)
	}
	if length, ok := integrityKeys[s.Integrity]; ok {
		c.key(at+".integrity_key", s.IntegrityKey, length)
	}
	if s.ReplayWindow < 0 || s.ReplayWindow > 4096 {
		c.bad(at+".replay_window", "range", "must be at most 4096 packets")
	}
}

// key checks a key's form and length without showing it.
func (c *checker) key(at string, s Secret, length int) {
	b, err := hex.DecodeString(s.Reveal())
	switch {
	case err != nil:
		c.bad(at, "format", "must be hexadecimal digits")
	case len(b) == 0 && length > 0:
		c.bad(at, "required", "is needed: %d hexadecimal digits", 2*length)
	case len(b) != length:
		c.bad(at, "length", "must have %d hexadecimal digits", 2*length)
	}
}

func (c *checker) policy(at string, p Policy) {
	c.networks(at+".sources", p.Sources)
	c.networks(at+".destinations", p.Destinations)
	if len(p.Sources) > 0 && len(p.Destinations) > 0 && !shareFamily(p.Sources, p.Destinations) {
		c.bad(at+".destinations", "family", "sources and destinations have no address family in common")
	}
	switch {
	case p.Protection == Protect && len(p.SAs) == 0:
		c.bad(at+".sas", "required", "protect needs an SA")
	case p.Protection != Protect && len(p.SAs) > 0:
		c.bad(at+".sas", "choice", "only with protect")
	}
}

func (c *checker) group(at string, g Group) {
	c.networks(at+".pools", g.Pools)
	families := map[bool]bool{}
	for i, p := range g.Pools {
		if families[p.Addr().Is4()] {
			c.bad(fmt.Sprintf("%s.pools[%d]", at, i), "repeated", "a second network of the same family")
		}
		families[p.Addr().Is4()] = true
	}
	c.networks(at+".networks", g.Networks)
	c.addresses(at+".dns", g.DNS)
	for i, d := range g.Domains {
		if !isName(d) {
			c.bad(fmt.Sprintf("%s.domains[%d]", at, i), "format", "must be a domain, as in office.example")
		}
	}
}

// services checks what this gateway serves against its networks, and what must
// be unique across objects.
func (c *checker) services(d Document) {
	ports := map[string]Interface{}
	for _, n := range d.Interfaces {
		ports[n.Name] = n
	}
	for i, s := range d.DHCP {
		at := fmt.Sprintf("dhcp[%d]", i)
		n := ports[s.Interface]
		if n.Zone == ZoneWAN {
			c.bad(at+".interface", "choice", "this gateway hands out no addresses towards the internet")
		}
		inside := false
		for _, a := range n.Addresses {
			inside = inside || a.Contains(s.First) && a.Contains(s.Last)
		}
		if n.Name != "" && s.First.IsValid() && s.Last.IsValid() && !inside {
			c.bad(at+".first", "network", "both must be in one network of interface %s", s.Interface)
		}
	}
	macs, addresses := map[string]bool{}, map[string]bool{}
	for i, r := range d.Reservations {
		at := fmt.Sprintf("reservations[%d]", i)
		c.unique(macs, at+".mac", r.MAC)
		c.unique(addresses, at+".address", textOf(r.Address))
	}
	if d.DNS.Domain != "" && !isName(d.DNS.Domain) {
		c.bad("dns.domain", "format", "must be a domain, as in office.example")
	}
	c.addresses("dns.upstreams", d.DNS.Upstreams)
	spis := map[string]bool{}
	for i, s := range d.ManualSAs {
		c.unique(spis, fmt.Sprintf("manual_sas[%d].spi", i), fmt.Sprintf("%s %s %d", s.Protocol, textOf(s.Destination), s.SPI))
	}
}
