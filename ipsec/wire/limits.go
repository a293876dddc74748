package wire

import "fmt"

// Bounds on what one message may hold. Real messages stay far below.
const (
	MaxMessage    = 65535
	maxPayloads   = 64
	maxProposals  = 32
	maxTransforms = 64 // of one proposal
	maxSelectors  = 64 // of one TS payload
	maxSPIs       = 256
	maxAttributes = 64
	maxSPILen     = 255 // its length is one byte
)

// Error says which part of a message is malformed.
type Error struct {
	Payload PayloadType // 0 for the header
	Reason  string
}

func (e *Error) Error() string {
	if e.Payload == 0 {
		return "malformed IKE header: " + e.Reason
	}
	return fmt.Sprintf("malformed %s payload: %s", e.Payload, e.Reason)
}

func malformed(p PayloadType, reason string) error { return &Error{p, reason} }
