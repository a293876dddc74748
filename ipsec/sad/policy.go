package sad

import (
	"net/netip"

	"gatehouse/ipsec/crypto"
)

// Selector is one range of addresses, an upper protocol and a range of ports
// (RFC 4301 section 4.4.1.1; RFC 7296 section 3.13.1). For ICMP and ICMPv6 the
// ports are 256 times the type plus the code; FirstPort 65535 and LastPort 0
// are OPAQUE: packets whose ports cannot be seen, such as later fragments.
type Selector struct {
	First, Last netip.Addr
	// Protocol 0 means any.
	Protocol uint8
	// FirstPort 0 and LastPort 65535 mean any.
	FirstPort, LastPort uint16
}

// Action is what a policy does with a packet.
type Action uint8

// The actions. The zero Action is Discard, so that a forgotten field fails
// closed.
const (
	Discard Action = iota
	Protect
	Bypass
	// Demand decides nothing: what it matches carries a label, and the policies
	// behind it decide. Then it is refused unless one of the SAs that protect it is
	// what the label demands, in both directions.
	Demand
)

// Policy is one entry of the SPD, for both directions. The first policy whose
// selectors match decides.
type Policy struct {
	// ID is not zero; SAs refer to it.
	ID                uint32
	Name              string
	Action            Action
	LocalTS, RemoteTS []Selector
	// Way limits the policy to one direction, for entries made by hand.
	Way Way
	// Class limits it to packets of some traffic class; empty is any.
	Class Class
	// Labels limit it to packets that carry one of these; empty is any. Of a
	// Demand it is the one label that it gives.
	Labels []string
	// Admits are what a Demand is content with. Those of one label are the same.
	Admits []Protection
	// Peer is where its SAs lead, if that is known beforehand: what an earlier
	// process left for another peer does not serve it.
	Peer netip.Addr
	// Needs are the protections of a Protect policy, the innermost first: AH
	// over ESP is {{ESP, Transport}, {AH, Tunnel}}. Empty means one SA of any
	// kind.
	Needs []Need
}

// Way is the direction of a policy.
type Way uint8

// The ways.
const (
	BothWays Way = iota
	Inward
	Outward
)

// Class selects by what a packet asks of the network: its DSCP (RFC 2474) in the
// IPv4 TOS byte or the IPv6 traffic class, its IPv6 flow label (RFC 6437).
type Class struct {
	DSCP       []uint8
	FlowLabels []uint32
}

// Protection is a protocol and how it protects.
type Protection struct {
	Protocol Protocol
	// Suite without a key exchange: Suite.PRF and Suite.Group are not used.
	Suite crypto.Suite
}

// Need is one protection that a policy asks for.
type Need struct {
	Protocol Protocol
	Mode     Mode
}
