package firewall

import (
	"net/netip"
	"slices"
)

// span is an inclusive range of addresses of one family. The kernel refuses
// intervals that overlap, so every list of prefixes becomes disjoint spans.
type span struct{ first, last netip.Addr }

func (s span) String() string {
	if s.first == s.last {
		return s.first.String()
	}
	if p, ok := s.prefix(); ok {
		return p.String()
	}
	return s.first.String() + "-" + s.last.String()
}

// prefix is the span as one prefix, if it is one.
func (s span) prefix() (netip.Prefix, bool) {
	for bits := 0; bits <= s.first.BitLen(); bits++ {
		p := netip.PrefixFrom(s.first, bits)
		if p.Masked() == p && lastOf(p) == s.last {
			return p, true
		}
	}
	return netip.Prefix{}, false
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

// join merges spans that overlap or touch.
func join(in []span) []span {
	slices.SortFunc(in, func(a, b span) int { return a.first.Compare(b.first) })
	var out []span
	for _, s := range in {
		if n := len(out); n > 0 {
			next := out[n-1].last.Next()
			if !next.IsValid() || s.first.Compare(next) <= 0 {
				if s.last.Compare(out[n-1].last) > 0 {
					out[n-1].last = s.last
				}
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// without is what is left of in, both lists disjoint and sorted.
func without(in, remove []span) []span {
	var out []span
	for _, s := range in {
		for _, r := range remove {
			if r.last.Less(s.first) {
				continue
			}
			if s.last.Less(r.first) {
				break
			}
			if s.first.Less(r.first) {
				out = append(out, span{s.first, r.first.Prev()})
			}
			s.first = r.last.Next()
			if !s.first.IsValid() || s.last.Less(s.first) {
				s.first = netip.Addr{}
				break
			}
		}
		if s.first.IsValid() {
			out = append(out, s)
		}
	}
	return out
}
