package firewall

import (
	"encoding/binary"
	"net/netip"
)

// fields are header fields that a match looks at.
type fields byte

const (
	hasFamily fields = 1 << iota
	hasSource
	hasDestination
	hasTransport
	hasPort
)

// box is packets whose fields lie in ranges. A field that it does not have may
// be anything.
type box struct {
	has      fields
	family   family
	src, dst span
	over     transport
	ports    PortRange
}

// apart says that no packet is in both.
func (b *box) apart(o *box) bool {
	both := b.has & o.has
	return both&hasFamily != 0 && b.family != o.family ||
		both&hasTransport != 0 && b.over != o.over ||
		both&hasPort != 0 && (b.ports.Last < o.ports.First || o.ports.Last < b.ports.First) ||
		both&hasDestination != 0 && !b.dst.meets(o.dst) ||
		both&hasSource != 0 && !b.src.meets(o.src)
}

// holds says that every packet of o is in b.
func (b *box) holds(o *box) bool {
	return b.has&^o.has == 0 &&
		(b.has&hasFamily == 0 || b.family == o.family) &&
		(b.has&hasTransport == 0 || b.over == o.over) &&
		(b.has&hasPort == 0 || b.ports.First <= o.ports.First && o.ports.Last <= b.ports.Last) &&
		(b.has&hasDestination == 0 || b.dst.holds(o.dst)) &&
		(b.has&hasSource == 0 || b.src.holds(o.src))
}

func (s span) meets(o span) bool { return !s.Last.Less(o.First) && !o.Last.Less(s.First) }
func (s span) holds(o span) bool { return !o.First.Less(s.First) && !s.Last.Less(o.Last) }

// exact says that each field has one value.
func (b *box) exact() bool {
	return (b.has&hasSource == 0 || b.src.First == b.src.Last) && (b.has&hasDestination == 0 || b.dst.First == b.dst.Last) &&
		(b.has&hasPort == 0 || b.ports.First == b.ports.Last)
}

// singles adds the boxes of one value for each field that make up b, unless
// that makes out longer than most.
func (b *box) singles(out []box, most int) ([]box, bool) {
	src, dst, ports := []span{b.src}, []span{b.dst}, []PortRange{b.ports}
	ok := true
	if b.has&hasSource != 0 {
		src, ok = b.src.singles(most)
	}
	if ok && b.has&hasDestination != 0 {
		dst, ok = b.dst.singles(most)
	}
	if !ok || len(out)+len(src)*len(dst)*(int(b.ports.Last-b.ports.First)+1) > most {
		return nil, false
	}
	if b.has&hasPort != 0 {
		ports = ports[:0]
		for p := int(b.ports.First); p <= int(b.ports.Last); p++ {
			ports = append(ports, PortRange{uint16(p), uint16(p)})
		}
	}
	return b.times(out, src, dst, ports), true
}

// times adds b with each combination of these in place of its own.
func (b *box) times(out []box, src, dst []span, ports []PortRange) []box {
	for _, s := range src {
		for _, d := range dst {
			for _, p := range ports {
				one := *b
				one.src, one.dst, one.ports = s, d, p
				out = append(out, one)
			}
		}
	}
	return out
}

func (s span) singles(most int) (out []span, ok bool) {
	for a := s.First; len(out) <= most; a = a.Next() {
		out = append(out, span{a, a})
		if a == s.Last {
			return out, len(out) <= most
		}
	}
	return nil, false
}

// lookUp finds what a named set holds, if that is known and stays so.
type lookUp func(set string) (*set, bool)

// read gives the packets that a rule matches and the statements that it does
// with them. Exact says that the boxes are neither more nor less than what
// comes so far; otherwise they are more, and rest begins with a match.
func (r rule) read(known lookUp) (boxes []box, rest []statement, exact bool) {
	b := box{}
	src, dst, ports := []span{{}}, []span{{}}, []PortRange{{}}
	bind := func(f fields) bool {
		if b.has&f != 0 {
			return false // a field that is matched twice: the first is enough
		}
		b.has |= f
		return true
	}
	ofFamily := func(f family) bool { return bind(hasFamily) || b.family == f }
	exact = true
	i := 0
reading:
	for ; i < len(r.statements); i++ {
		switch m := r.statements[i].(type) {
		case family:
			if !ofFamily(m) {
				exact = false
				break reading
			}
			b.family = m
		case address:
			if !b.address(m.field, familyOf(m.prefix.Addr()), bind) {
				exact = false
				break reading
			}
			side := []span{{m.prefix.Masked().Addr(), lastOf(m.prefix)}}
			if m.field == source {
				src = side
			} else {
				dst = side
			}
		case addressIn:
			s, ok := known(m.set)
			if !ok || !b.address(m.field, m.family, bind) {
				exact = false
				break reading
			}
			if m.field == source {
				src = s.spans
			} else {
				dst = s.spans
			}
		case transport:
			if !bind(hasTransport) {
				exact = false
				break reading
			}
			b.over = m
		case port:
			if m.field != destination || !bind(hasTransport|hasPort) {
				exact = false
				break reading
			}
			b.over, ports = m.over, []PortRange{m.ports}
		case portIn:
			s, ok := known(m.set)
			if !ok || m.field != destination || !bind(hasTransport|hasPort) {
				exact = false
				break reading
			}
			b.over, ports = m.over, nil
			for _, e := range s.elements {
				ports = append(ports, PortRange{binary.BigEndian.Uint16(e.key), binary.BigEndian.Uint16(e.last)})
			}
		default:
			break reading
		}
	}
	rest = r.statements[i:]
	if len(src)*len(dst)*len(ports) > mostElements {
		src, dst, ports = []span{hull(src)}, []span{hull(dst)}, []PortRange{{ports[0].First, ports[len(ports)-1].Last}}
		exact = false
	}
	return b.times(nil, src, dst, ports), rest, exact
}

// address binds a side and the family that goes with it.
func (b *box) address(field addressField, f family, bind func(fields) bool) bool {
	side := hasSource
	if field == destination {
		side = hasDestination
	}
	if b.has&side != 0 || b.has&hasFamily != 0 && b.family != f {
		return false
	}
	bind(side)
	b.has |= hasFamily
	b.family = f
	return true
}

// hull is the least span around all, which are in order.
func hull(all []span) span {
	if len(all) == 0 {
		return span{netip.Addr{}, netip.Addr{}}
	}
	return span{all[0].First, all[len(all)-1].Last}
}

// without is what is left of b when the packets of o are taken away; false if
// that cannot be said in boxes.
func (b box) without(o *box) (out []box, ok bool) {
	rest := b // what is in all fields so far in o, too
	if o.has&hasTransport != 0 && rest.has&hasTransport == 0 {
		return nil, false // all protocols but one
	}
	if o.has&hasFamily != 0 && rest.has&hasFamily == 0 {
		other := rest
		other.has |= hasFamily
		other.family = ipv4 + ipv6 - o.family
		out = append(out, other)
		rest.has |= hasFamily
		rest.family = o.family
	}
	if o.has&hasPort != 0 {
		if rest.has&hasPort == 0 {
			rest.has |= hasPort
			rest.ports = PortRange{0, 65535}
		}
		if rest.ports.First < o.ports.First {
			below := rest
			below.ports.Last = o.ports.First - 1
			out = append(out, below)
		}
		if rest.ports.Last > o.ports.Last {
			above := rest
			above.ports.First = o.ports.Last + 1
			out = append(out, above)
		}
		rest.ports = PortRange{max(rest.ports.First, o.ports.First), min(rest.ports.Last, o.ports.Last)}
	}
	for _, side := range []struct {
		has  fields
		mine func(*box) *span
		cut  span
	}{{hasSource, func(b *box) *span { return &b.src }, o.src}, {hasDestination, func(b *box) *span { return &b.dst }, o.dst}} {
		if o.has&side.has == 0 {
			continue
		}
		mine := side.mine(&rest)
		if rest.has&side.has == 0 {
			rest.has |= side.has
			*mine = everywhere(rest.family)
		}
		if mine.First.Less(side.cut.First) {
			below := rest
			side.mine(&below).Last = side.cut.First.Prev()
			out = append(out, below)
		}
		if side.cut.Last.Less(mine.Last) {
			above := rest
			side.mine(&above).First = side.cut.Last.Next()
			out = append(out, above)
		}
		if mine.First.Less(side.cut.First) {
			mine.First = side.cut.First
		}
		if side.cut.Last.Less(mine.Last) {
			mine.Last = side.cut.Last
		}
	}
	return out, true
}

// everywhere is all addresses of a family.
func everywhere(f family) span {
	p := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if f == ipv6 {
		p = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return span{p.Addr(), lastOf(p)}
}
