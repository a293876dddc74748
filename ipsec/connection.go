package ipsec

import (
	"net/netip"
	"time"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
)

// Connection is one configured peer and what is protected with it.
type Connection struct {
	// Name is unique.
	Name string
	// Peer is the other gateway's address or DNS name; empty if it calls from
	// anywhere.
	Peer string
	// Initiate keeps the tunnel up from this side. Otherwise the peer calls.
	Initiate bool
	// OnTraffic waits with that until a packet wants the tunnel.
	OnTraffic bool
	// LocalID and RemoteID may be zero; see ike.Peer.
	LocalID, RemoteID auth.Identity
	// PSK is the pre-shared key, as bytes.
	PSK []byte
	// PPK is a post-quantum preshared key besides; nil for none.
	PPK *ike.PPK
	// Certified takes the place of PSK on both sides; nil for a shared key.
	Certified *auth.Certified
	// IKE are the acceptable suites, the best first; legacy ones only with Legacy.
	IKE    []crypto.Suite
	Legacy bool
	// Children are at least one.
	Children         []Child
	IKELifetime, DPD time.Duration
}

// Child is one pair of SAs of a connection.
type Child struct {
	// Name is unique in the connection.
	Name     string
	Protocol sad.Protocol
	// Mode is sad.Tunnel, which joins LocalNetworks and RemoteNetworks, each with
	// each of the same family; or sad.Transport, which protects what goes between
	// both gateways themselves, and has no networks.
	Mode                          sad.Mode
	LocalNetworks, RemoteNetworks []netip.Prefix
	// Suites are the acceptable ones, the best first.
	Suites   []crypto.Suite
	Lifetime time.Duration
}

// replayWindow in packets. Larger than the RFC's 64 because UDP offload and
// several cores on the way reorder packets by whole batches.
const replayWindow = 1024

// peer is the connection as the state machine needs it.
func (c *connection) peer(forceEncap bool) ike.Peer {
	p := ike.Peer{
		Name: c.Name, LocalID: c.LocalID, RemoteID: c.RemoteID, PSK: c.PSK, PPK: c.PPK, Credential: c.credential, Trust: c.trust, IKE: c.IKE, Legacy: c.Legacy,
		IKELifetime: c.IKELifetime, DPD: c.DPD, ForceEncap: forceEncap && !c.onlyAH(), ReplayWindow: replayWindow,
	}
	for i, child := range c.Children {
		ic := ike.Child{
			Name: child.Name, Policy: c.policies[i], Protocol: child.Protocol, Mode: child.Mode, Suites: child.Suites, Lifetime: child.Lifetime,
		}
		if child.Mode == sad.Tunnel {
			ic.LocalTS, ic.RemoteTS = selectors(child.LocalNetworks), selectors(child.RemoteNetworks)
		}
		p.Children = append(p.Children, ic)
	}
	return p
}

// onlyAH says that nothing of the connection could go in UDP.
func (c *connection) onlyAH() bool {
	for _, child := range c.Children {
		if child.Protocol != sad.AH {
			return false
		}
	}
	return true
}

// entry is the policy of a child for the data plane. In transport mode it is
// about the peer, whatever address of ours it is spoken to by.
func (c *connection) entry(i int) sad.Policy {
	child := c.Children[i]
	p := sad.Policy{
		ID: c.policies[i], Name: c.Name, Action: sad.Protect,
		LocalTS: selectors(child.LocalNetworks), RemoteTS: selectors(child.RemoteNetworks),
	}
	if child.Name != c.Name {
		p.Name = child.Name
	}
	peer, err := netip.ParseAddr(c.Peer)
	p.Peer = peer // not valid: a name, or anyone
	if child.Mode == sad.Transport {
		p.Needs = []sad.Need{{Protocol: child.Protocol, Mode: sad.Transport}}
		if err == nil {
			p.LocalTS = selectors([]netip.Prefix{anyOf(peer)})
			p.RemoteTS = selectors([]netip.Prefix{netip.PrefixFrom(peer, peer.BitLen())})
		}
	}
	return p
}

// anyOf is every address of a family.
func anyOf(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

func selectors(networks []netip.Prefix) []sad.Selector {
	out := make([]sad.Selector, len(networks))
	for i, n := range networks {
		out[i] = sad.SelectorFromPrefix(n)
	}
	return out
}
