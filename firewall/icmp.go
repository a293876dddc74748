package firewall

import (
	"slices"
	"strconv"

	"github.com/google/nftables/expr"
)

// What RFC 4890 says of ICMPv6, and the same sense in ICMP:
//
//   - errors about a connection pass with it, forwarded (4.3.1, 4.3.2) and to
//     the gateway (4.4.1, 4.4.2): connection tracking calls them related. An
//     error about nothing it knows is invalid.
//   - pings are the policy's; see Protection.
//   - what speaks of a link is for that link alone (4.3.3), and what could move
//     routes or ask out hosts is for nobody (4.3.5): never forwarded, and a
//     redirect does not reach the gateway either.
//   - the rest (Mobile IPv6, Seamoby) is up to the rules.
const (
	setErrors4 = "icmp_errors4"
	setErrors6 = "icmp_errors6"
	setNever4  = "never_forwarded4"
	setNever6  = "never_forwarded6"
)

// What no gateway passes on, by type. Of ICMP: source quench (RFC 6633),
// redirect, router discovery (RFC 1256). Of ICMPv6: unassigned and experimental
// errors; MLD, Neighbor Discovery, redirects, renumbering and node information;
// SEND; router discovery and the unassigned and experimental rest.
var (
	never4 = []NumberRange{{4, 5}, {9, 10}}
	never6 = []NumberRange{{0, 0}, {5, 127}, {130, 143}, {148, 149}, {151, 255}}
)

// neverForwarded says whether no gateway passes a message on.
func neverForwarded(f family, kind uint8) bool {
	all := never4
	if f == ipv6 {
		all = never6
	}
	return slices.ContainsFunc(all, func(r NumberRange) bool { return r.First <= kind && kind <= r.Last })
}

// messageSets adds the sets of ICMP types that every ruleset has.
func (c *compiler) messageSets() {
	c.out.addSet(neighborDiscovery())
	c.out.addSet(messageSet(setNever4, ipv4, never4))
	c.out.addSet(messageSet(setNever6, ipv6, never6))
}

// errorSets adds the sets of errors (RFC 792, RFC 4443 2.1).
func (c *compiler) errorSets() {
	c.setOnce(messageSet(setErrors4, ipv4, []NumberRange{{3, 3}, {11, 12}}))
	c.setOnce(messageSet(setErrors6, ipv6, []NumberRange{{1, 4}}))
}

// neverForwarded refuses what no gateway passes on.
func (c *compiler) neverForwarded() []rule {
	refused := c.end(idICMP, Drop)
	return []rule{when(icmpIn{ipv4, setNever4}, refused), when(icmpIn{ipv6, setNever6}, refused)}
}

// related is the chain for the first packets that belong to another connection,
// which is where errors and redirects come.
func (c *compiler) related() verdict {
	const name = "related"
	if !c.ends[name] {
		c.ends[name] = true
		c.out.addChain(name, nil, append(c.neverForwarded(), when(accept))...)
	}
	return goTo(name)
}

// linkMessages are what the gateway must hear from its links (RFC 4890 4.4.1).
func linkMessages() []rule {
	return []rule{
		when(icmpIn{ipv6, setND}, onLink{}, accept),
		when(address{source, linkLocal6}, icmpIn{ipv6, setMLD}, accept),
	}
}

// atMost matches as long as no more packets come than this in a second.
type atMost struct{ perSecond uint32 }

func (m atMost) text() string {
	return "limit rate " + strconv.Itoa(int(m.perSecond)) + "/second burst " + strconv.Itoa(int(m.perSecond)) + " packets"
}

func (m atMost) exprs(setNames) []expr.Any {
	return []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(m.perSecond), Unit: expr.LimitTimeSecond, Burst: m.perSecond}}
}

// notFirst matches TCP that does not begin a connection (RFC 9293 3.5): a new
// one is a SYN and nothing else.
type notFirst struct{}

func (notFirst) text() string { return "tcp flags & (fin | syn | rst | ack) != syn" }
func (notFirst) exprs(n setNames) []expr.Any {
	return append(overTCP.exprs(n), append(tcpFlags(tcpFlagFIN|tcpFlagSYN|tcpFlagRST|tcpFlagACK),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: []byte{tcpFlagSYN}})...)
}

// tcpFlags loads some flags of a TCP header.
func tcpFlags(mask byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlagsAt, Len: 1},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 1, Mask: []byte{mask}, Xor: []byte{0}},
	}
}
