// Package ike is the IKEv2 state machine of RFC 7296, and nothing that touches
// a socket, a clock or a kernel.
//
// One SA value is one IKE SA. Its Step method takes one Input (a datagram, the
// passing of time, a command, news of the data plane) and gives back Effects:
// datagrams to send, ESP SAs to install or remove, events to report. The
// caller carries them out in order. So two state machines can talk in memory,
// in virtual time, and every exchange is a plain unit test.
//
// An SA is not safe for concurrent use: one goroutine owns it.
package ike
