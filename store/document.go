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
	Interfaces []Interface `json:"interfaces"`
	Routes     []Route     `json:"routes,omitempty"`
	Firewall   Firewall    `json:"firewall"`
	Branches   []Branch    `json:"branches,omitempty"`
}

// System holds what belongs to the box itself.
type System struct {
	// Name is the gateway's host name, a single DNS label.
	Name string `json:"name" jsonschema:"pattern=^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$,maxLength=63"`
}

// Zone is the role of an interface. The zone "vpn" has no interface of its
// own: it is everything that arrives through ipsec0.
type Zone string

// The zones of this version.
const (
	ZoneWAN Zone = "wan"
	ZoneLAN Zone = "lan"
	ZoneVPN Zone = "vpn"
)

// Interface is one network port and its addresses.
type Interface struct {
	// Name is the admin's word for it ("office"), unique.
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	// Device is the kernel's name ("eth0"), at most 15 bytes, unique.
	Device string `json:"device" jsonschema:"minLength=1,maxLength=15"`
	// Zone is wan or lan.
	Zone Zone `json:"zone" jsonschema:"enum=wan,enum=lan"`
	// Addresses are this gateway's own, each with its network's length,
	// as in 10.1.0.1/24.
	Addresses []netip.Prefix `json:"addresses" jsonschema:"minItems=1"`
	// Gateways are the next hops of the default routes, at most one for each
	// family, each inside one of Addresses. Only for zone wan.
	Gateways []netip.Addr `json:"gateways,omitempty" jsonschema:"maxItems=2"`
	// MTU in bytes, 1280 to 9000; 0 leaves the device as it is.
	MTU int `json:"mtu,omitempty" jsonschema:"minimum=0,maximum=9000"`
}

// Route is a static route.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	// Via is a next hop inside a network of one of the interfaces.
	Via netip.Addr `json:"via"`
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
	// Masquerade hides lan networks behind the address of the wan interface,
	// IPv4 only.
	Masquerade bool `json:"masquerade"`
}

// ZoneDefault is one cell of the zone matrix. From wan nothing may be allowed
// as a default; use a rule.
type ZoneDefault struct {
	From   Zone   `json:"from" jsonschema:"enum=wan,enum=lan,enum=vpn"`
	To     Zone   `json:"to" jsonschema:"enum=wan,enum=lan,enum=vpn,enum=gateway"`
	Action Action `json:"action" jsonschema:"enum=allow,enum=reject,enum=drop"`
}

// Rule is an exception to the matrix. An empty list or zero field means any.
type Rule struct {
	// Name is unique and appears in the log; lower case letters, digits and
	// '-', at most 40 bytes.
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	From Zone   `json:"from" jsonschema:"enum=wan,enum=lan,enum=vpn"`
	// To is a zone, or "gateway" for traffic to this gateway itself.
	To           Zone           `json:"to" jsonschema:"enum=wan,enum=lan,enum=vpn,enum=gateway"`
	Sources      []netip.Prefix `json:"sources,omitempty"`
	Destinations []netip.Prefix `json:"destinations,omitempty"`
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

// Start says who begins a branch's tunnel.
type Start string

// The start modes.
const (
	StartAlways Start = "always" // this gateway keeps the tunnel up
	StartAnswer Start = "answer" // the other side calls
)

// Branch is another office, connected by one IPsec tunnel.
type Branch struct {
	// Name is unique; lower case letters, digits and '-', at most 40 bytes.
	Name    string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Enabled bool   `json:"enabled"`
	// Peer is the other gateway's address or DNS name; empty means that it
	// calls from anywhere, which needs Start "answer".
	Peer  string `json:"peer,omitempty"`
	Start Start  `json:"start" jsonschema:"enum=always,enum=answer"`
	// LocalNetworks and RemoteNetworks are what the tunnel joins. At least one
	// each, of matching families.
	LocalNetworks  []netip.Prefix `json:"local_networks" jsonschema:"minItems=1"`
	RemoteNetworks []netip.Prefix `json:"remote_networks" jsonschema:"minItems=1"`
	// LocalID and RemoteID are IKE identities: an IP address, a DNS name or a
	// mail address. Empty LocalID means the WAN address in use; empty RemoteID
	// means the peer's address.
	LocalID  string `json:"local_id,omitempty"`
	RemoteID string `json:"remote_id,omitempty"`
	// PSK is the pre-shared key, 8 to 128 bytes. Left out of an export; an
	// import without it keeps the key stored for the branch of this name.
	PSK Secret `json:"psk,omitempty" jsonschema:"maxLength=128,writeOnly=true"`
	// IKEProposals and ESPProposals are suites such as aes256gcm16-x25519 or
	// aes256-sha256-modp2048, the best first. Empty means the defaults.
	// See SuiteNames.
	IKEProposals []string `json:"ike_proposals,omitempty"`
	ESPProposals []string `json:"esp_proposals,omitempty"`
	// RekeySeconds is the lifetime of a child SA, 5 to 86400; 0 means 3600.
	RekeySeconds int `json:"rekey_seconds,omitempty" jsonschema:"minimum=0,maximum=86400"`
	// DPDSeconds is how long a silent peer is believed, 2 to 3600; 0 means 30.
	DPDSeconds int    `json:"dpd_seconds,omitempty" jsonschema:"minimum=0,maximum=3600"`
	Note       string `json:"note,omitempty" jsonschema:"maxLength=1000"`
}
