package esp

import "sync/atomic"

// counters say why packets were dropped outside any SA.
type counters struct {
	noPolicy, noSA, malformed, unknownSPI, exhausted, notProtected, discarded, unroutable, sendFailed, writeFailed atomic.Uint64
}

// Counters are packets that were dropped, by reason.
type Counters struct {
	NoPolicy   uint64 // outbound: no policy matches
	NoSA       uint64 // outbound: the policy has no SA yet
	Discarded  uint64 // outbound: the policy says so
	Malformed  uint64 // either way: no IP packet inside, or nonsense outside
	UnknownSPI uint64 // inbound
	Unroutable uint64 // inbound IKE: the kernel did not say where it came to
	Exhausted  uint64 // outbound: the sequence number or the lifetime is used up
	// NotProtected: outbound, transport mode cannot carry such a packet.
	NotProtected uint64
	SendFailed   uint64 // outbound: the socket refused a batch
	WriteFailed  uint64 // inbound: the TUN refused a batch
}

// Counters reads all counters.
func (e *Engine) Counters() Counters {
	c := &e.counters
	return Counters{
		NoPolicy: c.noPolicy.Load(), NoSA: c.noSA.Load(), Discarded: c.discarded.Load(),
		Malformed: c.malformed.Load(), UnknownSPI: c.unknownSPI.Load(), Unroutable: c.unroutable.Load(), Exhausted: c.exhausted.Load(), NotProtected: c.notProtected.Load(),
		SendFailed: c.sendFailed.Load(), WriteFailed: c.writeFailed.Load(),
	}
}
