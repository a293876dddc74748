package ike

import "time"

// Protocol constants are in ipsec/wire; these are ours to choose.
const (
	// Retransmission: 1 s, then 1.8 times longer each time, six times: the
	// peer has about 41 s in all.
	firstRetransmit = time.Second
	maxTries        = 6
	// halfOpenLife is how long a caller may take to authenticate.
	halfOpenLife = 30 * time.Second
	// refusedLife is how long a refused caller's retransmits are answered.
	refusedLife = 10 * time.Second
	// oldInbound is how long packets on their way may still use a replaced SA.
	oldInbound = 5 * time.Second
	// oldGenerationLife bounds how long the peer may take to delete an IKE SA
	// that it has rekeyed.
	oldGenerationLife = time.Minute
	// elsewhereAfter is how often a request goes to a silent address before another
	// one of the peer's is tried; the peer must not have given up by then.
	elsewhereAfter = 4
	// movedRekey is how soon SAs are replaced after an address changed.
	movedRekey = time.Second
	// childRetry is the pause after a child SA was refused.
	childRetry = 30 * time.Second
	// busyRetry is the least pause after TEMPORARY_FAILURE.
	busyRetry = 2 * time.Second
	// maxInitRetries bounds how often COOKIE and INVALID_KE_PAYLOAD make us
	// send IKE_SA_INIT again (RFC 7296 sections 2.6, 2.7).
	maxInitRetries = 4
	// maxChildren bounds the child SAs a peer may open in one IKE SA for each that
	// is configured, those that are being replaced included.
	maxChildren = 8
	// maxCookie in bytes (RFC 7296 section 2.6).
	maxCookie = 64
)
