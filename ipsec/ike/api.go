package ike

import (
	"io"
	"net/netip"
	"time"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// Peer is one configured connection as the state machine needs it.
type Peer struct {
	// Name is the connection's name, for events.
	Name string
	// LocalID and RemoteID are what we send and what we insist on. A zero
	// LocalID means our address in use, a zero RemoteID the peer's address.
	LocalID, RemoteID auth.Identity
	// PSK is the pre-shared key, as bytes.
	PSK []byte
	// IKE and ESP are the acceptable suites, the best first.
	IKE, ESP []crypto.Suite
	// Policy is the ID of the sad.Policy this connection's children serve.
	Policy uint32
	// LocalTS and RemoteTS are the networks to join.
	LocalTS, RemoteTS []sad.Selector
	// ChildLifetime is the hard lifetime of a child SA; it is replaced at
	// about nine tenths of it, jittered. IKELifetime is the same for the IKE
	// SA itself.
	ChildLifetime, IKELifetime time.Duration
	// DPD is how long a silent peer is believed.
	DPD time.Duration
	// ForceEncap makes NAT detection report a NAT, so that ESP is always
	// carried in UDP (RFC 7296 section 2.23; a userspace plane needs it).
	ForceEncap bool
	// ReplayWindow in packets for inbound SAs.
	ReplayWindow uint32
}

// Env is what a state machine may ask for while it runs.
type Env struct {
	Rand io.Reader
	// AllocateSPI reserves an inbound SPI in the data plane.
	AllocateSPI func() (sad.SPI, error)
	// FindPeer is asked by a responder, with the identities of IKE_AUTH, for
	// the connection they belong to. The Reason says why there is none.
	FindPeer func(Query) (Peer, *Reason)
	// Suites is asked by a responder, before it knows who calls, for the IKE
	// suites acceptable from this address.
	Suites func(remote netip.Addr) []crypto.Suite
	// ForceEncap is asked by a responder, before it knows who calls.
	ForceEncap bool
}

// Query is what a responder knows of a caller in IKE_AUTH.
type Query struct {
	RemoteID auth.Identity
	// LocalID is who the caller wants to talk to; may be zero.
	LocalID       auth.Identity
	Local, Remote netip.AddrPort
}

// Input is one thing that happens to an IKE SA: a Datagram, a Tick, a
// Command or a sad.Event in a PlaneEvent.
type Input interface{ input() }

// Datagram is a received IKE message, without the non-ESP marker.
type Datagram struct {
	Local, Remote netip.AddrPort
	Data          []byte
}

// Tick says that the time of Deadline has come.
type Tick struct{}

// PlaneEvent is news of the data plane about one of this SA's children.
type PlaneEvent struct{ sad.Event }

// Traffic says when the last good inbound ESP packet of this SA's children
// arrived, so that DPD need not ask a peer that is plainly alive.
type Traffic struct{ Last time.Time }

// Command is what an admin or the manager wants.
type Command uint8

// The commands.
const (
	// RekeyChild replaces every child SA now.
	RekeyChild Command = iota + 1
	// Close deletes the IKE SA with an INFORMATIONAL exchange.
	Close
	// Probe sends a liveness check now.
	Probe
)

func (Datagram) input()   {}
func (Tick) input()       {}
func (PlaneEvent) input() {}
func (Traffic) input()    {}
func (Command) input()    {}

// Effect is what the caller must carry out: Send, Install, Remove, or one of
// the events Established, ChildUp, ChildDown, Closed.
type Effect interface{ effect() }

// Send is a datagram to send, without the non-ESP marker. The caller picks
// the socket by Local's port and adds the marker on port 4500.
type Send struct {
	Local, Remote netip.AddrPort
	Data          []byte
}

// Install adds an SA to the data plane.
type Install struct{ SA sad.SA }

// Remove takes an SA out of the data plane.
type Remove struct {
	SPI       sad.SPI
	Direction sad.Direction
}

// Established says that both sides are authenticated.
type Established struct {
	Peer          string
	RemoteID      auth.Identity
	Suite         crypto.Suite
	Local, Remote netip.AddrPort
	// NAT says that the peer or we are behind one (or encapsulation is
	// forced).
	NAT bool
}

// ChildUp says that a pair of ESP SAs is in use.
type ChildUp struct {
	Peer              string
	In, Out           sad.SPI
	Suite             crypto.Suite
	LocalTS, RemoteTS []sad.Selector
	// Replaces is the inbound SPI of the child this one took over from, or 0.
	Replaces sad.SPI
}

// ChildDown says that a pair is gone.
type ChildDown struct {
	Peer string
	In   sad.SPI
}

// Problem reports a failure that does not end the IKE SA, such as refused
// traffic selectors.
type Problem struct {
	Peer   string
	Reason Reason
}

// Closed is always the last effect of an IKE SA. Peer is empty when a caller
// was never identified.
type Closed struct {
	Peer   string
	Reason Reason
}

func (Send) effect()        {}
func (Install) effect()     {}
func (Remove) effect()      {}
func (Established) effect() {}
func (ChildUp) effect()     {}
func (ChildDown) effect()   {}
func (Problem) effect()     {}
func (Closed) effect()      {}

// Moved says that the peer's address changed, learned from an authentic
// message.
type Moved struct {
	Peer          string
	Local, Remote netip.AddrPort
}

func (Moved) effect() {}
