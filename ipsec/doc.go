// Package ipsec keeps the configured connections up: it owns the sockets of
// IKE, gives every IKE SA (package ike) a goroutine of its own, carries out
// what the state machines ask for, starts again what failed, and knows one
// Status for every page.
//
// Datagrams come from a Port (UDP 500) and from the data plane (UDP 4500,
// shared with ESP, RFC 3948). They go to the goroutine that owns the IKE SA of
// their SPI. A first message of a stranger costs at most one half-open SA, and
// a cookie (RFC 7296 section 2.6) once there are many.
//
// It does not touch addresses, routes or firewall rules, and does not know the
// store: Apply takes Connections and Status gives plain values.
package ipsec
