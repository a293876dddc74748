// Package xfrm is the kernel's data plane: its SAD and SPD by netlink (linux/xfrm.h),
// an xfrm interface ipsec0 that routes point at, and UDP 4500, of which the kernel
// takes ESP (RFC 3948) and leaves IKE.
//
// A policy of sad becomes policies of the kernel (selector.go takes ranges apart
// into prefixes and masks), whose templates name the newest outbound SA by its
// SPI, so that a rekey changes the SA at one moment as in the other plane. What the
// kernel has of ours is known by its interface ID; nothing else is touched.
// Transport mode is between this host and a peer on their own way: its policies
// and SAs have no interface, and IKE and Neighbor Discovery are let past them.
//
// What the kernel's policies cannot match, as DSCP, flow labels, lists of ports and
// the labels of an admin, rules of nf_tables in a table of their own write into the
// mark of a packet, and the policies compare that (mark.go).
//
// What the kernel cannot do is refused by name: dummy packets, hop limits, AH with
// GMAC. What is in the kernel outlives the process: adopt.go says what the next one
// takes over. SAs move with their peers (move.go), are encrypted by network devices
// that can (offload.go), and a processor may have its own (cpu.go).
package xfrm
