package network

import "net/netip"

// RouteProtocol marks the routes of Gatehouse in the kernel's tables
// (rtm_protocol), so that a later Apply, also after a crash, knows its own.
const RouteProtocol = 0x67

// Config is the desired state of links, addresses and routes.
type Config struct {
	Links  []Link
	Routes []Route
	// Rules choose another table for some packets.
	Rules []Rule
	// Forwarding turns this host into a router for both families.
	Forwarding bool
	// ProxySYN is what a firewall needs that answers SYNs for hosts behind it:
	// connection tracking takes a connection up by its SYN only, and cookies can
	// be made.
	ProxySYN bool
}

// Link is one device that exists already.
type Link struct {
	Device string
	// MTU in bytes; 0 leaves it.
	MTU       int
	Addresses []netip.Prefix
	// WAN says that this device faces the internet: no router advertisement
	// is accepted and no redirect obeyed on any Link; redirects are not sent
	// either.
	WAN bool
}

// MarkMask are the bits of a packet's mark that are of routing. The others tell the
// kernel's IPsec what it cannot see itself.
const MarkMask = 0xff

// Rule sends packets with a mark by the routes of a table, of both families.
type Rule struct {
	// Mark is at most MarkMask.
	Mark uint32
	// Not means all packets but those with the mark. Such rules come after the
	// others.
	Not bool
	// Table is 1 to 252 or above 255; 0 is none.
	Table int
}

// Route is one entry of a routing table. Destination 0.0.0.0/0 or ::/0 is the
// default route.
type Route struct {
	Destination netip.Prefix
	// Table is 0 for the main table.
	Table int
	// Via is the next hop; invalid for a route to a device or an unreachable
	// one.
	Via netip.Addr
	// Device is the outgoing device; may be empty when Via is set.
	Device string
	// Source is the preferred source address of this host's own packets;
	// may be invalid.
	Source netip.Addr
	// Unreachable makes the kernel refuse the destination instead: the net
	// below a tunnel route, for the time its device is missing.
	Unreachable bool
	// Metric orders routes to the same destination, lower first; 0 means the
	// kernel's default (0 for IPv4, 1024 for IPv6).
	Metric int
}
