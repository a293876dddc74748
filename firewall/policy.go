package firewall

import (
	"net/netip"
	"time"
)

// Policy is everything the perimeter must enforce, resolved: device names and
// addresses, no names of objects an admin would have to look up.
type Policy struct {
	Interfaces []Interface
	// Zones are names that rules and defaults may use although no interface is
	// in them at present.
	Zones []string
	// Defaults is the zone matrix: what happens to a new forwarded connection
	// that no rule decides. A pair that is not named is dropped.
	Defaults []Default
	// Rules are exceptions in order; the first that matches decides.
	Rules []Rule
	// Lists are address sets that rules and forwards name.
	Lists []List
	// Forwards lead connections to the gateway's wan addresses to hosts inside.
	// The rules come first: what they drop or reject is not forwarded.
	Forwards []Forward
	// NAT are exceptions to Masquerade in order; the first that matches decides.
	NAT []NAT
	// Masquerade hides IPv4 connections from all zones but wan and vpn behind
	// the address of the wan device they leave by.
	Masquerade bool
	// IKE lists where key exchange, ESP and AH may come in. Nothing else opens
	// UDP 500, UDP 4500 or the protocols 50 and 51.
	IKE []IKEPeer
	// Tunnels are the networks joined by IPsec. Traffic to Remote may leave
	// by TunnelDevice only, and traffic from Remote may enter by it only.
	Tunnels []Tunnel
	// Labels are on what may pass by IPsec alone.
	Labels []Label
	// TunnelZones divide what is behind TunnelDevice into zones of their own;
	// the first that holds an address has it, the rest is the zone "vpn".
	TunnelZones []TunnelZone
	// TunnelDevice is the virtual interface of IPsec ("ipsec0"), the one
	// interface of the zone "vpn".
	TunnelDevice string
	// AdminPorts are TCP ports of this gateway (the page, SSH) that the zone lan
	// and AdminZones may always reach, so that no policy locks its admin out.
	AdminPorts []uint16
	AdminZones []string
	// Protection are the guards of the wan devices.
	Protection Protection
	// Offload lets the kernel pass on the packets of established connections past
	// all rules, where it can (Applier.Offloading): TCP and UDP between devices of
	// Interfaces, but never by one of NoOffload, whose traffic is shaped, and never
	// from or to networks behind tunnels. With HardwareOffload the devices do it,
	// if they can.
	Offload, HardwareOffload bool
	NoOffload                []string
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
	// Mark, of a wan device, is what connections that come in by it and their
	// answers are marked with, so that a routing rule can send the answers back
	// by it. 0: they go where the routes lead.
	Mark uint32
	// ReversePath is the check of sources on this device.
	ReversePath ReversePath
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
	ID       string
	From, To string
	// A source matches if it is in Sources or in one of SourceLists; likewise
	// a destination.
	Sources, Destinations         []netip.Prefix
	SourceLists, DestinationLists []string
	// SourceMACs are the Ethernet addresses a packet may come from. They can be
	// told only of hosts on the link itself, so only with From a zone of
	// interfaces.
	SourceMACs []MAC
	// Services, if there are any, stand in place of Protocol and Ports; one of
	// them must match.
	Services []Service
	Protocol Protocol
	Ports    []PortRange
	// DSCP are Differentiated Services code points, 0 to 63 (RFC 2474 3), in
	// the IPv4 TOS byte or the IPv6 traffic class.
	DSCP []uint8
	// Times are when the rule holds; empty: always.
	Times []TimeSpan
	// Limit bounds what an Allow rule lets through. New connections beyond it
	// are dropped and counted as "over-" and the rule's ID.
	Limit  Limit
	Action Action
	Log    bool
}

// MAC is an Ethernet address.
type MAC [6]byte

// TimeSpan is a part of one day in UTC, which is what the kernel's clock shows.
// Local times are translated by who knows the time zone, again when its offset
// changes; a span over midnight is two.
type TimeSpan struct {
	Day time.Weekday
	// From and To are seconds since midnight, both included, 0 to 86399.
	From, To int
}

// Limit bounds new connections. A zero field is no bound.
type Limit struct {
	// Rate is how many may begin in each Per, which is a second, a minute, an
	// hour or a day, spread evenly; Burst is how many may begin at once for
	// that, 0 means 1. At most Rate+Burst begin within any Per.
	Rate  uint32
	Per   time.Duration
	Burst uint32
	// Open is how many may be open at the same time. Those that were open when
	// the policy was applied are not among them.
	Open uint32
	// PerSource counts each source address by itself, up to 65,535 of them.
	PerSource bool
}

// services are what the rule matches above IP, however it says so.
func (r Rule) services() []Service {
	if len(r.Services) > 0 {
		return r.Services
	}
	return []Service{{Protocol: r.Protocol, Ports: r.Ports}}
}

// Service is what a rule matches above IP.
type Service struct {
	Protocol Protocol
	// Numbers of IP protocols, with OtherProtocol.
	Numbers []NumberRange
	Ports   []PortRange
	// Messages are ICMP and ICMPv6 messages, with ICMP; empty: all of them.
	Messages []Message
}

// NumberRange is an inclusive range of IP protocol numbers.
type NumberRange struct{ First, Last uint8 }

// Message is a type of ICMP (RFC 792) or ICMPv6 (RFC 4443).
type Message struct {
	V6   bool
	Type uint8
	// Code is 0 to 255, or AnyCode.
	Code int
}

// AnyCode stands for all codes of a Message.
const AnyCode = -1

// List is a named set of addresses. It may be empty: then nothing is in it.
type List struct {
	// ID is unique among lists; at most 40 bytes of [a-z0-9-].
	ID     string
	Ranges []Range
	// Live lists change without an apply (Applier.Refill): a name that is
	// looked up again, a list from elsewhere, the addresses of a user.
	Live bool
}

// Range is the addresses from First to Last, both included, of one family.
type Range struct{ First, Last netip.Addr }

// Forward leads new connections to a wan address of the gateway to a host
// inside, also those that come from inside (hairpin).
type Forward struct {
	// ID is unique among rules and forwards.
	ID string
	// Address is the wan address; invalid: all of To's family.
	Address netip.Addr
	// Protocols are TCP, UDP or both.
	Protocols []Protocol
	Ports     PortRange
	// To is the host; ToPort is the port there for the first of Ports, 0 for
	// the same ones.
	To     netip.Addr
	ToPort uint16
	// Sources and SourceLists say who may come; both empty: anybody.
	Sources     []netip.Prefix
	SourceLists []string
	Log         bool
}

// NAT says under which source connections leave by wan devices. It has one of
// Exempt, Address and Outside. What the gateway sends under a wan address of
// its own is never changed.
type NAT struct {
	// ID is unique among NAT.
	ID string
	// Exempt leaves the source as it is.
	Exempt bool
	// Address is the new source, a wan address of the gateway.
	Address netip.Addr
	// Outside stands for the one network of Sources, address by address: what
	// leaves appears there, and what arrives for it is led in, if the rules
	// allow it, also from inside (hairpin). It is as long as the one inside: a
	// host each, or networks. Of IPv6 this is prefix translation (RFC 6296), but
	// with states, and with checksums corrected in the packet instead of in
	// the address. Addresses within a network of a wan device must be the
	// gateway's own, for nobody else answers for them there.
	Outside netip.Prefix
	// Sources and Destinations select what leaves; empty is any.
	Sources, Destinations []netip.Prefix
}

// Protocol is what a rule matches above IP.
type Protocol uint8

// The protocols. ICMP means ICMP over IPv4 and ICMPv6 over IPv6.
const (
	AnyProtocol Protocol = iota
	TCP
	UDP
	ICMP
	OtherProtocol // by number; only in a Service
)

// PortRange is an inclusive range of destination ports.
type PortRange struct{ First, Last uint16 }

// IKEPeer says from where IKE (UDP 500 and 4500) ESP and AH (protocols 50 and 51) are
// let in, on wan devices. A zero Peer means from anywhere.
type IKEPeer struct {
	Peer netip.Addr
}

// TunnelZone is a zone of addresses behind the tunnel device: branches by their
// networks, remote users by their lists.
type TunnelZone struct {
	Zone     string
	Networks []netip.Prefix
	Lists    []string
}

// Tunnel is one pair of network lists joined by IPsec.
type Tunnel struct {
	Name   string
	Local  []netip.Prefix
	Remote []netip.Prefix
}
