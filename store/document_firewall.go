package store

import "net/netip"

// List is a named set of addresses and networks, of any length.
type List struct {
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	// Entries are addresses, networks and ranges (10.1.0.20-10.1.0.29), in the
	// order of their addresses, IPv4 first. An import may give them in any order.
	Entries []AddressRange `json:"entries"`
	Note    string         `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// Service is a named protocol with its ports.
type Service struct {
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	// Protocol is tcp, udp, tcp+udp, icmp (both families' ICMP) or the number of
	// an IP protocol, 1 to 255.
	Protocol string `json:"protocol" jsonschema:"minLength=1,maxLength=7"`
	// Ports are destination ports; empty means all. Only with tcp and udp.
	Ports []PortRange `json:"ports,omitempty"`
	Note  string      `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// Action is what happens to a new connection.
type Action string

// The actions.
const (
	Allow  Action = "allow"
	Reject Action = "reject"
	Drop   Action = "drop"
)

// Firewall is the perimeter: a matrix of defaults and ordered exceptions.
// Whatever neither names is dropped.
type Firewall struct {
	// Defaults say what happens between two zones when no rule decides.
	Defaults []ZoneDefault `json:"defaults,omitempty"`
	// Rules are exceptions; the first that matches decides.
	Rules []Rule `json:"rules,omitempty"`
	// Masquerade hides all networks but those of wan and vpn behind the address
	// of the wan interface, IPv4 only.
	Masquerade bool `json:"masquerade"`
	// Forwards lead connections from outside to a host inside.
	Forwards []Forward `json:"forwards,omitempty"`
	// NAT are exceptions to Masquerade; the first that matches decides.
	NAT []NAT `json:"nat,omitempty"`
}

// ZoneDefault is one cell of the zone matrix. From wan nothing may be allowed
// as a default; use a rule.
type ZoneDefault struct {
	From Zone `json:"from" jsonschema:"minLength=1,maxLength=20"`
	// To is a zone, or "gateway" for this gateway itself.
	To     Zone   `json:"to" jsonschema:"minLength=1,maxLength=20"`
	Action Action `json:"action" jsonschema:"enum=allow,enum=reject,enum=drop"`
}

// Rule is an exception to the matrix. An empty list or zero field means any.
type Rule struct {
	// Name is unique and appears in the log; lower case letters, digits and
	// '-', at most 40 bytes.
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	From Zone   `json:"from" jsonschema:"minLength=1,maxLength=20"`
	// To is a zone, or "gateway" for traffic to this gateway itself.
	To Zone `json:"to" jsonschema:"minLength=1,maxLength=20"`
	// Disabled keeps the rule without it having any effect.
	Disabled bool `json:"disabled,omitempty"`
	// A source matches if Sources has it or one of SourceLists.
	Sources          []netip.Prefix `json:"sources,omitempty"`
	SourceLists      []string       `json:"source_lists,omitempty"`
	Destinations     []netip.Prefix `json:"destinations,omitempty"`
	DestinationLists []string       `json:"destination_lists,omitempty"`
	// Services are names of Service objects, instead of Protocol and Ports.
	Services []string `json:"services,omitempty"`
	// Protocol is tcp, udp, icmp (both families' ICMP) or empty for any.
	Protocol string `json:"protocol,omitempty" jsonschema:"enum=,enum=tcp,enum=udp,enum=icmp"`
	// Ports are destination ports, only with tcp or udp.
	Ports  []PortRange `json:"ports,omitempty"`
	Action Action      `json:"action" jsonschema:"enum=allow,enum=reject,enum=drop"`
	Log    bool        `json:"log,omitempty"`
	Note   string      `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// ZoneGateway stands for the gateway itself as the target of a Rule.
const ZoneGateway Zone = "gateway"

// PortRange is an inclusive range of ports; First == Last for a single one.
type PortRange struct {
	First uint16 `json:"first" jsonschema:"minimum=1,maximum=65535"`
	Last  uint16 `json:"last" jsonschema:"minimum=1,maximum=65535"`
}

// Forward leads connections that arrive at one of this gateway's outside
// addresses to a host inside, and lets them pass. Clients inside that use the
// outside address reach the host too (hairpin).
type Forward struct {
	Name    string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Enabled bool   `json:"enabled"`
	// Address is the outside address, one of this gateway's own; left out: all
	// of the zone wan, of the family of To.
	Address netip.Addr `json:"address,omitzero"`
	// Protocol is tcp, udp or tcp+udp.
	Protocol string `json:"protocol" jsonschema:"enum=tcp,enum=udp,enum=tcp+udp"`
	// Ports are the outside ports, one or a range.
	Ports PortRange `json:"ports"`
	// To is the host inside.
	To netip.Addr `json:"to"`
	// ToPort is the first port there; 0 means the same as outside. A range
	// keeps its length.
	ToPort uint16 `json:"to_port,omitempty"`
	// Sources and SourceLists limit who may come; both empty: anybody.
	Sources     []netip.Prefix `json:"sources,omitempty"`
	SourceLists []string       `json:"source_lists,omitempty"`
	Log         bool           `json:"log,omitempty"`
	Note        string         `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// NATAction is what a NAT entry does.
type NATAction string

// The actions of NAT.
const (
	NATSource   NATAction = "source"     // leave under the address Address
	NATExempt   NATAction = "exempt"     // leave as it came
	NATOneToOne NATAction = "one-to-one" // Sources is one host; Address is it, both ways
)

// NAT changes the source of what leaves by the zone wan. Traffic into tunnels
// is never changed.
type NAT struct {
	Name    string    `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Enabled bool      `json:"enabled"`
	Action  NATAction `json:"action" jsonschema:"enum=source,enum=exempt,enum=one-to-one"`
	// Sources are networks inside; with one-to-one exactly one address.
	Sources []netip.Prefix `json:"sources,omitempty"`
	// Destinations left out: all.
	Destinations []netip.Prefix `json:"destinations,omitempty"`
	// Address is one of this gateway's own in the zone wan.
	Address netip.Addr `json:"address,omitzero"`
	Note    string     `json:"note,omitempty" jsonschema:"maxLength=1000"`
}
