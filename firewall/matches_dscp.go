package firewall

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables/expr"
)

// marking matches a range of Differentiated Services code points (RFC 2474 3):
// the upper six bits of the IPv4 TOS byte or of the IPv6 traffic class, which
// lies across the second and third half byte of the header. A range and not a
// set, because the library cannot shift bits before a look-up.
type marking struct {
	family      family
	first, last uint8
}

func (m marking) text() string {
	name := "ip dscp "
	if m.family == ipv6 {
		name = "ip6 dscp "
	}
	if m.first == m.last {
		return fmt.Sprintf("%s%d", name, m.first)
	}
	return fmt.Sprintf("%s%d-%d", name, m.first, m.last)
}

func (m marking) exprs(n setNames) []expr.Any {
	load := &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: 1, Len: 1}
	at := func(point uint8) []byte { return []byte{point << 2} }
	if m.family == ipv6 {
		load.Offset, load.Len = 0, 2
		at = func(point uint8) []byte { return binary.BigEndian.AppendUint16(nil, uint16(point)<<6) }
	}
	const all = 63
	out := append(m.family.exprs(n), load, &expr.Bitwise{
		SourceRegister: register, DestRegister: register, Len: load.Len, Mask: at(all), Xor: make([]byte, load.Len),
	})
	if m.first == m.last {
		return append(out, equals(at(m.first)))
	}
	return append(out, atLeastAtMost(at(m.first), at(m.last))...)
}

// markings matches code points: each run of consecutive ones is an alternative.
func markings(points []uint8, f family) alternatives {
	if len(points) == 0 {
		return anything()
	}
	var ranges []NumberRange
	for _, p := range points {
		ranges = append(ranges, NumberRange{p, p})
	}
	var out alternatives
	for _, r := range disjointNumbers(ranges) {
		out = append(out, []statement{marking{f, r.First, r.Last}})
	}
	return out
}
