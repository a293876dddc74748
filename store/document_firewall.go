package store

import "net/netip"

// List is a named set of addresses and networks, of any length. It holds its
// Entries and whatever its names, web addresses and countries give at the time;
// that is not part of the document.
type List struct {
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	// Entries are addresses, networks and ranges (10.1.0.20-10.1.0.29), in the
	// order of their addresses, IPv4 first. An import may give them in any order.
	Entries []AddressRange `json:"entries"`
	// Following are entries that follow the prefix of an interface.
	Following []Network `json:"following,omitempty"`
	// Names are host names, looked up again whenever an answer runs out.
	Names []string `json:"names,omitempty" jsonschema:"maxItems=500"`
	// URLs are http or https addresses of texts with one address, network or range
	// a line, fetched every RefreshMinutes: 5 to 10080, 0 means a day.
	URLs           []string `json:"urls,omitempty" jsonschema:"maxItems=32"`
	RefreshMinutes int      `json:"refresh_minutes,omitempty" jsonschema:"minimum=0,maximum=10080"`
	// Countries are codes of ISO 3166-1 as in NL; their networks are in the country
	// file that the admin gives the gateway.
	Countries []string `json:"countries,omitempty" jsonschema:"maxItems=676"`
	Note      string   `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// Service is a named protocol with its ports.
type Service struct {
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	// Protocol is tcp, udp, tcp+udp, icmp (both families' ICMP) or the numbers of
	// IP protocols, 1 to 255, with ranges: 47,50-51.
	Protocol string `json:"protocol" jsonschema:"minLength=1,maxLength=100"`
	// Ports are destination ports; empty means all. Only with tcp and udp.
	Ports []PortRange `json:"ports,omitempty"`
	// Messages are ICMP messages, see ParseMessage; empty means all. Only with
	// icmp.
	Messages []string `json:"messages,omitempty"`
	Note     string   `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// Schedule is a part of the week in the system's time zone.
type Schedule struct {
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	// Days are those on which it begins, mon to sun; empty means each.
	Days []string `json:"days,omitempty" jsonschema:"maxItems=7"`
	// From and To are times of day, as in 08:30. To may be 24:00, and before From:
	// then it ends on the next day. To itself is not in it.
	From string `json:"from" jsonschema:"pattern=^[0-2][0-9]:[0-5][0-9]$"`
	To   string `json:"to" jsonschema:"pattern=^[0-2][0-9]:[0-5][0-9]$"`
	Note string `json:"note,omitempty" jsonschema:"maxLength=1000"`
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
	// OffloadOff makes every packet meet the rules, also where the kernel could
	// pass on established connections by itself.
	OffloadOff bool `json:"offload_off,omitempty"`
	// Forwards lead connections from outside to a host inside.
	Forwards []Forward `json:"forwards,omitempty"`
	// NAT are exceptions to Masquerade; the first that matches decides.
	NAT []NAT `json:"nat,omitempty"`
	// Protection are the guards of the zone wan; left out: all of them.
	Protection Guards `json:"protection,omitzero"`
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
	// A source matches if any of these has it: networks, lists, the fixed
	// addresses of users, those of groups with their pools, the networks of
	// branches. Likewise a destination.
	Sources             []Network `json:"sources,omitempty"`
	SourceLists         []string  `json:"source_lists,omitempty"`
	SourceUsers         []string  `json:"source_users,omitempty"`
	SourceGroups        []string  `json:"source_groups,omitempty"`
	SourceBranches      []string  `json:"source_branches,omitempty"`
	Destinations        []Network `json:"destinations,omitempty"`
	DestinationLists    []string  `json:"destination_lists,omitempty"`
	DestinationUsers    []string  `json:"destination_users,omitempty"`
	DestinationGroups   []string  `json:"destination_groups,omitempty"`
	DestinationBranches []string  `json:"destination_branches,omitempty"`
	// SourceMACs are Ethernet addresses, of which the packet must come from one
	// as well; lower case.
	SourceMACs []string `json:"source_macs,omitempty"`
	// Services are names of Service objects, instead of Protocol and Ports.
	Services []string `json:"services,omitempty"`
	// Protocol is tcp, udp, icmp (both families' ICMP) or empty for any.
	Protocol string `json:"protocol,omitempty" jsonschema:"enum=,enum=tcp,enum=udp,enum=icmp"`
	// Ports are destination ports, only with tcp or udp.
	Ports []PortRange `json:"ports,omitempty"`
	// DSCP are code points of packets, 0 to 63 or names, see ParseDSCP.
	DSCP []string `json:"dscp,omitempty"`
	// Schedules are names of Schedule objects: the rule holds during any of them.
	// Empty: always.
	Schedules []string `json:"schedules,omitempty"`
	// LimitRate is how many new connections may begin in each LimitPer (second,
	// minute, hour, day), spread evenly, and LimitBurst how many may begin at once;
	// 0 means as many as LimitRate. LimitOpen is how
	// many may be open. 0 means no limit. LimitPerSource counts each source
	// address by itself. Only with allow: what is more is dropped.
	LimitRate      uint32 `json:"limit_rate,omitempty" jsonschema:"maximum=1000000"`
	LimitPer       string `json:"limit_per,omitempty" jsonschema:"enum=,enum=second,enum=minute,enum=hour,enum=day"`
	LimitBurst     uint32 `json:"limit_burst,omitempty" jsonschema:"maximum=1000000"`
	LimitOpen      uint32 `json:"limit_open,omitempty" jsonschema:"maximum=1000000"`
	LimitPerSource bool   `json:"limit_per_source,omitempty"`
	Action         Action `json:"action" jsonschema:"enum=allow,enum=reject,enum=drop"`
	Log            bool   `json:"log,omitempty"`
	Note           string `json:"note,omitempty" jsonschema:"maxLength=1000"`
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
	// To is the host inside. One that follows an interface's prefix has outside
	// addresses of its own: connections to them are let pass, nothing is
	// translated.
	To Target `json:"to"`
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
	NATOneToOne NATAction = "one-to-one" // Sources is one host or network; Address or Network is it, both ways
	NATPrefix   NATAction = "prefix"     // the same with IPv6 prefixes (NPTv6, RFC 6296)
)

// NAT changes the source of what leaves by the zone wan. Traffic into tunnels
// is never changed.
type NAT struct {
	Name    string    `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Enabled bool      `json:"enabled"`
	Action  NATAction `json:"action" jsonschema:"enum=source,enum=exempt,enum=one-to-one,enum=prefix"`
	// Sources are networks inside; with one-to-one and prefix exactly one.
	Sources []Network `json:"sources,omitempty"`
	// Destinations left out: all.
	Destinations []Network `json:"destinations,omitempty"`
	// Address is one of this gateway's own in the zone wan; with one-to-one it
	// stands for one host.
	Address netip.Addr `json:"address,omitzero"`
	// Network stands for the network of Sources, address by address, and is as
	// long; with prefix, and with one-to-one in place of Address. The provider
	// leads it to this gateway. One that follows an interface means its first
	// prefix that is valid on the internet.
	Network Network `json:"network,omitzero"`
	Note    string  `json:"note,omitempty" jsonschema:"maxLength=1000"`
}
