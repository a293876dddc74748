package store

import "net/netip"

// Direction is which way an SA or a policy goes, seen from this gateway.
type Direction string

// The directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// ManualSA is a security association keyed by hand (RFC 4301 4.5.1): one
// direction, one protocol. It takes effect when a policy names it.
type ManualSA struct {
	Name      string    `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Enabled   bool      `json:"enabled"`
	Direction Direction `json:"direction" jsonschema:"enum=in,enum=out"`
	// Protocol is esp or ah.
	Protocol string `json:"protocol" jsonschema:"enum=esp,enum=ah"`
	// Mode is tunnel or transport.
	Mode string `json:"mode" jsonschema:"enum=tunnel,enum=transport"`
	// Source and Destination are the outer addresses; the one on this side is
	// this gateway's own.
	Source      netip.Addr `json:"source"`
	Destination netip.Addr `json:"destination"`
	// UDPPort carries ESP in UDP to and from this port of the peer, with 4500 on
	// this side (RFC 3948). 0: directly over IP.
	UDPPort uint16 `json:"udp_port,omitempty"`
	// SPI is 256 or more; lower ones are reserved (RFC 4303 2.1).
	SPI uint32 `json:"spi" jsonschema:"minimum=256"`
	// Encryption is empty with ah. AEAD and counter modes must not be keyed by
	// hand (RFC 8221 4).
	Encryption    string `json:"encryption,omitempty" jsonschema:"enum=,enum=aes128-cbc,enum=aes192-cbc,enum=aes256-cbc,enum=null,enum=3des-cbc,enum=blowfish128-cbc,enum=cast128-cbc,enum=des-cbc"`
	EncryptionKey Secret `json:"encryption_key,omitempty" jsonschema:"maxLength=128,writeOnly=true"`
	// Keys are hexadecimal, of the algorithm's length.
	Integrity    string `json:"integrity" jsonschema:"enum=hmac-sha256,enum=hmac-sha384,enum=hmac-sha512,enum=hmac-sha1,enum=hmac-md5"`
	IntegrityKey Secret `json:"integrity_key,omitempty" jsonschema:"maxLength=128,writeOnly=true"`
	// Legacy admits algorithms that must not be used any more (RFC 8221), for a
	// peer that knows no others.
	Legacy bool `json:"legacy,omitempty"`
	// ESN are sequence numbers of 64 bits (RFC 4303 2.2.1).
	ESN bool `json:"esn,omitempty"`
	// ReplayWindow in packets, at most 4096; 0 means 64.
	ReplayWindow int `json:"replay_window,omitempty" jsonschema:"minimum=0,maximum=4096"`
	// NoReplay takes packets without the replay check, knowingly: for a peer that
	// counts anew from one when it restarts.
	NoReplay bool `json:"no_replay,omitempty"`
	// At the soft bounds of the lifetime, by the age of the keys, by what they
	// carried, the gateway tells that the end is near, at the hard ones the SA
	// ends. A zero bounds nothing.
	SoftHours     uint32 `json:"soft_hours,omitempty" jsonschema:"maximum=1000000"`
	HardHours     uint32 `json:"hard_hours,omitempty" jsonschema:"maximum=1000000"`
	SoftMegabytes uint32 `json:"soft_megabytes,omitempty"`
	HardMegabytes uint32 `json:"hard_megabytes,omitempty"`
	SoftPackets   uint32 `json:"soft_packets,omitempty"`
	HardPackets   uint32 `json:"hard_packets,omitempty"`
	// Successor is the ManualSA that takes over at the soft bound. Without one the
	// traffic ends at the hard one.
	Successor string `json:"successor,omitempty"`
	Note      string `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// Protection is what a policy does with a packet (RFC 4301 4.4.1).
type Protection string

// The protections.
const (
	Protect Protection = "protect"
	Bypass  Protection = "bypass"
	Discard Protection = "discard"
)

// Policy is an entry of the security policy database, for one direction; the
// first that matches decides, and all of them stand before those of branches.
// An empty list or zero field means any.
type Policy struct {
	Name       string     `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Enabled    bool       `json:"enabled"`
	Direction  Direction  `json:"direction" jsonschema:"enum=in,enum=out"`
	Protection Protection `json:"protection" jsonschema:"enum=protect,enum=bypass,enum=discard"`
	// Sources and Destinations are addresses, networks and ranges.
	Sources      []AddressRange `json:"sources,omitempty"`
	Destinations []AddressRange `json:"destinations,omitempty"`
	// A source is also whoever holds an address of these users, or of the members of
	// these groups or their pools, at the time. Likewise a destination.
	SourceUsers       []string `json:"source_users,omitempty"`
	SourceGroups      []string `json:"source_groups,omitempty"`
	DestinationUsers  []string `json:"destination_users,omitempty"`
	DestinationGroups []string `json:"destination_groups,omitempty"`
	// Labels are names of Label objects: only what carries one of them.
	Labels []string `json:"labels,omitempty"`
	// Services are names of Service objects: protocols by name or number,
	// destination ports, ICMP messages.
	Services []string `json:"services,omitempty"`
	// SourcePorts are for services of tcp and udp.
	SourcePorts []PortRange `json:"source_ports,omitempty"`
	// Opaque also takes packets whose ports cannot be seen, as in fragments (RFC
	// 4301 4.4.1.1).
	Opaque bool `json:"opaque,omitempty"`
	// DSCP are code points, 0 to 63 or names, see ParseDSCP.
	DSCP []string `json:"dscp,omitempty"`
	// FlowLabels of IPv6, 20 bits (RFC 6437).
	FlowLabels []uint32 `json:"flow_labels,omitempty" jsonschema:"maximum=1048575"`
	// SAs are names of ManualSA objects, the innermost first; only with protect.
	SAs  []string `json:"sas,omitempty" jsonschema:"maxItems=2"`
	Note string   `json:"note,omitempty" jsonschema:"maxLength=1000"`
}
