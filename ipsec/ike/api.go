package ike

import (
	"crypto/x509"
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
	// Credential is what we prove ourselves by, and Trust what the peer's
	// certificate must satisfy. Without them both sides use PSK.
	Credential *auth.Credential
	Trust      *auth.Trust
	// PPK is a post-quantum preshared key, besides what both sides prove
	// themselves by; nil for none.
	PPK *PPK
	// IKE are the acceptable suites, the best first.
	IKE []crypto.Suite
	// Legacy admits suites that are kept for old peers only (RFC 8221, RFC 8247).
	// Without it they are neither offered nor accepted, even if they are listed.
	Legacy bool
	// Children are what is protected, at least one. The first is made in
	// IKE_AUTH, each other one in a CREATE_CHILD_SA of its own.
	Children []Child
	// IKELifetime is the hard lifetime of the IKE SA, see Child.Lifetime.
	IKELifetime time.Duration
	// DPD is how long a silent peer is believed.
	DPD time.Duration
	// ForceEncap makes NAT detection report a NAT, so that ESP is always
	// carried in UDP (RFC 7296 section 2.23; a userspace plane needs it).
	ForceEncap bool
	// ReplayWindow in packets for inbound SAs.
	ReplayWindow uint32
}

// Child is one pair of SAs that a connection wants.
//
// IKEv2 makes one SA of one protocol each way (RFC 7296 section 1.3): ESP
// inside AH, as IKEv1 could bundle them, cannot be negotiated. Who needs both
// keys them by hand.
type Child struct {
	// Name is unique in the connection, for events.
	Name string
	// Policy is the ID of the sad.Policy that it serves.
	Policy   uint32
	Protocol sad.Protocol
	// Mode is sad.Tunnel or sad.Transport.
	Mode sad.Mode
	// Suites are the acceptable ones, the best first.
	Suites []crypto.Suite
	// LocalTS and RemoteTS are the networks to join. With sad.Transport they are
	// not set: the addresses of the IKE SA are meant.
	LocalTS, RemoteTS []sad.Selector
	// Lifetime is the hard one; the pair is replaced at about nine tenths of it,
	// jittered.
	Lifetime time.Duration
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
	// Trusted is asked by a responder, before it knows who calls, for the
	// authorities whose certificates are acceptable from this address; false if
	// none are. May be nil.
	Trusted func(remote netip.Addr) ([]*x509.Certificate, bool)
	// UsePPK is asked by a responder, before it knows who calls: whether any
	// connection from this address has a post-quantum preshared key. May be nil.
	UsePPK func(remote netip.Addr) bool
	// ForceEncap is asked by a responder, before it knows who calls.
	ForceEncap bool
	// Taken is asked by a responder before it makes a transport mode SA through a
	// NAT: which other connection has one to the same address already, empty for
	// none. Packets for two hosts behind one address could not be told apart (RFC
	// 7296 section 2.23.1). nil means never.
	Taken func(peer string, remote netip.Addr) string
	// Addresses are this host's, that a peer may try when the one in use fails (RFC
	// 4555 section 3.4). nil means that there are no others.
	Addresses func() []netip.Addr
	// MayMove says whether a peer may go on at another address. nil means anywhere.
	MayMove func(peer string, remote netip.Addr) bool
}

// Query is what a responder knows of a caller in IKE_AUTH.
type Query struct {
	RemoteID auth.Identity
	// LocalID is who the caller wants to talk to; may be zero.
	LocalID       auth.Identity
	Local, Remote netip.AddrPort
	// Signed says that the caller does not use a shared key. Certificate is the
	// one it sent, which is not checked yet; may be nil.
	Signed      bool
	Certificate *x509.Certificate
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

// Relocate says that this host reaches the peer from another address now: its
// uplink has changed.
type Relocate struct{ Local netip.Addr }

// Acquire says that a packet wants a child, and there is none. It is offered first
// (RFC 7296 section 2.9), in case the peer must narrow.
type Acquire struct {
	Child               string
	Source, Destination netip.Addr
}

func (Datagram) input()   {}
func (Acquire) input()    {}
func (Relocate) input()   {}
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
	Protocol  sad.Protocol
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

// ChildUp says that a pair of SAs is in use. Child is the Name of what was
// configured.
type ChildUp struct {
	Peer, Child       string
	In, Out           sad.SPI
	Protocol          sad.Protocol
	Mode              sad.Mode
	Suite             crypto.Suite
	ESN               bool
	LocalTS, RemoteTS []sad.Selector
	// Replaces is the inbound SPI of the child this one took over from, or 0.
	Replaces sad.SPI
}

// ChildDown says that a pair is gone.
type ChildDown struct {
	Peer, Child string
	In          sad.SPI
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

// Moved says that an address changed, the peer's, learned from an authentic message,
// or ours. SAs should go on with their counters where the data plane can do that;
// they are replaced soon in any case.
type Moved struct {
	Peer          string
	Local, Remote netip.AddrPort
}

func (Moved) effect() {}
