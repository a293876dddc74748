package sad

// Dataplane carries out SAs and policies: in the kernel (ipsec/xfrm) or in
// this process (ipsec/esp). Methods may be called from any goroutine.
type Dataplane interface {
	// AllocateSPI reserves an unused inbound SPI, chosen at random.
	AllocateSPI() (SPI, error)
	// Install adds an SA. Of the outbound SAs of one policy the one installed
	// last carries the traffic; the others stay until removed.
	Install(SA) error
	// Remove ends an SA; unknown ones are no error.
	Remove(SPI, Direction) error
	// SetPolicies replaces the SPD in one step. SAs whose policy is gone are
	// removed.
	SetPolicies([]Policy) error
}

// Meter tells what SAs have carried. Both planes implement it.
type Meter interface {
	Usage(SPI, Direction) (Usage, bool)
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
	// Exhausted: the sequence number of an outbound SA passed three quarters
	// of its range (RFC 4303 section 3.3.3): rekey now.
	Exhausted
)

// Event is what a data plane tells the manager. It is delivered by a callback
// that must not block.
type Event struct {
	Kind   EventKind
	SPI    SPI
	Policy uint32
}
