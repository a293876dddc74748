package web

import (
	"context"
	"time"
)

// Gateway is what the pages need of the running gateway.
type Gateway interface {
	// Status is a snapshot; cheap enough for every page view.
	Status() Status
	// Apply freezes the draft as a revision and carries it out. The error is a
	// sentence for the admin; nothing is half-applied.
	Apply(ctx context.Context, author string) error
	// Reconnect closes a branch's tunnel and starts it again.
	Reconnect(ctx context.Context, branch string) error
}

// Status is the state of the gateway at one moment.
type Status struct {
	Name    string    // host name
	Version string    // of the binary
	Started time.Time // of this process
	// Dataplane is "kernel" or "userspace"; DataplaneWhy is the sentence that
	// says why it was chosen.
	Dataplane, DataplaneWhy string
	Revision                int64 // in force; 0 for none
	// Blocked counts packets that the perimeter dropped or rejected since the
	// rules were loaded.
	Blocked    uint64
	Interfaces []Interface
	Tunnels    []Tunnel
}

// Interface is one port as the kernel sees it.
type Interface struct {
	Name, Device, Zone string
	Up                 bool
	Addresses          []string
	RxBytes, TxBytes   uint64
}

// TunnelState is one word for a tunnel.
type TunnelState string

// The states.
const (
	TunnelUp         TunnelState = "up"
	TunnelConnecting TunnelState = "connecting"
	TunnelWaiting    TunnelState = "waiting" // for the other side to call
	TunnelDown       TunnelState = "down"    // failed; Problem says why
	TunnelOff        TunnelState = "off"     // disabled
)

// Tunnel is the live state of one branch's connection, from the IKE state
// itself.
type Tunnel struct {
	Branch string
	State  TunnelState
	Since  time.Time // of State
	// Local and Remote are outer addresses with ports.
	Local, Remote string
	NAT           bool
	RemoteID      string
	// IKESuite and ESPSuite are names such as aes256gcm16-x25519.
	IKESuite, ESPSuite    string
	SPIIn, SPIOut         string
	BytesIn, BytesOut     uint64
	PacketsIn, PktsOut    uint64
	Rekeys                int
	LastInbound           time.Time // zero if nothing came yet
	LocalNets, RemoteNets []string
	// Problem is nil or why the tunnel is not up (or not whole).
	Problem *Problem
}

// Problem is a typed failure, told to a person.
type Problem struct {
	Code   string // as in ipsec/ike: wrong_key, no_answer, ...
	ByPeer bool
	// Ours and Theirs hold both sides of a mismatch, side by side.
	Ours, Theirs []string
	Detail       string // technical, small and grey
	At           time.Time
}
