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

// The modes.
const (
	Tunnel Mode = iota
	Transport
)

// Direction is seen from this host.
type Direction uint8

// The directions.
const (
	In Direction = iota
	Out
)

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
	// Policy is the ID of the Policy that this SA serves.
	Policy uint32
	// LocalTS and RemoteTS are the negotiated traffic selectors. Every packet,
	// also inbound after decryption, must match one of each.
	LocalTS, RemoteTS []Selector
}

// Usage is what an SA has carried.
type Usage struct {
	Packets, Bytes uint64
	// Replayed counts inbound packets refused by the replay window, Invalid
	// those with a wrong ICV or padding, Refused those whose inner addresses
	// do not match the SA's selectors.
	Replayed, Invalid, Refused uint64
	// Last is when the last good packet passed; zero if none did.
	Last time.Time
}
