package sad

import (
	"fmt"
	"net/netip"
	"slices"
)

// SelectorFromPrefix is every protocol and port of one network.
func SelectorFromPrefix(p netip.Prefix) Selector {
	return Selector{First: p.Masked().Addr(), Last: LastOf(p), LastPort: 65535}
}

// LastOf is the highest address of a network.
func LastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Opaque is what a selector's ports are that takes packets whose ports cannot
// be seen, and no others (RFC 4301 section 4.4.1.1).
func (s Selector) Opaque() bool { return s.FirstPort == 65535 && s.LastPort == 0 }

// ContainsAddress is Contains without the ports.
func (s Selector) ContainsAddress(addr netip.Addr, protocol uint8) bool {
	if addr.BitLen() != s.First.BitLen() || addr.Less(s.First) || s.Last.Less(addr) {
		return false
	}
	return s.Protocol == 0 || s.Protocol == protocol
}

// Takes says whether a policy is for packets of a direction.
func (w Way) Takes(out bool) bool { return w == BothWays || (w == Outward) == out }

// Has says whether a packet is of the class.
func (c Class) Has(dscp uint8, label uint32) bool {
	return (len(c.DSCP) == 0 || slices.Contains(c.DSCP, dscp)) && (len(c.FlowLabels) == 0 || slices.Contains(c.FlowLabels, label))
}

// Meets says whether an SA is what a Demand is content with.
func (p *Policy) Meets(sa *SA) bool {
	for i := range p.Admits {
		a := &p.Admits[i]
		if a.Protocol == sa.Protocol && a.Suite.Encryption == sa.Suite.Encryption &&
			a.Suite.KeyBits == sa.Suite.KeyBits && a.Suite.Integrity == sa.Suite.Integrity {
			return true
		}
	}
	return false
}

// Contains says whether a packet with this address, protocol and port
// matches. A packet without ports has port 0.
func (s Selector) Contains(addr netip.Addr, protocol uint8, port uint16) bool {
	return s.ContainsAddress(addr, protocol) && s.FirstPort <= port && port <= s.LastPort
}

// Intersect is what two selectors have in common, for narrowing (RFC 7296
// section 2.9). ok is false if that is nothing.
func Intersect(a, b Selector) (both Selector, ok bool) {
	if a.First.BitLen() != b.First.BitLen() {
		return Selector{}, false
	}
	both = Selector{
		First: a.First, Last: a.Last, Protocol: a.Protocol,
		FirstPort: max(a.FirstPort, b.FirstPort), LastPort: min(a.LastPort, b.LastPort),
	}
	if both.First.Less(b.First) {
		both.First = b.First
	}
	if b.Last.Less(both.Last) {
		both.Last = b.Last
	}
	switch {
	case a.Protocol == 0:
		both.Protocol = b.Protocol
	case b.Protocol != 0 && a.Protocol != b.Protocol:
		return Selector{}, false
	}
	if both.Last.Less(both.First) || both.LastPort < both.FirstPort {
		return Selector{}, false
	}
	return both, true
}

// Within says whether every packet of s also matches t.
func (s Selector) Within(t Selector) bool {
	both, ok := Intersect(s, t)
	return ok && both == s
}

// String is a prefix where the range is one, else first-last, with protocol
// and ports where they are limited.
func (s Selector) String() string {
	text := s.First.String() + "-" + s.Last.String()
	for bits := 0; bits <= s.First.BitLen(); bits++ {
		if p := netip.PrefixFrom(s.First, bits); p.Masked().Addr() == s.First && LastOf(p) == s.Last {
			text = p.String()
			break
		}
	}
	if s.Protocol != 0 {
		text += fmt.Sprintf(" protocol %d", s.Protocol)
	}
	if s.FirstPort != 0 || s.LastPort != 65535 {
		text += fmt.Sprintf(" ports %d-%d", s.FirstPort, s.LastPort)
	}
	return text
}
