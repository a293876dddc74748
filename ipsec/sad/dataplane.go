package sad

import "net/netip"

// Dataplane carries out SAs and policies: in the kernel (ipsec/xfrm) or in
// this process (ipsec/esp). Methods may be called from any goroutine.
type Dataplane interface {
	// AllocateSPI reserves an unused inbound SPI, chosen at random.
	AllocateSPI() (SPI, error)
	// Install adds an SA. Of the outbound SAs of one policy the one installed
	// last carries the traffic; the others stay until removed.
	Install(SA) error
	// Remove ends an SA; unknown ones are no error.
	Remove(ID) error
	// SetPolicies replaces the SPD in one step. SAs whose policy is gone are
	// removed.
	SetPolicies([]Policy) error
}

// Mover gives SAs other outer addresses, without another counter: their peer is
// behind a NAT that gave it others (RFC 7296 section 2.23) or has moved (RFC 4555).
// Outbound ones have another ID then.
type Mover interface {
	Move(ids []ID, local, remote netip.AddrPort) error
}

// Meter tells what SAs have carried. Both planes implement it.
type Meter interface {
	Usage(ID) (Usage, bool)
}

// Auditor counts what was refused (RFC 4301 section 5.2: auditable). Both planes
// implement it.
type Auditor interface {
	// Refused are all packets refused since the plane began, by their Refusal;
	// false if the plane cannot tell.
	Refused() ([Refusals]uint64, bool)
	// RefusedBy are those of them that a policy itself refused, before any SA.
	RefusedBy(policy uint32) uint64
}

// EventKind names an Event.
type EventKind uint8

// The events.
const (
	// FirstInbound: the first good packet arrived on an inbound SA. The peer
	// uses the new SA, so the old one can be left (RFC 7296 section 2.8).
	FirstInbound EventKind = iota + 1
	// Acquire: a packet matched a Protect policy that has no outbound SA.
	// Sent at most once a second for a policy.
	Acquire
	// SoftExpired: an SA reached the soft bound of its lifetime.
	SoftExpired
	// HardExpired: an SA reached the hard bound and is removed.
	HardExpired
	// Overflowed: the sequence number of an outbound SA is used up and nothing
	// is sent by it any more (RFC 4303 section 3.3.3: an auditable event).
	Overflowed
	// Refused: packets were refused for one reason; Event.Refusal says why. Sent
	// at most once a second for a reason and an SA or policy (RFC 4301 section
	// 5.2 and RFC 4303 section 3.4: auditable events).
	Refused
	// Mapping: a genuine packet came from another address or port than the
	// peer's; Event.From says where from (RFC 7296 section 2.23).
	Mapping
	// Exhausted: the sequence number of an outbound SA passed three quarters
	// of its range (RFC 4303 section 3.3.3): rekey now.
	Exhausted
	// Inherited: SAs that an earlier process left carry the traffic of a policy
	// until others are installed for it. Their IKE SA is gone.
	Inherited
)

// Event is what a data plane tells the manager. It is delivered by a callback
// that must not block.
type Event struct {
	Kind EventKind
	// SA is which one it is about, if any.
	SA     ID
	Policy uint32
	// Refusal and Count say why packets were refused and how many since the
	// event before; Source and Destination are those of the last one, or of the
	// packet of an Acquire.
	Refusal             Refusal
	Count               uint64
	Source, Destination netip.Addr
	// From is where a packet came from, of a Mapping.
	From netip.AddrPort
}

// Refusal is why a packet was refused.
type Refusal uint8

// The refusals.
const (
	NotRefused Refusal = iota
	// ReplayedPacket: its sequence number was seen or is below the window.
	ReplayedPacket
	// BadICV: it is not genuine, or was changed on the way.
	BadICV
	// UnknownSPI: no SA has this SPI.
	UnknownSPI
	// WrongSA: the SPD sends such packets by another SA.
	WrongSA
	// InClear: the SPD says that such packets must be protected, and it was not.
	InClear
	// Discarded: the SPD says so, or has no entry for it.
	Discarded
	// Malformed: it is no packet, or its padding or headers are wrong.
	Malformed
	// TooWeak: it carries a label that demands other algorithms than those of its
	// SAs.
	TooWeak
	// Refusals is how many there are.
	Refusals
)

func (r Refusal) String() string {
	if int(r) < len(refusals) {
		return refusals[r]
	}
	return "refused"
}

var refusals = [...]string{
	"not refused", "replayed", "wrong integrity check value", "unknown SPI", "came by the wrong SA", "came in clear",
	"discarded by the policy", "malformed", "protected by other algorithms than its label demands",
}
