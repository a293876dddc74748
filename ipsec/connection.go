package ipsec

import (
	"net/netip"
	"time"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
)

// Connection is one configured peer and the networks joined with it.
type Connection struct {
	// Name is unique.
	Name string
	// Peer is the other gateway's address or DNS name; empty if it calls from
	// anywhere.
	Peer string
	// Initiate keeps the tunnel up from this side. Otherwise the peer calls.
	Initiate bool
	// LocalID and RemoteID may be zero; see ike.Peer.
	LocalID, RemoteID auth.Identity
	// PSK is the pre-shared key, as bytes.
	PSK []byte
	// LocalNetworks and RemoteNetworks are joined, each with each of the same
	// family.
	LocalNetworks, RemoteNetworks []netip.Prefix
	// IKE and ESP are the acceptable suites, the best first.
	IKE, ESP                        []crypto.Suite
	ChildLifetime, IKELifetime, DPD time.Duration
}

// replayWindow in packets. Larger than the RFC's 64 because UDP offload and
// several cores on the way reorder packets by whole batches.
const replayWindow = 1024

// peer is the connection as the state machine needs it.
func (c Connection) peer(policy uint32, forceEncap bool) ike.Peer {
	return ike.Peer{
		Name: c.Name, LocalID: c.LocalID, RemoteID: c.RemoteID, PSK: c.PSK,
		IKE: c.IKE, ESP: c.ESP, Policy: policy,
		LocalTS: selectors(c.LocalNetworks), RemoteTS: selectors(c.RemoteNetworks),
		ChildLifetime: c.ChildLifetime, IKELifetime: c.IKELifetime, DPD: c.DPD,
		ForceEncap: forceEncap, ReplayWindow: replayWindow,
	}
}

func selectors(networks []netip.Prefix) []sad.Selector {
	out := make([]sad.Selector, len(networks))
	for i, n := range networks {
		out[i] = sad.SelectorFromPrefix(n)
	}
	return out
}
