// Package esp is the userspace data plane: ESP (RFC 4303) and AH (RFC 4302), in
// tunnel and transport mode, over IPv4 and IPv6, directly over IP or in UDP (RFC
// 3948). It runs where the kernel has no IPsec of its own.
//
// Outbound: the kernel routes a packet into the TUN; the engine reads a batch,
// finds the policy (flowcache.go) and its SAs, protects each packet in place
// (wrap.go) and sends runs of one SA together, so that UDP segmentation offload
// applies. Inbound: a batch from a socket; IKE messages are handed out; packets
// pass the replay window and the ICV (unwrap.go), then the SPD must send them by
// the very SAs they came by (inbound.go), and they are written to the TUN as a
// batch, so that its receive offload applies.
//
// The SPD and the inbound SAs are one immutable snapshot behind an atomic
// pointer (tables.go): the packet path takes no lock and allocates nothing of
// its own. One goroutine reads the TUN and one each socket. An SA in UDP belongs
// to one family, so its replay window has one writer; SAs directly over IP can be
// reached by several sockets and have a lock that is nearly always free.
//
// Not here: IKE, addresses and routes, NAT keepalives. Packets in UDP are sent
// not-ECT with the system's hop limit, the compatibility mode of RFC 6040,
// because the sockets' batches have no place for more. The outer source address
// in UDP is the one that the route to the peer prefers. Fragments are reassembled
// by the kernel before ESP and AH; transport mode does not protect fragments.
package esp
