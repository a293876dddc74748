package sad

import (
	"fmt"
	"net/netip"
	"time"

	"gatehouse/ipsec/crypto"
)

// SPI is a Security Parameters Index (RFC 4301 section 4.1). 0 to 255 are
// reserved and never used.
type SPI uint32

func (s SPI) String() string { return fmt.Sprintf("%08x", uint32(s)) }

// Protocol is the IP protocol number of the security protocol.
type Protocol uint8

// The security protocols.
const (
	ESP Protocol = 50 // RFC 4303
	AH  Protocol = 51 // RFC 4302
)

// Mode is how a packet is wrapped (RFC 4301 section 3.2).
type Mode uint8

// The modes. Either is for inbound SAs only: such an SA takes both.
const (
	Tunnel Mode = iota
	Transport
	Either
)

// Direction is seen from this host.
type Direction uint8

// The directions.
const (
	In Direction = iota
	Out
)

// ID names an SA (RFC 4301 section 4.1).
type ID struct {
	SPI       SPI
	Protocol  Protocol
	Direction Direction
	// Remote is where an outbound SA leads: its SPI is of the peer's choice, and
	// two peers may choose the same. Not set for inbound ones.
	Remote netip.Addr
}

// ID names the SA.
func (sa SA) ID() ID {
	id := ID{SPI: sa.SPI, Protocol: sa.Protocol, Direction: sa.Direction}
	if sa.Direction == Out {
		id.Remote = sa.Remote
	}
	return id
}

// Encap is UDP encapsulation of ESP (RFC 3948). Ports are UDP ports.
type Encap struct {
	LocalPort, RemotePort uint16
}

// SA is one security association, one direction (RFC 4301 section 4.4.2.1).
type SA struct {
	SPI       SPI
	Protocol  Protocol
	Mode      Mode
	Direction Direction
	// Local and Remote are the tunnel's outer addresses.
	Local, Remote netip.Addr
	// Encap is nil for ESP directly over IP.
	Encap *Encap
	// Suite names the algorithms; Suite.PRF and Suite.Group are not used.
	Suite crypto.Suite
	// EncryptionKey carries the 4-byte salt at its end for AEAD (RFC 4106
	// section 8.1). IntegrityKey is empty for AEAD.
	EncryptionKey, IntegrityKey []byte
	ESN                         bool
	// ReplayWindow in packets; inbound only. 0 is refused: replay protection
	// is never switched off by a forgotten field.
	ReplayWindow uint32
	// NoReplay switches the replay check off, knowingly: for a sender that
	// begins anew at one after a restart.
	NoReplay bool
	// Sent is the last sequence number that was sent by these keys before, and
	// Seen the highest that was received; both for keys that outlive a process.
	Sent, Seen uint64
	Lifetime   Lifetime
	Outer      Outer
	// CPU is the processor whose packets an outbound SA carries, beside one without
	// for all others (RFC 9611): several can then encrypt at once without a lock on
	// one counter. Nil is every processor.
	CPU *uint32
	// Policy is the ID of the Policy that this SA serves.
	Policy uint32
	// LocalTS and RemoteTS are the negotiated traffic selectors. Every packet,
	// also inbound after decryption, must match one of each.
	LocalTS, RemoteTS []Selector
}

// Lifetime bounds how much an SA may carry (RFC 4301 section 4.4.2.1).
type Lifetime struct {
	// Soft brings the event SoftExpired, so that there is time for another SA;
	// at Hard the SA ends, with the event HardExpired.
	Soft, Hard Bound
	// Terminate says that nothing takes the place of an SA that reached Soft.
	// Without it the manager replaces it.
	Terminate bool
}

// Bound is by time since the SA was installed, bytes or packets, whatever comes
// first; a zero field bounds nothing.
type Bound struct {
	Time           time.Duration
	Bytes, Packets uint64
}

// Outer says how the header of a tunnel is made (RFC 4301 section 8, RFC 6040)
// and how traffic flow is hidden (RFC 4303 sections 2.6 and 2.7). The zero Outer
// is what most want. The explicit congestion notification always follows RFC
// 6040's normal mode.
type Outer struct {
	DF DF
	// DSCP is put in place of the inner packet's code point if FixedDSCP says
	// so, which hides what kind of traffic it is.
	DSCP      uint8
	FixedDSCP bool
	// HopLimit is the TTL or hop limit; 0 means 64.
	HopLimit uint8
	// PadTo is the length in bytes that every inner packet is padded to, at
	// most the path MTU; 0 pads to the cipher's block only. Tunnel mode only.
	PadTo uint16
	// Dummies is how often at least something is sent; 0 means only what there is
	// to send.
	Dummies time.Duration
}

// DF is what a tunnel does with the inner packet's don't-fragment bit (RFC 4301
// section 8.1).
type DF uint8

// What becomes of the bit.
const (
	CopyDF DF = iota
	SetDF
	ClearDF
)

// Usage is what an SA has carried.
type Usage struct {
	Packets, Bytes uint64
	// Sequence is the last sequence number sent, or the highest seen.
	Sequence uint64
	// Replayed counts inbound packets refused by the replay window, Invalid
	// those with a wrong ICV or padding, Refused those whose inner addresses
	// do not match the SA's selectors.
	Replayed, Invalid, Refused uint64
	// Last is when the last good packet passed; zero if none did.
	Last time.Time
	// PathMTU is the longest packet in bytes that the way of an outbound SA is
	// known to carry (RFC 4301 section 8.2); 0 if that is not known.
	PathMTU int
}
