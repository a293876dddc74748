package esp

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// booked is a packet by what selectors can look at. Its bytes are made from that,
// so that nothing has to be read out of them.
type booked struct {
	src, dst         netip.Addr
	protocol         uint8
	srcPort, dstPort uint16 // of ICMP both are type and code
	dscp             uint8
	label            uint32
	// later fragments, and those cut short, show no ports.
	opaque bool
	// extension headers of IPv6 in front of the protocol.
	extensions []uint8
}

func withPorts(protocol uint8) bool {
	return slices.Contains([]uint8{protoTCP, protoUDP, protoSCTP, protoDCCP, protoUDPLite}, protocol)
}

// packet is any packet between the few hosts of these databases.
func (d *dice) packet() booked {
	six := d.below(2) == 1
	b := booked{src: d.host(six), dst: d.host(six), dscp: choose[uint8](d, 0, 46, 10)}
	b.protocol = choose[uint8](d, protoUDP, protoTCP, protoICMP, protoICMPv6, 47, 132)
	switch {
	case withPorts(b.protocol):
		b.srcPort, b.dstPort = d.port(), d.port()
	case b.protocol == protoICMP || b.protocol == protoICMPv6:
		b.srcPort = choose[uint16](d, 8<<8, 0, 3<<8|4, 128<<8)
		b.dstPort = b.srcPort
	}
	if b.opaque = d.below(5) == 4; b.opaque {
		b.srcPort, b.dstPort = 0, 0
	}
	if six {
		b.label = choose[uint32](d, 0, 0xabcde, 1)
		for range d.below(3) {
			b.extensions = append(b.extensions, choose[uint8](d, extHopByHop, extDestination, extRouting))
		}
	}
	return b
}

func (d *dice) port() uint16 { return choose[uint16](d, 53, 0, 999, 1000, 1500, 2000, 2001, 65535) }

func (d *dice) host(six bool) netip.Addr { return hostOf(d.below(2), d.below(8), six) }

func hostOf(network, n int, six bool) netip.Addr {
	if six {
		a := netip.MustParseAddr([2]string{"fd00:1::", "fd00:2::"}[network]).As16()
		a[15] = byte(n)
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{10, byte(network + 1), 0, byte(n)})
}

// bytes is the packet itself.
func (b booked) bytes() []byte {
	upper := make([]byte, 12)
	switch {
	case withPorts(b.protocol):
		binary.BigEndian.PutUint16(upper, b.srcPort)
		binary.BigEndian.PutUint16(upper[2:], b.dstPort)
	case b.protocol == protoICMP || b.protocol == protoICMPv6:
		binary.BigEndian.PutUint16(upper, b.srcPort)
	}
	if b.src.Is4() {
		ip := append(make([]byte, ipv4Header), upper...)
		ip[0], ip[1], ip[8], ip[9] = 0x45, b.dscp<<2, 64, b.protocol
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		if b.opaque {
			ip[7] = 2 // a later fragment
		}
		copy(ip[12:], b.src.AsSlice())
		copy(ip[16:], b.dst.AsSlice())
		return ip
	}
	ip := make([]byte, ipv6Header)
	binary.BigEndian.PutUint32(ip, 6<<28|uint32(b.dscp)<<22|b.label)
	ip[7] = 64
	copy(ip[8:], b.src.AsSlice())
	copy(ip[24:], b.dst.AsSlice())
	next := 6
	for _, e := range b.extensions {
		ip[next], next = e, len(ip)
		ip = append(ip, 0, 0, 1, 4, 0, 0, 0, 0) // PadN, or a routing header that is done
	}
	if b.opaque {
		ip[next], next = extFragment, len(ip)
		ip = append(ip, 0, 0, 0, 16, 0, 0, 0, 1)
	}
	ip[next] = b.protocol
	ip = append(ip, upper...)
	binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-ipv6Header))
	return ip
}

// spd is a database of at most six policies, by order of decision.
func (d *dice) spd() (all []sad.Policy) {
	for i := range 1 + d.below(6) {
		p := sad.Policy{
			ID: uint32(i + 1), Action: choose(d, sad.Protect, sad.Protect, sad.Protect, sad.Discard, sad.Bypass, sad.Demand), Way: choose(d, sad.BothWays, sad.BothWays, sad.Inward, sad.Outward),
			LocalTS: d.selectors(), RemoteTS: d.selectors(),
		}
		switch d.below(6) {
		case 1:
			p.Class.DSCP = []uint8{46, 10}
		case 2:
			p.Class.FlowLabels = []uint32{0xabcde}
		}
		switch p.Action {
		case sad.Protect:
			switch d.below(6) {
			case 1:
				p.Needs = []sad.Need{{Protocol: sad.ESP}}
			case 2:
				p.Needs = []sad.Need{{Protocol: sad.ESP, Mode: sad.Transport}}
			}
		case sad.Demand:
			p.Labels = []string{choose(d, "secret", "internal")}
			p.Admits = admits(p.Labels[0])
		}
		if p.Action != sad.Demand && d.below(4) == 3 {
			if l := choose(d, "secret", "internal"); slices.ContainsFunc(all, func(p sad.Policy) bool { return p.Action == sad.Demand && p.Labels[0] == l }) {
				p.Labels = []string{l}
			}
		}
		all = append(all, p)
	}
	return all
}

// admits is what a label is content with.
func admits(label string) []sad.Protection {
	strong := sad.Protection{Protocol: sad.ESP, Suite: parsed("aes256gcm16")}
	if label == "secret" {
		return []sad.Protection{strong}
	}
	return []sad.Protection{strong, {Protocol: sad.ESP, Suite: parsed("aes128gcm16")}}
}

// parsed is a suite of ESP whose name is right.
func parsed(name string) crypto.Suite {
	s, err := crypto.ParseESPSuite(name)
	if err != nil {
		panic(err)
	}
	return s
}

// selectors are one or two ranges, or all hosts of both families: with ranges
// alone hardly any packet would meet them.
func (d *dice) selectors() (all []sad.Selector) {
	if d.below(4) > 0 {
		all = append(all, sad.Selector{First: hostOf(0, 0, false), Last: hostOf(1, 7, false), LastPort: 65535},
			sad.Selector{First: hostOf(0, 0, true), Last: hostOf(1, 7, true), LastPort: 65535})
	} else {
		for range 1 + d.below(2) {
			six, network, first := d.below(2) == 1, d.below(2), d.below(8)
			all = append(all, sad.Selector{First: hostOf(network, first, six), Last: hostOf(network, first+d.below(8-first), six), LastPort: 65535})
		}
	}
	protocol, ports := uint8(0), [2]uint16{0, 65535}
	if d.below(4) == 1 {
		protocol = choose[uint8](d, protoUDP, protoTCP, protoICMP, protoICMPv6, 47)
	}
	if d.below(4) == 1 {
		ports = choose(d, [2]uint16{53, 53}, [2]uint16{0, 999}, [2]uint16{1000, 2000}, [2]uint16{65535, 0}, [2]uint16{8 << 8, 8<<8 | 255})
	}
	for i := range all {
		all[i].Protocol, all[i].FirstPort, all[i].LastPort = protocol, ports[0], ports[1]
	}
	return all
}

// narrowed is what an SA of a policy was negotiated for: all of it, or another
// selection.
func (d *dice) narrowed(p sad.Policy) (local, remote []sad.Selector) {
	switch d.below(3) {
	case 0:
		return everything(), everything()
	case 1:
		return d.selectors(), d.selectors()
	}
	return p.LocalTS, p.RemoteTS
}

// bookSays is the SPD by the book, for packets that are protected one time at the
// most: whether one may pass, and by the SA of which policy. It shares no code with
// the engine.
func bookSays(policies []sad.Policy, sas map[uint32]sad.SA, b booked, out bool) (passes bool, by uint32) {
	local, remote := b.src, b.dst
	localPort, remotePort := b.srcPort, b.dstPort
	if !out {
		local, remote, localPort, remotePort = remote, local, remotePort, localPort
	}
	one := func(s sad.Selector, a netip.Addr, port uint16) bool {
		if a.Is4() != s.First.Is4() || a.Compare(s.First) < 0 || a.Compare(s.Last) > 0 {
			return false
		}
		if s.Protocol != 0 && s.Protocol != b.protocol {
			return false
		}
		if s.FirstPort == 0 && s.LastPort == 65535 {
			return true
		}
		if s.FirstPort == 65535 && s.LastPort == 0 {
			return b.opaque
		}
		return !b.opaque && port >= s.FirstPort && port <= s.LastPort
	}
	both := func(l, r []sad.Selector) bool {
		return slices.ContainsFunc(l, func(s sad.Selector) bool { return one(s, local, localPort) }) &&
			slices.ContainsFunc(r, func(s sad.Selector) bool { return one(s, remote, remotePort) })
	}
	applies := func(p sad.Policy) bool {
		if p.Way == sad.Inward && out || p.Way == sad.Outward && !out {
			return false
		}
		if len(p.Class.DSCP) > 0 && !slices.Contains(p.Class.DSCP, b.dscp) || len(p.Class.FlowLabels) > 0 && !slices.Contains(p.Class.FlowLabels, b.label) {
			return false
		}
		return both(p.LocalTS, p.RemoteTS)
	}
	carries := map[string][]sad.Protection{}
	for _, p := range policies {
		if p.Action == sad.Demand && applies(p) {
			carries[p.Labels[0]] = p.Admits
		}
	}
	for _, p := range policies {
		if p.Action == sad.Demand || !applies(p) {
			continue
		}
		if len(p.Labels) > 0 && carries[p.Labels[0]] == nil {
			continue
		}
		sa, there := sas[p.ID]
		if p.Action != sad.Protect || !there || !both(sa.LocalTS, sa.RemoteTS) {
			return false, p.ID
		}
		if len(p.Needs) > 0 && (len(p.Needs) != 1 || p.Needs[0] != sad.Need{Protocol: sad.ESP, Mode: sad.Tunnel}) {
			return false, p.ID
		}
		for _, admitted := range carries {
			if !slices.Contains(admitted, sad.Protection{Protocol: sa.Protocol, Suite: sa.Suite}) {
				return false, p.ID
			}
		}
		return true, p.ID
	}
	return false, 0
}
