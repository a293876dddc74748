package planetest

import (
	"net/netip"
	"slices"
	"testing"

	"gatehouse/ipsec/sad"
)

// Selecting is a policy for some packets, with one that it is for and one that it
// is not for.
type Selecting struct {
	Name string
	// Only4 and Only6 are families of which it is.
	Only4, Only6 bool
	// Source and Destination limit what the policy is for, seen by who sends.
	Source, Destination func(sad.Selector) []sad.Selector
	Class               sad.Class
	Label               bool
	// Partly says that it is for a part of the packet only, so that this cannot
	// arrive.
	Partly    bool
	Is, Other Packet
}

func ports(ranges ...[2]uint16) func(sad.Selector) []sad.Selector {
	return over(udp, ranges...)
}

func over(protocol uint8, ranges ...[2]uint16) func(sad.Selector) (out []sad.Selector) {
	return func(s sad.Selector) (out []sad.Selector) {
		for _, r := range ranges {
			s.Protocol, s.FirstPort, s.LastPort = protocol, r[0], r[1]
			out = append(out, s)
		}
		return out
	}
}

func protocols(numbers ...uint8) func(sad.Selector) (out []sad.Selector) {
	return func(s sad.Selector) (out []sad.Selector) {
		for _, n := range numbers {
			s.Protocol = n
			out = append(out, s)
		}
		return out
	}
}

// Selectings are each selector that a policy can have beside addresses.
func Selectings() []Selecting {
	plain := Packet{Protocol: udp, Source: 4000, Destination: 5000}
	with := func(f func(*Packet)) Packet { p := plain; f(&p); return p }
	to := func(port uint16) Packet { return with(func(p *Packet) { p.Destination = port }) }
	everyPort := []([2]uint16){}
	for port := uint16(1001); port < 1201; port += 2 {
		everyPort = append(everyPort, [2]uint16{port, port})
	}
	opaque := [2]uint16{65535, 0}
	return []Selecting{
		{Name: "one port", Destination: ports([2]uint16{7000, 7000}), Is: to(7000), Other: to(7001)},
		{Name: "the source port", Source: ports([2]uint16{4001, 4001}), Is: with(func(p *Packet) { p.Source = 4001 }), Other: plain},
		{Name: "a range of ports that is no mask", Destination: ports([2]uint16{7001, 7999}), Is: to(7999), Other: to(8000)},
		{Name: "a long list of ports", Destination: ports(everyPort...), Is: to(1199), Other: to(1200)},
		{Name: "a list of protocols", Source: protocols(gre, sctpLike), Destination: protocols(gre, sctpLike), Is: Packet{Protocol: sctpLike}, Other: plain},
		{Name: "a code point of TOS or traffic class", Class: sad.Class{DSCP: []uint8{46, 10}}, Is: with(func(p *Packet) { p.DSCP = 46 }), Other: with(func(p *Packet) { p.DSCP = 47 })},
		{Name: "a flow label", Only6: true, Class: sad.Class{FlowLabels: []uint32{0xabcde}}, Is: with(func(p *Packet) { p.FlowLabel = 0xabcde }), Other: with(func(p *Packet) { p.FlowLabel = 0xabcdf })},
		{Name: "a code point and a port", Destination: ports([2]uint16{7000, 7000}), Class: sad.Class{DSCP: []uint8{46}},
			Is: with(func(p *Packet) { p.DSCP, p.Destination = 46, 7000 }), Other: with(func(p *Packet) { p.DSCP, p.Destination = 46, 7001 })},
		{Name: "some types of ICMP", Only4: true, Source: over(icmp, [2]uint16{40 << 8, 42<<8 | 3}), Destination: over(icmp, [2]uint16{40 << 8, 42<<8 | 3}),
			Is: Packet{Protocol: icmp, Type: 42, Code: 3}, Other: Packet{Protocol: icmp, Type: 42, Code: 4}},
		{Name: "some types of ICMPv6", Only6: true, Source: over(icmp6, [2]uint16{200 << 8, 201<<8 | 3}), Destination: over(icmp6, [2]uint16{200 << 8, 201<<8 | 3}),
			Is: Packet{Protocol: icmp6, Type: 201, Code: 3}, Other: Packet{Protocol: icmp6, Type: 201, Code: 4}},
		{Name: "what hides its ports", Source: over(udp, opaque), Destination: over(udp, opaque), Partly: true, Is: with(func(p *Packet) { p.Fragments = true }), Other: plain},
		{Name: "a label", Destination: ports([2]uint16{7000, 7000}), Label: true, Is: to(7000), Other: to(7001)},
	}
}

// limit makes a policy for what the row says. all are the selectors without it.
func (s Selecting) limit(p sad.Policy, outward bool, source, destination []sad.Selector) sad.Policy {
	each := func(all []sad.Selector, f func(sad.Selector) []sad.Selector) (out []sad.Selector) {
		for _, one := range all {
			if f == nil {
				out = append(out, one)
			} else {
				out = append(out, f(one)...)
			}
		}
		return out
	}
	p.LocalTS, p.RemoteTS = source, destination
	if !s.Label {
		p.LocalTS, p.RemoteTS, p.Class = each(source, s.Source), each(destination, s.Destination), s.Class
	} else {
		p.Labels = []string{"secret"}
	}
	if !outward {
		p.LocalTS, p.RemoteTS = p.RemoteTS, p.LocalTS
	}
	return p
}

// spd is a policy for what the row says, and one for all the rest.
func (s Selecting) spd(l Link, t testing.TB, outward bool, source, destination []sad.Selector, is, rest sad.Policy) (out []sad.Policy) {
	is.Way, rest.Way = sad.Inward, sad.Inward
	if outward {
		is.Way, rest.Way = sad.Outward, sad.Outward
	}
	if s.Label {
		gives := sad.Policy{ID: 10, Name: "secret", Action: sad.Demand, Admits: []sad.Protection{{Protocol: l.Needs[0].Protocol, Suite: Suite(t, l.Needs[0].Protocol, l.Suites[0])}}}
		s.Label = false
		gives = s.limit(gives, outward, source, destination)
		s.Label = true
		gives.Labels = []string{"secret"}
		out = append(out, gives)
	}
	rest.LocalTS, rest.RemoteTS = source, destination
	if !outward {
		rest.LocalTS, rest.RemoteTS = destination, source
	}
	return append(out, s.limit(is, outward, source, destination), rest)
}

// Select shows, of a link that is bound, that a policy takes the packets that it is
// for and no others, on their way out and on their way in: protected or discarded,
// with the contrary for all the rest.
func (l Link) Select(t *testing.T, hosts [2]*Host, s Selecting) {
	source, destination := l.selectors(hosts[0], hosts[1])
	protect := sad.Policy{ID: 1, Name: "protect", Action: sad.Protect, Needs: l.Needs}
	discard := sad.Policy{ID: 2, Name: "discard", Action: sad.Discard}
	whole := func(outward bool) []sad.Policy {
		p := protect
		p.LocalTS, p.RemoteTS = source, destination
		if !outward {
			p.LocalTS, p.RemoteTS = destination, source
		}
		return []sad.Policy{p}
	}
	for _, to := range l.Targets(hosts) {
		if to.Is6() && s.Only4 || to.Is4() && s.Only6 {
			continue
		}
		from := l.sourceFor(hosts, to)
		watch := hosts[1].hear(t, to.Is6(), udp, gre, sctpLike, icmp, icmp6)
		for name, decide := range map[string]struct {
			outward  bool
			is, rest sad.Policy
		}{
			"discarded on the way out": {true, discard, protect}, "protected on the way out": {true, protect, discard},
			"discarded on the way in": {false, discard, protect}, "protected on the way in": {false, protect, discard},
		} {
			if s.Partly && decide.is.Action == sad.Protect {
				continue
			}
			spd := s.spd(l, t, decide.outward, source, destination, decide.is, decide.rest)
			sender, receiver := whole(true), whole(false)
			if decide.outward {
				sender = spd
			} else {
				receiver = spd
			}
			for i, p := range [][]sad.Policy{sender, receiver} {
				if err := hosts[i].Plane.SetPolicies(p); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			refused, passes := s.Is, s.Other
			if decide.is.Action == sad.Protect {
				refused, passes = passes, refused
			}
			lost := hosts[0].Send(t, from, to, refused)
			// What is refused would have come before.
			if token := hosts[0].Send(t, from, to, passes); !watch.arrives(t, token) {
				t.Errorf("%s to %s: %+v does not arrive", name, to, passes)
			}
			if watch.drain(t); watch.heard[lost] {
				t.Errorf("%s to %s: %+v arrives", name, to, refused)
			}
		}
	}
}

// sourceFor is the first host's address towards one of the second's.
func (l Link) sourceFor(hosts [2]*Host, to netip.Addr) netip.Addr {
	if l.HostToHost() {
		return hosts[0].Outer(l.Outer6)
	}
	i := slices.IndexFunc(hosts[0].Inner, func(p netip.Prefix) bool { return p.Addr().Is4() == to.Is4() })
	return hosts[0].Inner[i].Addr()
}

// SelectingLinks are those that policies are tried with: by the device, and between
// the hosts themselves.
func SelectingLinks() (all []Link) {
	for _, mode := range []sad.Mode{sad.Tunnel, sad.Transport} {
		for _, outer6 := range []bool{false, true} {
			if mode == sad.Transport || !outer6 {
				all = append(all, Link{Needs: []sad.Need{{Protocol: sad.ESP, Mode: mode}}, Suites: []string{"aes256gcm16"}, Outer6: outer6})
			}
		}
	}
	return all
}
