// Package crypto holds the transforms of IKEv2 and their keys: key exchange
// groups, pseudorandom functions, encryption and integrity, prf+ and the
// derivations of RFC 7296 sections 2.13 to 2.18.
//
// Everything is a plain function of bytes. Randomness is passed in. Primitives
// come from the standard library, x/crypto and filippo.io/bigmod; this package
// only fits them to the IANA numbers and to the RFC's framing.
package crypto
