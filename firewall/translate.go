package firewall

import (
	"fmt"
	"net/netip"
	"strconv"
)

// alternatives are the ways in which a packet may match one part of a rule,
// each of them statements that must all hold. Without any it never matches.
type alternatives [][]statement

// anything is the part of a rule that says nothing: every packet matches.
func anything() alternatives { return alternatives{nil} }

// and is every alternative with every one of another part.
func (a alternatives) and(b alternatives) alternatives {
	var out alternatives
	for _, first := range a {
		for _, second := range b {
			both := make([]statement, 0, len(first)+len(second))
			out = append(out, append(append(both, first...), second...))
		}
	}
	return out
}

// translate writes one rule: once for each way in which it can match.
func (c *compiler) translate(r Rule) ([]rule, error) {
	families := []family{ipv4, ipv6}
	if len(r.Sources)+len(r.SourceLists)+len(r.Destinations)+len(r.DestinationLists)+len(r.DSCP) == 0 {
		families = []family{eitherFamily}
	}
	ending := c.ending(r)
	c.out.weekly = c.out.weekly || len(r.Times) > 0
	var out []rule
	for _, f := range families {
		ways := c.addresses("rule_"+r.ID+"_src", source, f, r.Sources, r.SourceLists).
			and(c.addresses("rule_"+r.ID+"_dst", destination, f, r.Destinations, r.DestinationLists)).
			and(c.aboveIP(r, f)).and(markings(r.DSCP, f)).and(c.hardware(r)).and(moments(r.Times))
		for _, matches := range ways {
			out = append(out, rule{comment: r.ID, statements: append(matches, ending...)})
		}
	}
	if len(out) == 0 && len(r.SourceLists)+len(r.DestinationLists) == 0 {
		return nil, fmt.Errorf("rule %s: its sources and destinations, or what it matches above IP, have no IP version in common, so it would never match", r.ID)
	}
	return out, nil
}

// ending is what becomes of a packet that matches.
func (c *compiler) ending(r Rule) []statement {
	var passes []statement
	if r.Action == Allow && !r.Log {
		passes = []statement{c.count(r.ID), accept}
	} else {
		passes = []statement{c.end(r.ID, r.Action)}
	}
	if r.Limit == (Limit{}) {
		return passes
	}
	return []statement{c.within(r, passes)}
}

// addresses matches one side of a rule in one family: each alternative is a
// match of its own. A rule that names addresses, but none of this family, has
// no alternative. The name is that of the set, if it takes one.
func (c *compiler) addresses(name string, field addressField, f family, networks []netip.Prefix, lists []string) alternatives {
	if len(networks)+len(lists) == 0 {
		return anything()
	}
	var out alternatives
	if m := c.inSpans(name, field, f, newPool(networks)); m != nil {
		out = append(out, m)
	}
	for _, l := range lists {
		if c.live[l] {
			out = append(out, []statement{addressIn{field, f, listName(l) + f.digit()}})
		} else if m := c.inSpans(listName(l), field, f, c.lists[l]); m != nil {
			out = append(out, m)
		}
	}
	return out
}

// inSpans matches a field against a list of addresses; nil if it has none of
// the family. The name is that of the set, if it takes one.
func (c *compiler) inSpans(name string, field addressField, f family, p pool) []statement {
	spans := p.of(f)
	if len(spans) == 0 {
		return nil
	}
	if len(spans) == 1 {
		if prefix, ok := spans[0].prefix(); ok {
			if prefix.Bits() == 0 {
				return []statement{f}
			}
			return []statement{address{field, prefix}}
		}
	}
	name += f.digit()
	c.setOnce(addressSet(name, spans))
	return []statement{addressIn{field, f, name}}
}

// aboveIP matches the services of a rule.
func (c *compiler) aboveIP(r Rule, f family) alternatives {
	var out alternatives
	for i, s := range r.services() {
		name := "rule_" + r.ID + "_"
		nth := ""
		if i > 0 {
			nth = strconv.Itoa(i + 1)
		}
		switch s.Protocol {
		case AnyProtocol:
			out = append(out, nil)
		case OtherProtocol:
			out = append(out, c.numbered(name+"protocols"+nth, s.Numbers))
		case ICMP:
			out = append(out, c.messages(name, nth, s.Messages, f)...)
		case TCP:
			out = append(out, c.ported(name+"ports"+nth, overTCP, s.Ports))
		case UDP:
			out = append(out, c.ported(name+"ports"+nth, overUDP, s.Ports))
		}
	}
	return out
}

// ported matches a protocol with its destination ports.
func (c *compiler) ported(name string, over transport, all []PortRange) []statement {
	switch ports := disjointPorts(all); len(ports) {
	case 0:
		return []statement{over}
	case 1:
		return []statement{port{over, destination, ports[0]}}
	}
	c.setOnce(portSet(name, all))
	return []statement{portIn{over, destination, name}}
}

// numbered matches protocols by number.
func (c *compiler) numbered(name string, all []NumberRange) []statement {
	numbers := disjointNumbers(all)
	if len(numbers) == 1 && numbers[0].First == numbers[0].Last {
		return []statement{transport(numbers[0].First)}
	}
	if len(numbers) == 1 {
		return []statement{transports(numbers[0])}
	}
	c.setOnce(numberSet(name, numbers))
	return []statement{transportIn{name}}
}

// messages matches ICMP in one family or in both: messages with any code by
// their type, or the set of their types, each of the others by itself.
func (c *compiler) messages(name, nth string, all []Message, f family) alternatives {
	switch {
	case f == eitherFamily && len(all) == 0:
		return alternatives{{ipv4, overICMP}, {ipv6, overICMPv6}}
	case f == eitherFamily:
		return append(c.messages(name, nth, all, ipv4), c.messages(name, nth, all, ipv6)...)
	case len(all) == 0:
		return alternatives{{icmpOf(f)}}
	}
	var out alternatives
	types := map[uint8]bool{}
	var ranges []NumberRange
	for _, m := range all {
		if m.V6 == (f == ipv6) && m.Code == AnyCode {
			types[m.Type] = true
			ranges = append(ranges, NumberRange{m.Type, m.Type})
		}
	}
	switch ranges = disjointNumbers(ranges); {
	case len(types) == 1:
		out = append(out, []statement{message{f, ranges[0].First}})
	case len(types) > 1:
		set := messageSet(name+"types"+nth+"_"+f.digit(), f, ranges)
		c.setOnce(set)
		out = append(out, []statement{icmpIn{f, set.name}})
	}
	coded := map[uint16]bool{}
	for _, m := range all {
		if m.V6 == (f == ipv6) && m.Code != AnyCode && !types[m.Type] {
			coded[uint16(m.Type)<<8|uint16(m.Code)] = true
		}
	}
	for _, tc := range sortedKeys(coded) {
		out = append(out, []statement{messageCode{f, uint8(tc >> 8), uint8(tc)}})
	}
	return out
}

// hardware matches the Ethernet addresses of a rule.
func (c *compiler) hardware(r Rule) alternatives {
	switch len(r.SourceMACs) {
	case 0:
		return anything()
	case 1:
		return alternatives{{hardwareSource{r.SourceMACs[0]}}}
	}
	name := "rule_" + r.ID + "_macs"
	c.setOnce(hardwareSet(name, r.SourceMACs))
	return alternatives{{hardwareSourceIn{name}}}
}
