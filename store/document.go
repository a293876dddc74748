package store

import "net/netip"

// DocumentVersion is the version of the configuration document this build
// reads and writes.
const DocumentVersion = 1

// Document is the whole configuration in its canonical typed form: what
// `config export` prints, `config import` reads and a Revision stores.
// Lists keep their order; names are unique within their list.
type Document struct {
	Version    int         `json:"version" jsonschema:"enum=1"`
	System     System      `json:"system"`
	Zones      []NamedZone `json:"zones,omitempty"`
	Interfaces []Interface `json:"interfaces"`
	Routes     []Route     `json:"routes,omitempty"`
	// Lists and Services are what rules name instead of repeating it.
	Lists     []List     `json:"lists,omitempty"`
	Services  []Service  `json:"services,omitempty"`
	Schedules []Schedule `json:"schedules,omitempty"`
	Firewall  Firewall   `json:"firewall"`
	Branches  []Branch   `json:"branches,omitempty"`
	// Children are what branches carry beside their own networks.
	Children []Child `json:"children,omitempty"`
	// ManualSAs and Policies are the entries of the SAD and the SPD that an
	// admin keys and orders by hand (RFC 4301 4.4).
	ManualSAs []ManualSA `json:"manual_sas,omitempty"`
	Policies  []Policy   `json:"policies,omitempty"`
	Labels    []Label    `json:"labels,omitempty"`
	// Groups say what remote users get and may reach.
	Groups       []Group       `json:"groups,omitempty"`
	DHCP         []DHCP        `json:"dhcp,omitempty"`
	Reservations []Reservation `json:"reservations,omitempty"`
	DNS          DNS           `json:"dns,omitzero"`
	Hosts        []Host        `json:"hosts,omitempty"`
}

// System holds what belongs to the box itself.
type System struct {
	// Name is the gateway's host name, a single DNS label.
	Name string `json:"name" jsonschema:"pattern=^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$,maxLength=63"`
	// TimeZone is what schedules go by, as IANA names it (Europe/London); left
	// out: UTC.
	TimeZone string `json:"time_zone,omitempty" jsonschema:"maxLength=64"`
}

// Zone names a zone: one of those below, which always exist, or a NamedZone.
// The zone "vpn" has no interface of its own: it is everything that arrives
// through ipsec0.
type Zone string

// The zones that always exist.
const (
	ZoneWAN Zone = "wan"
	ZoneLAN Zone = "lan"
	ZoneVPN Zone = "vpn"
)

// NamedZone is a zone of the admin's beside the built-in ones ("guest").
type NamedZone struct {
	Name Zone `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=20"`
	// Manage says that this gateway's page and SSH can be reached from here,
	// whatever the rules say. The zone lan always can.
	Manage bool `json:"manage,omitempty"`
	// Branches and Groups are what is in the zone instead of interfaces: networks
	// behind tunnels and remote users. Without them they are in the zone vpn.
	Branches []string `json:"branches,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	Note     string   `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// Manages says whether this gateway's page can be reached from a zone.
func (d Document) Manages(zone Zone) bool {
	if zone == ZoneLAN {
		return true
	}
	for _, z := range d.Zones {
		if z.Name == zone {
			return z.Manage
		}
	}
	return false
}

// Interface is one network port and its addresses.
type Interface struct {
	// Name is the admin's word for it ("office"), unique.
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	// Device is the kernel's name ("eth0"), at most 15 bytes, unique.
	Device string `json:"device" jsonschema:"minLength=1,maxLength=15"`
	// Zone is wan, lan or a NamedZone.
	Zone Zone `json:"zone" jsonschema:"minLength=1,maxLength=20"`
	// Addresses are this gateway's own, each with its network's length,
	// as in 10.1.0.1/24.
	Addresses []netip.Prefix `json:"addresses" jsonschema:"minItems=1"`
	// Gateways are the next hops of the default routes, at most one for each
	// family, each inside one of Addresses. Only for zone wan.
	Gateways []netip.Addr `json:"gateways,omitempty" jsonschema:"maxItems=2"`
	// MTU in bytes, 1280 to 9000; 0 leaves the device as it is.
	MTU int `json:"mtu,omitempty" jsonschema:"minimum=0,maximum=9000"`
	// ReversePath is how the source of a packet must relate to this interface:
	// strict, loose or off. Left out: strict, and on wan with several of them
	// loose. Not of the zone wan, strict allows the networks of this interface and
	// loose all networks behind this gateway.
	ReversePath string `json:"reverse_path,omitempty" jsonschema:"enum=,enum=strict,enum=loose,enum=off"`
}

// Route is a static route.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	// Via is a next hop inside a network of one of the interfaces.
	Via netip.Addr `json:"via"`
}
