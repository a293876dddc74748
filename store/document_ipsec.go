package store

import "net/netip"

// Start says who begins a branch's tunnel.
type Start string

// The start modes.
const (
	StartAlways  Start = "always"  // this gateway keeps the tunnel up
	StartTraffic Start = "traffic" // this gateway calls when something wants to go there
	StartAnswer  Start = "answer"  // the other side calls
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
	Start Start  `json:"start" jsonschema:"enum=always,enum=traffic,enum=answer"`
	// LocalNetworks and RemoteNetworks are what the tunnel joins. At least one
	// each, of matching families; or none at all if Children of the branch say what
	// it carries.
	LocalNetworks  []netip.Prefix `json:"local_networks"`
	RemoteNetworks []netip.Prefix `json:"remote_networks"`
	// LocalID and RemoteID are IKE identities: an IP address, a DNS name or a
	// mail address. Empty LocalID means the WAN address in use; empty RemoteID
	// means the peer's address.
	LocalID  string `json:"local_id,omitempty"`
	RemoteID string `json:"remote_id,omitempty"`
	// PSK is the pre-shared key, 8 to 128 bytes, unless there is a Certificate. Left out of an export; an
	// import without it keeps the key stored for the branch of this name.
	PSK Secret `json:"psk,omitempty" jsonschema:"maxLength=128,writeOnly=true"`
	// PPK is a post-quantum preshared key (RFC 8784), 32 to 128 bytes, besides what
	// both sides prove themselves by, and PPKID its name on both sides. With
	// PPKOptional, peers without it may connect.
	PPK         Secret `json:"ppk,omitempty" jsonschema:"maxLength=128,writeOnly=true"`
	PPKID       string `json:"ppk_id,omitempty" jsonschema:"maxLength=64"`
	PPKOptional bool   `json:"ppk_optional,omitempty"`
	// Certificate is the one that this gateway proves itself by, in place of PSK.
	// The other side then needs one too: of Authority, with RemoteID among its
	// subject alternative names; or TheirCertificate itself, whoever issued it.
	Certificate      string `json:"certificate,omitempty"`
	Authority        string `json:"authority,omitempty"`
	TheirCertificate string `json:"their_certificate,omitempty"`
	// Algorithms is empty for what fits another Gatehouse or, with Partner, what
	// RFC 8247 does not advise against; strict for AES-256, SHA-384, P-384 and
	// ML-KEM-1024 only; legacy to accept SHA-1, 3DES and small groups too.
	Algorithms Algorithms `json:"algorithms,omitempty" jsonschema:"enum=strict,enum=legacy"`
	// IKEProposals and ESPProposals are suites such as aes256gcm16-x25519 or
	// aes256-sha256-modp2048, the best first. Empty means those that Algorithms
	// stands for.
	IKEProposals []string `json:"ike_proposals,omitempty"`
	ESPProposals []string `json:"esp_proposals,omitempty"`
	// RekeySeconds is the lifetime of a child SA, 5 to 86400; 0 means 3600.
	RekeySeconds int `json:"rekey_seconds,omitempty" jsonschema:"minimum=0,maximum=86400"`
	// DPDSeconds is how long a silent peer is believed, 2 to 3600; 0 means 30.
	DPDSeconds int    `json:"dpd_seconds,omitempty" jsonschema:"minimum=0,maximum=3600"`
	Note       string `json:"note,omitempty" jsonschema:"maxLength=1000"`
}
