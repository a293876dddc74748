package firewall

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// evaluate walks a packet through compiled rules from a chain on, as the kernel
// does. It knows what adminRules writes. It gives the ID that counted the packet
// first and the verdict: both must be the same however rules are grouped.
func (r Ruleset) evaluate(chain string, f Flow) (id, outcome string) {
	at := slices.IndexFunc(r.chains, func(c chainOf) bool { return c.name == chain })
	if at < 0 {
		panic("no chain " + chain)
	}
	for _, line := range r.chains[at].rules {
	statements:
		for _, s := range line.statements {
			matched, to := true, verdict("")
			switch m := s.(type) {
			case family:
				matched = familyOf(f.Source) == m
			case address:
				matched = m.prefix.Contains(m.field.of(f))
			case addressIn:
				matched = familyOf(f.Source) == m.family && slices.ContainsFunc(r.set(m.set).spans, func(s span) bool { return s.holds(span{m.field.of(f), m.field.of(f)}) })
			case transport:
				matched = byte(m) == f.Protocol
			case port:
				matched = byte(m.over) == f.Protocol && within(m.ports, f.Port)
			case portIn:
				key := binary.BigEndian.AppendUint16(nil, f.Port)
				_, in := r.find(m.set, key, len(key))
				matched = byte(m.over) == f.Protocol && in
			case byKey:
				to, matched = "", false
				if m.shape.has&hasFamily == 0 || m.shape.family == familyOf(f.Source) {
					to, matched = r.find(m.set, m.shape.keyOf(f), m.shape.widths()...)
				}
			case count:
				if id == "" {
					id = m.id
				}
			case report:
				matched = false // its limit ends the rule
			case verdict:
				to = m
			case message:
				matched = m == echoRequest(familyOf(f.Source)) && byte(icmpOf(m.family)) == f.Protocol
			case marking:
				matched = m.family == familyOf(f.Source) && m.first <= f.DSCP && f.DSCP <= m.last
			case hardwareSource:
				matched = m.address == f.MAC
			case tracked, meter, perSource:
				matched = false // a new connection within its limit
			case refuse, refuseTCP:
				return id, "reject"
			default:
				panic(fmt.Sprintf("statement %T", s))
			}
			if !matched {
				break statements
			}
			if to == "" {
				continue
			}
			if next, ok := to.chain(); ok {
				in, out := r.evaluate(next, f)
				if id == "" {
					id = in
				}
				return id, out
			}
			return id, to.text()
		}
	}
	return id, "the end"
}

type chainOf = chain

func (v verdict) chain() (string, bool) {
	e := v.expr()
	return e.Chain, e.Chain != ""
}

func (a addressField) of(f Flow) netip.Addr {
	if a == source {
		return f.Source
	}
	return f.Destination
}

func (s shape) keyOf(f Flow) []byte {
	return s.element(&box{has: s.has, src: span{f.Source, f.Source}, dst: span{f.Destination, f.Destination},
		over: transport(f.Protocol), ports: PortRange{f.Port, f.Port}}, "").key
}

func (s shape) widths() (out []int) {
	s.each(func(_ fields, bytes int) {
		if s.concatenated() {
			bytes = (bytes + 3) / 4 * 4
		}
		out = append(out, bytes)
	})
	return out
}

func (r Ruleset) set(name string) set {
	return r.sets[slices.IndexFunc(r.sets, func(s set) bool { return s.name == name })]
}

// find looks a key up, whose fields have these widths. More than one element
// that has it is what the kernel would refuse.
func (r Ruleset) find(name string, key []byte, widths ...int) (to verdict, found bool) {
	s := r.set(name)
	for e := range s.part(0, s.size()) {
		in := bytes.Equal(e.key, key)
		if s.key.interval {
			in = inRange(e, key, widths)
		}
		if in && found {
			panic(fmt.Sprintf("set %s: %x is in two elements", name, key))
		}
		if in {
			to, found = e.verdict, true
		}
	}
	return to, found
}

func inRange(e element, key []byte, widths []int) bool {
	at := 0
	for _, w := range widths {
		if k := key[at : at+w]; bytes.Compare(e.key[at:at+w], k) > 0 || bytes.Compare(k, e.last[at:at+w]) > 0 {
			return false
		}
		at += w
	}
	return true
}
