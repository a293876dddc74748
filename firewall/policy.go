package firewall

import "net/netip"

// Policy is everything the perimeter must enforce, resolved: device names and
// addresses, no names of objects an admin would have to look up.
type Policy struct {
	Interfaces []Interface
	// Defaults is the zone matrix: what happens to a new forwarded connection
	// that no rule decides. A pair that is not named is dropped.
	Defaults []Default
	// Rules are exceptions in order; the first that matches decides.
	Rules []Rule
	// Masquerade hides IPv4 connections from lan zones behind the address of
	// the wan device they leave by.
	Masquerade bool
	// IKE lists where key exchange and ESP may come in. Nothing else opens
	// UDP 500, UDP 4500 or protocol 50.
	IKE []IKEPeer
	// Tunnels are the networks joined by IPsec. Traffic to Remote may leave
	// by TunnelDevice only, and traffic from Remote may enter by it only.
	Tunnels []Tunnel
	// TunnelDevice is the virtual interface of IPsec ("ipsec0"), the one
	// interface of the zone "vpn".
	TunnelDevice string
	// AdminPorts are TCP ports of this gateway (the page, SSH) that the lan
	// zone may always reach, so that no policy locks its admin out.
	AdminPorts []uint16
	// LogGroup is the nflog group that dropped packets are reported to.
	LogGroup uint16
}

// The zone names with a meaning of their own here.
const (
	ZoneWAN     = "wan"
	ZoneLAN     = "lan"
	ZoneVPN     = "vpn"
	ZoneGateway = "gateway" // the gateway itself, as a rule's target
)

// Interface is one device and the zone it belongs to.
type Interface struct {
	Device string
	Zone   string
	// Addresses are the gateway's own with their networks' lengths. Packets
	// that arrive on a lan device must come from one of these networks;
	// packets that arrive on a wan device must not come from a lan network.
	Addresses []netip.Prefix
	// Routed are further networks behind this device (static routes).
	Routed []netip.Prefix
}

// Action is a verdict for a new connection.
type Action uint8

// The actions. The zero Action is Drop, so that a forgotten field fails closed.
const (
	Drop Action = iota
	Reject
	Allow
)

// Default is one cell of the zone matrix.
type Default struct {
	From, To string
	Action   Action
}

// Rule is one exception. Empty lists and zero fields match anything.
type Rule struct {
	// ID names the rule in the kernel's comment, the log and the counters; at
	// most 40 bytes of [a-z0-9-].
	ID           string
	From, To     string
	Sources      []netip.Prefix
	Destinations []netip.Prefix
	Protocol     Protocol
	Ports        []PortRange
	Action       Action
	Log          bool
}

// Protocol is what a rule matches above IP.
type Protocol uint8

// The protocols. ICMP means ICMP over IPv4 and ICMPv6 over IPv6.
const (
	AnyProtocol Protocol = iota
	TCP
	UDP
	ICMP
)

// PortRange is an inclusive range of destination ports.
type PortRange struct{ First, Last uint16 }

// IKEPeer says from where IKE (UDP 500 and 4500) and ESP (protocol 50) are let
// in, on wan devices. A zero Peer means from anywhere.
type IKEPeer struct {
	Peer netip.Addr
}

// Tunnel is one pair of network lists joined by IPsec.
type Tunnel struct {
	Name   string
	Local  []netip.Prefix
	Remote []netip.Prefix
}
