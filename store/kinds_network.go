package store

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// settings are the parts of a document of which there is one each.
type settings struct {
	Name       string       `json:"name"`
	TimeZone   string       `json:"time_zone,omitempty"`
	Masquerade bool         `json:"masquerade"`
	OffloadOff bool         `json:"offload_off,omitempty"`
	DNSEnabled bool         `json:"dns_enabled,omitempty"`
	DNSDomain  string       `json:"dns_domain,omitempty"`
	Upstreams  []netip.Addr `json:"dns_upstreams,omitempty"`
}

// theSettings is the name of the one object of its kind.
const theSettings = "settings"

var settingsKind = (&kind[settings]{
	info: KindInfo{Name: "settings", Plural: "settings", Title: "Settings", Area: AreaNetwork, Single: true,
		Help: "The gateway's name, its time zone, masquerading and its name server."},
	table: "settings",
	path:  "settings",
	key:   func(*settings) string { return theSettings },
	get: func(d *Document) []settings {
		return []settings{{d.System.Name, d.System.TimeZone, d.Firewall.Masquerade, d.Firewall.OffloadOff, d.DNS.Enabled, d.DNS.Domain, d.DNS.Upstreams}}
	},
	set: func(d *Document, all []settings) {
		for _, s := range all {
			d.System, d.DNS = System{s.Name, s.TimeZone}, DNS{s.DNSEnabled, s.DNSDomain, s.Upstreams}
			d.Firewall.Masquerade, d.Firewall.OffloadOff = s.Masquerade, s.OffloadOff
		}
	},
	summary: func(s *settings) string { return s.Name },
	compare: settingChanges,
	elsewhere: map[string]string{
		"system.name": "name", "system.time_zone": "time_zone", "dns.domain": "dns_domain", "dns.upstreams": "dns_upstreams",
	},
	fields: []field[settings]{
		of("name", "the gateway's name", func(s *settings) any { return &s.Name }),
		of("time_zone", "the time zone", func(s *settings) any { return &s.TimeZone }).
			help("What schedules go by, as in Europe/London; empty means UTC."),
		of("masquerade", "masquerading", func(s *settings) any { return &s.Masquerade }).
			help("The office appears on the internet under the gateway's address."),
		of("offload_off", "no flow offload", func(s *settings) any { return &s.OffloadOff }).
			help("Every packet meets the rules. Otherwise the kernel passes on by itself what belongs to an allowed connection, which costs about half; never what goes through a tunnel."),
		of("dns_enabled", "the name server", func(s *settings) any { return &s.DNSEnabled }).
			help("This version keeps it and does not serve it yet."),
		of("dns_domain", "the office's domain", func(s *settings) any { return &s.DNSDomain }).help("As in office.example."),
		of("dns_upstreams", "the name servers it asks", func(s *settings) any { return &s.Upstreams }).help("Addresses, one a line."),
	},
}).finish()

func settingChanges(old, new Document) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if old.System.Name != new.System.Name {
		say("The gateway is now called %s (was %s).", new.System.Name, old.System.Name)
	}
	if was, is := cmp.Or(old.System.TimeZone, "UTC"), cmp.Or(new.System.TimeZone, "UTC"); was != is {
		say("Schedules now go by the time of %s (was %s).", is, was)
	}
	if old.Firewall.Masquerade != new.Firewall.Masquerade {
		if new.Firewall.Masquerade {
			say("The office now appears on the internet under the gateway's address.")
		} else {
			say("The office no longer appears under the gateway's address.")
		}
	}
	if old.Firewall.OffloadOff != new.Firewall.OffloadOff {
		if new.Firewall.OffloadOff {
			say("Every packet now meets the rules: flow offload is off.")
		} else {
			say("The kernel now passes on allowed connections by itself: flow offload is on.")
		}
	}
	if old.DNS.Enabled != new.DNS.Enabled {
		say("This gateway's name server is now %s.", map[bool]string{true: "on", false: "off"}[new.DNS.Enabled])
	}
	if old.DNS.Domain != new.DNS.Domain {
		say("The office's domain is now %s (was %s).", orNothing(new.DNS.Domain), orNothing(old.DNS.Domain))
	}
	if !slices.Equal(old.DNS.Upstreams, new.DNS.Upstreams) {
		say("The name servers asked for everything else are now %s (were %s).",
			orNothing(list(new.DNS.Upstreams)), orNothing(list(old.DNS.Upstreams)))
	}
	return out
}

var zoneKind = within(kind[NamedZone]{
	info:  KindInfo{Name: "zone", Area: AreaFirewall, Plural: "zones", Title: "Zone", Help: "A part of the network with rules of its own, such as guests or cameras."},
	table: "zones",
	tail:  "WHERE builtin = 0 ORDER BY position",
	key:   func(z *NamedZone) string { return string(z.Name) },
	fields: []field[NamedZone]{
		of("name", "", func(z *NamedZone) any { return &z.Name }).required(),
		of("manage", "access to this page", func(z *NamedZone) any { return &z.Manage }).
			help("This page can be reached from here, whatever the rules say."),
		of("branches", "the branches", func(z *NamedZone) any { return &z.Branches }).refs("branch").
			help("What is behind these tunnels, instead of ports."),
		of("groups", "the groups", func(z *NamedZone) any { return &z.Groups }).refs("group").
			help("Remote users of these groups, instead of ports."),
		noted(func(z *NamedZone) any { return &z.Note }),
	},
	check: func(c *checker, at string, z NamedZone) {
		if zoneWords[z.Name] != "" {
			c.bad(at+".name", "reserved", "the zone %s always exists", z.Name)
		}
		if len(z.Name) > maxZone {
			c.bad(at+".name", "length", "at most %d letters", maxZone)
		}
	},
}, "zones", func(d *Document) *[]NamedZone { return &d.Zones })

var interfaceKind = within(kind[Interface]{
	info:  KindInfo{Name: "interface", Area: AreaNetwork, Plural: "interfaces", Title: "Interface", Help: "A network port and its addresses."},
	table: "interfaces",
	key:   func(n *Interface) string { return n.Name },
	summary: func(n *Interface) string {
		return fmt.Sprintf("(%s, %s, %s)", n.Device, n.Zone, list(n.Addresses))
	},
	fields: []field[Interface]{
		of("name", "", func(n *Interface) any { return &n.Name }).required(),
		of("device", "the device", func(n *Interface) any { return &n.Device }).required().help("The kernel's name of the port, such as eth0."),
		of("zone", "the zone", func(n *Interface) any { return &n.Zone }).required().refs("zone").
			help("What is behind this port: wan is the internet, lan the office."),
		of("addresses", "the address", func(n *Interface) any { return &n.Addresses }).
			help("This gateway's own, with the network's length, as in 10.1.0.1/24."),
		of("gateways", "the gateway", func(n *Interface) any { return &n.Gateways }).help("The provider's router; only in the zone wan."),
		of("mtu", "the MTU", func(n *Interface) any { return &n.MTU }).help("In bytes, 1280 to 9000; empty leaves the port as it is."),
		of("reverse_path", "the check of sources", func(n *Interface) any { return &n.ReversePath }).
			choices(ReversePathStrict, ReversePathLoose, ReversePathOff).
			help("strict: only sources that are reached by this port. loose: that are reached at all. Empty means strict, or loose with several ports to the internet."),
	},
}, "interfaces", func(d *Document) *[]Interface { return &d.Interfaces })

var routeKind = within(kind[Route]{
	info:    KindInfo{Name: "route", Area: AreaNetwork, Plural: "routes", Title: "Route to", Help: "A network behind another router of the office."},
	table:   "routes",
	key:     func(r *Route) string { return textOf(r.Destination) },
	summary: func(r *Route) string { return "via " + r.Via.String() },
	fields: []field[Route]{
		of("destination", "", func(r *Route) any { return &r.Destination }).required(),
		of("via", "the next hop", func(r *Route) any { return &r.Via }).required().help("An address in one of this gateway's networks."),
	},
}, "routes", func(d *Document) *[]Route { return &d.Routes })

var dhcpKind = within(kind[DHCP]{
	info:    KindInfo{Name: "dhcp", Heading: "DHCP", Area: AreaNetwork, Idle: idleServices, Plural: "dhcp", Title: "Addresses for", Help: "Addresses that this gateway hands out on one of its ports."},
	table:   "dhcp",
	key:     func(d *DHCP) string { return d.Interface },
	summary: func(d *DHCP) string { return fmt.Sprintf("(%s to %s)", d.First, d.Last) },
	fields: []field[DHCP]{
		of("interface", "", func(d *DHCP) any { return &d.Interface }).required().refs("interface"),
		of("enabled", "handing out", func(d *DHCP) any { return &d.Enabled }),
		of("first", "the first address", func(d *DHCP) any { return &d.First }).required(),
		of("last", "the last address", func(d *DHCP) any { return &d.Last }).required(),
		of("lease_seconds", "the lease time", func(d *DHCP) any { return &d.LeaseSeconds }).in("seconds").help("120 to 604800 seconds; empty means 12 hours."),
		of("dns", "the name servers handed out", func(d *DHCP) any { return &d.DNS }).help("Empty means this gateway."),
	},
	check: func(c *checker, at string, d DHCP) {
		c.between(at+".lease_seconds", d.LeaseSeconds, minLease, maxLease, "seconds")
		if d.First.IsValid() && d.Last.IsValid() && (!d.First.Is4() || !d.Last.Is4() || d.Last.Less(d.First)) {
			c.bad(at+".last", "range", "must be an IPv4 address that is not before the first")
		}
	},
}, "dhcp", func(d *Document) *[]DHCP { return &d.DHCP })

var reservationKind = within(kind[Reservation]{
	info:    KindInfo{Name: "reservation", Heading: "Address reservations", Area: AreaNetwork, Idle: idleServices, Plural: "reservations", Title: "Reservation", Help: "A machine that always gets the same address."},
	table:   "reservations",
	key:     func(r *Reservation) string { return r.Name },
	summary: func(r *Reservation) string { return fmt.Sprintf("(%s, %s)", r.MAC, r.Address) },
	fields: []field[Reservation]{
		of("name", "", func(r *Reservation) any { return &r.Name }).required(),
		of("mac", "the hardware address", func(r *Reservation) any { return &r.MAC }).required().help("As in 02:00:5e:10:00:01."),
		of("address", "the address", func(r *Reservation) any { return &r.Address }).required(),
		noted(func(r *Reservation) any { return &r.Note }),
	},
	check: func(c *checker, at string, r Reservation) {
		if !macPattern.MatchString(r.MAC) {
			c.bad(at+".mac", "format", "must be six bytes in lower case, as in 02:00:5e:10:00:01")
		}
		if r.Address.IsValid() && !r.Address.Is4() {
			c.bad(at+".address", "family", "must be an IPv4 address")
		}
	},
}, "reservations", func(d *Document) *[]Reservation { return &d.Reservations })

var hostKind = within(kind[Host]{
	info:    KindInfo{Name: "host", Heading: "Host names", Area: AreaNetwork, Idle: idleServices, Plural: "hosts", Title: "Host", Help: "A fixed name in the office's domain."},
	table:   "hosts",
	key:     func(h *Host) string { return h.Name },
	summary: func(h *Host) string { return "(" + list(h.Addresses) + ")" },
	fields: []field[Host]{
		of("name", "", func(h *Host) any { return &h.Name }).required(),
		of("addresses", "the addresses", func(h *Host) any { return &h.Addresses }).required(),
		noted(func(h *Host) any { return &h.Note }),
	},
	check: func(c *checker, at string, h Host) { c.addresses(at+".addresses", h.Addresses) },
}, "hosts", func(d *Document) *[]Host { return &d.Hosts })
