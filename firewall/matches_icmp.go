package firewall

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// icmpOf is ICMP over one version of IP.
func icmpOf(f family) transport {
	if f == ipv6 {
		return overICMPv6
	}
	return overICMP
}

func messageKeyword(f family) string {
	if f == ipv6 {
		return "icmpv6"
	}
	return "icmp"
}

// loadMessage reads the first bytes of ICMP, the type and then the code (RFC
// 792, RFC 4443 2.1), behind the matches that say that it is ICMP.
func loadMessage(f family, length uint32, n setNames) []expr.Any {
	return append(append(f.exprs(n), icmpOf(f).exprs(n)...),
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: length})
}

// The types of a ping (RFC 792, RFC 4443 4.1).
const (
	echoRequest4 = 8
	echoRequest6 = 128
)

// echoRequest matches a ping.
func echoRequest(f family) message {
	if f == ipv6 {
		return message{f, echoRequest6}
	}
	return message{f, echoRequest4}
}

// message matches one type of ICMP. Names of types differ between versions of
// nft, so the text has numbers for all but the ping.
type message struct {
	family family
	kind   uint8
}

func (m message) text() string {
	kind := strconv.Itoa(int(m.kind))
	if m == echoRequest(m.family) {
		kind = "echo-request"
	}
	return messageKeyword(m.family) + " type " + kind
}

func (m message) exprs(n setNames) []expr.Any {
	return append(loadMessage(m.family, 1, n), equals([]byte{m.kind}))
}

// icmpIn matches a set of types of ICMP.
type icmpIn struct {
	family family
	set    string
}

func (m icmpIn) text() string { return messageKeyword(m.family) + " type @" + m.set }
func (m icmpIn) exprs(n setNames) []expr.Any {
	return append(loadMessage(m.family, 1, n), inSet(n, m.set))
}

// messageCode matches one code of one type.
type messageCode struct {
	family     family
	kind, code uint8
}

func (m messageCode) text() string {
	k := messageKeyword(m.family)
	return k + " type " + strconv.Itoa(int(m.kind)) + " " + k + " code " + strconv.Itoa(int(m.code))
}

func (m messageCode) exprs(n setNames) []expr.Any {
	return append(loadMessage(m.family, 2, n), equals([]byte{m.kind, m.code}))
}

func keyICMPv4() keyKind {
	return keyKind{"icmp_type", nftables.TypeICMPType, false, binaryutil.BigEndian}
}

// messageSet is a set of types of ICMP.
func messageSet(name string, f family, types []NumberRange) set {
	s := set{name: name, key: keyICMPv4()}
	if f == ipv6 {
		s.key = keyICMPv6()
	}
	s.key.interval = true
	for _, t := range types {
		s.elements = append(s.elements, element{label: t.text(), key: []byte{t.First}, last: []byte{t.Last}})
	}
	return s
}

func sortedKeys[K cmp.Ordered](m map[K]bool) []K { return slices.Sorted(maps.Keys(m)) }
