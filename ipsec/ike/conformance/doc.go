// Package conformance plays the other side of IKEv2 as a good, an odd or a bad
// implementation would, and checks what ipsec/ike makes of it.
//
// A Bench holds one ike.SA, the subject, in virtual time and in memory, and a Peer,
// which does what a case tells it: a message as RFC 7296 wants it, changed in one
// way. Each case is a row in a table, with a sentence as its name and the section it
// is about. When one fails, the exchange is drawn as a ladder.
//
// Nothing here is shipped, and nothing of ipsec/ike is used but its interface: what
// the Peer sends and understands is made of ipsec/wire, crypto and auth alone, so
// that a mistake in the state machine cannot hide in its own mirror image.
package conformance
