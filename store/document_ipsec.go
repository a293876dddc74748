package store

import "net/netip"

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
	// Partner marks another organisation, which is shown apart from our own
	// branches.
	Partner bool `json:"partner,omitempty"`
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

// Direction is which way an SA or a policy goes, seen from this gateway.
type Direction string

// The directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// ManualSA is a security association keyed by hand (RFC 4301 4.5.1): one
// direction, one protocol.
type ManualSA struct {
	Name      string    `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Enabled   bool      `json:"enabled"`
	Direction Direction `json:"direction" jsonschema:"enum=in,enum=out"`
	// Protocol is esp or ah.
	Protocol string `json:"protocol" jsonschema:"enum=esp,enum=ah"`
	// Mode is tunnel or transport.
	Mode string `json:"mode" jsonschema:"enum=tunnel,enum=transport"`
	// Source and Destination are the outer addresses, one of them our own.
	Source      netip.Addr `json:"source"`
	Destination netip.Addr `json:"destination"`
	// SPI is 256 or more; lower ones are reserved (RFC 4303 2.1).
	SPI uint32 `json:"spi" jsonschema:"minimum=256"`
	// Encryption is aes128-cbc, aes256-cbc or null; empty with ah. AEAD and
	// counter modes must not be keyed by hand (RFC 8221 4).
	Encryption    string `json:"encryption,omitempty" jsonschema:"enum=,enum=aes128-cbc,enum=aes256-cbc,enum=null"`
	EncryptionKey Secret `json:"encryption_key,omitempty" jsonschema:"maxLength=128,writeOnly=true"`
	// Integrity is hmac-sha256, hmac-sha384 or hmac-sha512. Keys are
	// hexadecimal, of the algorithm's length.
	Integrity    string `json:"integrity" jsonschema:"enum=hmac-sha256,enum=hmac-sha384,enum=hmac-sha512"`
	IntegrityKey Secret `json:"integrity_key,omitempty" jsonschema:"maxLength=128,writeOnly=true"`
	// ReplayWindow in packets, 0 (off) to 4096.
	ReplayWindow int    `json:"replay_window,omitempty" jsonschema:"minimum=0,maximum=4096"`
	Note         string `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// Protection is what a policy does with a packet (RFC 4301 4.4.1).
type Protection string

// The protections.
const (
	Protect Protection = "protect"
	Bypass  Protection = "bypass"
	Discard Protection = "discard"
)

// Policy is an entry of the security policy database; the first that matches
// decides. An empty list or zero field means any.
type Policy struct {
	Name         string         `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Enabled      bool           `json:"enabled"`
	Direction    Direction      `json:"direction" jsonschema:"enum=in,enum=out"`
	Protection   Protection     `json:"protection" jsonschema:"enum=protect,enum=bypass,enum=discard"`
	Sources      []netip.Prefix `json:"sources,omitempty"`
	Destinations []netip.Prefix `json:"destinations,omitempty"`
	// Services are names of Service objects.
	Services []string `json:"services,omitempty"`
	// SAs are names of ManualSA objects, the innermost first; only with protect.
	SAs  []string `json:"sas,omitempty"`
	Note string   `json:"note,omitempty" jsonschema:"maxLength=1000"`
}
