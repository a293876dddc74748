// Package esp is the userspace data plane: ESP (RFC 4303) and AH (RFC 4302), in
// tunnel and transport mode, over IPv4 and IPv6, directly over IP or in UDP (RFC
// 3948). It runs where the kernel has no IPsec of its own.
//
// Outbound (outbound.go): the kernel routes a packet into the TUN, many segments
// at once (segments.go). Of a batch the engine finds in order the policies
// (flowcache.go), the SAs and their sequence numbers; then it protects each packet
// in place (wrap.go), and sends runs of one SA as one message, which the kernel
// cuts into datagrams (udpout.go). Inbound (inbound.go): a batch of such messages
// from a socket; IKE is handed out; packets pass the replay window and the ICV
// (unwrap.go), then the SPD must send them by the very SAs they came by, and they
// are written to the TUN, segments of one flow together (joiner.go).
//
// One goroutine reads the TUN and one each socket. On machines with more cores
// others help them with the cryptography of a batch (crew.go), between what has to
// be in order; so no flow is reordered. A packet is copied once on the way out, when
// it is split off, and not at all on the way in. The SPD and the inbound SAs are one
// immutable snapshot behind an atomic pointer (tables.go): the packet path takes no
// lock and allocates nothing. An SA in UDP belongs to one family, so its replay
// window has one writer; SAs directly over IP can be reached by several sockets and
// have a lock that is nearly always free.
//
// The outer header in UDP is as RFC 4301 section 5.1.2 has it, like that over IP:
// class, ECN by RFC 6040's normal mode, DF, hop limit and source address go with
// each message. If this host has lost the SA's address, any other is the source.
//
// Not here: IKE, addresses and routes, NAT keepalives. Fragments are reassembled by
// the kernel before ESP and AH; transport mode does not protect fragments.
package esp
