// Package wire parses and builds IKEv2 messages (RFC 7296 section 3), and does
// nothing else: it holds no keys and keeps no state.
//
// Every parser takes foreign bytes: it reads by cryptobyte, never by index
// arithmetic, checks every length, and bounds how many payloads, proposals,
// transforms, selectors and SPIs it keeps. Parsed slices point into the input;
// a caller that keeps them beyond the datagram's buffer copies first.
//
// RESERVED fields are sent as zero and ignored (RFC 7296 section 2.5). Unknown
// payloads are kept as Unknown, with their critical bit, for the state machine
// to judge.
package wire
