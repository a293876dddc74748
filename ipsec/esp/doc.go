// Package esp is the userspace data plane: ESP in tunnel mode (RFC 4303),
// carried in UDP (RFC 3948), between a TUN device and UDP port 4500. It runs
// where the kernel has no ESP of its own.
//
// Outbound: the kernel routes a packet into the TUN; the engine reads a batch,
// finds the policy and its SA, seals each packet in place and sends runs of one
// SA together, so that UDP segmentation offload applies. Inbound: a batch from
// the socket; IKE messages are handed out; ESP packets pass the replay window,
// the ICV and the SA's selectors, and are written to the TUN as a batch, so
// that its receive offload applies.
//
// The tables (SAD and SPD) are one immutable snapshot behind an atomic
// pointer: the packet path takes no lock and allocates nothing of its own. One
// goroutine reads the TUN and one each UDP family; an SA belongs to one family,
// so its replay window has one writer.
//
// Not here: IKE, addresses and routes, ESP directly over IP, transport mode,
// extended sequence numbers. The outer header is sent not-ECT, the
// compatibility mode of RFC 6040. The outer source address is the one that the
// route to the peer prefers.
package esp
