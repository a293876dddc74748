package sad

import "net/netip"

// Selector is one range of addresses, an upper protocol and a range of ports
// (RFC 4301 section 4.4.1.1; RFC 7296 section 3.13.1).
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
)

// Policy is one entry of the SPD, for both directions. The first policy whose
// selectors match decides.
type Policy struct {
	// ID is not zero; SAs refer to it.
	ID                uint32
	Name              string
	Action            Action
	LocalTS, RemoteTS []Selector
}
