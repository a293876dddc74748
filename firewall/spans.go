package firewall

import (
	"net/netip"
	"slices"
)

// span is an inclusive range of addresses of one family. The kernel refuses
// intervals that overlap, so every list of prefixes becomes disjoint spans.
type span = Range

func (s span) String() string {
	if s.First == s.Last {
		return s.First.String()
	}
	if p, ok := s.prefix(); ok {
		return p.String()
	}
	return s.First.String() + "-" + s.Last.String()
}

// prefix is the span as one prefix, if it is one.
func (s span) prefix() (netip.Prefix, bool) {
	for bits := 0; bits <= s.First.BitLen(); bits++ {
		p := netip.PrefixFrom(s.First, bits)
		if p.Masked() == p && lastOf(p) == s.Last {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// RangeOf is all addresses of a prefix.
func RangeOf(p netip.Prefix) Range { return Range{p.Masked().Addr(), lastOf(p)} }

// Join sorts ranges, IPv4 first, and merges those that overlap or touch. It works
// in place: in is spent.
func Join(in []Range) []Range {
	slices.SortFunc(in, func(a, b Range) int { return a.First.Compare(b.First) })
	first6, _ := slices.BinarySearchFunc(in, netip.IPv6Unspecified(), func(r Range, a netip.Addr) int { return r.First.Compare(a) })
	n := len(join(in[:first6]))
	return append(in[:n], join(in[first6:])...)
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// split sorts prefixes by family and makes them disjoint.
func split(prefixes []netip.Prefix) (v4, v6 []span) {
	for _, p := range prefixes {
		s := span{p.Masked().Addr(), lastOf(p)}
		if p.Addr().Is4() {
			v4 = append(v4, s)
		} else {
			v6 = append(v6, s)
		}
	}
	return join(v4), join(v6)
}

// join merges spans that overlap or touch. It works in place: in is spent.
func join(in []span) []span {
	slices.SortFunc(in, func(a, b span) int { return a.First.Compare(b.First) })
	out := in[:0]
	for _, s := range in {
		if n := len(out); n > 0 && !apart(out[n-1], s) {
			if s.Last.Compare(out[n-1].Last) > 0 {
				out[n-1].Last = s.Last
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// apart says that b comes behind a with at least one address between them.
func apart(a, b span) bool {
	next := a.Last.Next()
	return next.IsValid() && next.Less(b.First)
}

// without is what is left of in, both lists disjoint and sorted.
func without(in, remove []span) []span {
	var out []span
	for _, s := range in {
		for _, r := range remove {
			if r.Last.Less(s.First) {
				continue
			}
			if s.Last.Less(r.First) {
				break
			}
			if s.First.Less(r.First) {
				out = append(out, span{s.First, r.First.Prev()})
			}
			s.First = r.Last.Next()
			if !s.First.IsValid() || s.Last.Less(s.First) {
				s.First = netip.Addr{}
				break
			}
		}
		if s.First.IsValid() {
			out = append(out, s)
		}
	}
	return out
}
