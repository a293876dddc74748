package store

import "net/netip"

// Child is a further child SA of a branch: other networks, other algorithms, or
// what goes between both gateways themselves. A branch whose own networks are
// empty has only these.
type Child struct {
	Name    string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Enabled bool   `json:"enabled"`
	// Branch is whose it is.
	Branch string `json:"branch"`
	// Protocol is esp or ah. IKEv2 cannot negotiate one inside the other.
	Protocol string `json:"protocol" jsonschema:"enum=esp,enum=ah"`
	// Mode is tunnel, between networks, or transport, between both gateways
	// themselves; then there are no networks, and the branch's peer is an address.
	Mode           string         `json:"mode" jsonschema:"enum=tunnel,enum=transport"`
	LocalNetworks  []netip.Prefix `json:"local_networks,omitempty"`
	RemoteNetworks []netip.Prefix `json:"remote_networks,omitempty"`
	// Proposals are suites, the best first: of ESP as in a branch's
	// esp_proposals, of AH sha256, sha384 or sha512. Empty means the defaults.
	Proposals []string `json:"proposals,omitempty"`
	// RekeySeconds is the lifetime, 5 to 86400; 0 means 3600.
	RekeySeconds int    `json:"rekey_seconds,omitempty" jsonschema:"minimum=0,maximum=86400"`
	Note         string `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// Joint is one pair of groups of networks that a branch joins.
type Joint struct {
	Branch string
	// Child is its name; empty for the branch's own networks.
	Child   string
	Enabled bool
	// Peer is who is at the other end in transport mode, which has no networks;
	// else not valid.
	Peer          netip.Addr
	Local, Remote []netip.Prefix
	// at is where the document has it.
	at string
}

// Transport says that the traffic of both gateways themselves is meant.
func (j Joint) Transport() bool { return j.Peer.IsValid() }

// Joints are what all branches join, those of one branch together.
func (d Document) Joints() []Joint {
	var out []Joint
	for i, b := range d.Branches {
		if len(b.LocalNetworks)+len(b.RemoteNetworks) > 0 {
			out = append(out, Joint{Branch: b.Name, Enabled: b.Enabled, Local: b.LocalNetworks, Remote: b.RemoteNetworks, at: indexed("branches", i)})
		}
		for k, c := range d.Children {
			if c.Branch != b.Name {
				continue
			}
			j := Joint{Branch: b.Name, Child: c.Name, Enabled: b.Enabled && c.Enabled, Local: c.LocalNetworks, Remote: c.RemoteNetworks, at: indexed("children", k)}
			if c.Mode == "transport" {
				j.Peer, _ = netip.ParseAddr(b.Peer)
			}
			out = append(out, j)
		}
	}
	return out
}

// RemoteNetworks are all networks behind a branch.
func (d Document) RemoteNetworks(branch string) []netip.Prefix {
	var out []netip.Prefix
	for _, j := range d.Joints() {
		if j.Branch == branch {
			out = append(out, j.Remote...)
		}
	}
	return out
}
