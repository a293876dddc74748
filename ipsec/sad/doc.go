// Package sad holds the types of the IPsec architecture (RFC 4301): a security
// association, a policy, selectors, and the Dataplane that carries them out.
//
// It is the meeting point of ipsec/ike, which decides what should exist, and
// of ipsec/esp and ipsec/xfrm, which make packets obey. It imports neither.
package sad
