package ipsec

import (
	"net/netip"
	"time"

	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
)

// State is one word for a connection.
type State string

// The states.
const (
	Up         State = "up"
	Connecting State = "connecting"
	Waiting    State = "waiting" // for the other side to call
	Down       State = "down"    // the last attempt failed; Problem says why
)

// Status is the live state of one connection, from the IKE state itself.
type Status struct {
	Name  string
	State State
	// Since is when State began.
	Since         time.Time
	Local, Remote netip.AddrPort
	// NAT says that ESP is carried in UDP because of a NAT, real or forced.
	NAT      bool
	RemoteID string
	IKESuite string
	// Children are in the order of Connection.Children.
	Children []ChildStatus
	// Received and Sent are what all ESP SAs of this connection carried since
	// it was configured. Received.Last is when the last packet came.
	Received, Sent sad.Usage
	// Rekeys counts replaced child SAs of the present tunnel, of all children.
	Rekeys int
	// Problem is nil or the last failure; ProblemAt when it happened.
	Problem   *ike.Reason
	ProblemAt time.Time
}

// ChildStatus is how one pair of SAs is.
type ChildStatus struct {
	Name     string
	Protocol sad.Protocol
	Mode     sad.Mode
	Up       bool
	Suite    string
	ESN      bool
	In, Out  sad.SPI
	// LocalTS and RemoteTS are the networks as negotiated, or as configured
	// while there is no tunnel.
	LocalTS, RemoteTS []sad.Selector
}

// Event is something that a person may want to read later.
type Event struct {
	Time       time.Time
	Connection string
	// Up is true when a tunnel came up, false when it went down or failed.
	Up     bool
	Reason *ike.Reason
	Remote netip.AddrPort
	// SA is the one keyed by hand that it is about, in place of Connection, What
	// what came to it, Replaced whether another follows it.
	SA       string
	What     sad.EventKind
	Replaced bool
	// Refusal is why packets were refused, if What says so, Count how many, and
	// Policy by which entry of the SPD; it is empty for what none decided.
	Refusal             sad.Refusal
	Count               uint64
	Policy              string
	SPI                 sad.SPI
	Source, Destination netip.Addr
}
