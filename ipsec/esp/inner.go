package esp

import (
	"encoding/binary"
	"net/netip"
)

// flow is what selectors look at, and the key of the flow cache.
type flow struct {
	src, dst         netip.Addr
	protocol         uint8
	srcPort, dstPort uint16
	dscp             uint8
	label            uint32 // of IPv6
	// opaque says that the ports cannot be seen: a later fragment, or a header
	// cut short.
	opaque bool
}

// Upper protocols with ports, or with a type and code.
const (
	protoTCP, protoUDP, protoSCTP, protoDCCP, protoUDPLite = 6, 17, 132, 33, 136
	protoICMP, protoICMPv6                                 = 1, 58
)

// Next header values of RFC 4303 section 2.6 in tunnel mode.
const (
	nextIPv4 = 4
	nextIPv6 = 41
)

// parseInner reads the inner packet's addresses, protocol and ports, and its
// length by its own header, which never exceeds len(b). Fragments beyond the
// first have no ports: they match selectors for any port only.
func parseInner(b []byte) (f flow, length int, ok bool) {
	if len(b) == 0 {
		return f, 0, false
	}
	switch b[0] >> 4 {
	case 4:
		return parseIPv4(b)
	case 6:
		return parseIPv6(b)
	}
	return f, 0, false
}

func parseIPv4(b []byte) (f flow, length int, ok bool) {
	const minimum = 20
	if len(b) < minimum {
		return f, 0, false
	}
	header := int(b[0]&0x0f) * 4
	length = int(binary.BigEndian.Uint16(b[2:]))
	if header < minimum || length < header || length > len(b) {
		return f, 0, false
	}
	f.src, f.dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	f.protocol, f.dscp = b[9], b[1]>>2
	f.opaque = true
	if binary.BigEndian.Uint16(b[6:])&0x1fff == 0 {
		f.ports(b[header:length])
	}
	return f, length, true
}

func parseIPv6(b []byte) (f flow, length int, ok bool) {
	const header = 40
	if len(b) < header {
		return f, 0, false
	}
	length = header + int(binary.BigEndian.Uint16(b[4:]))
	if length > len(b) {
		return f, 0, false
	}
	f.src, f.dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	f.protocol, f.dscp, f.label = b[6], trafficClass(b)>>2, binary.BigEndian.Uint32(b)&0xfffff
	f.opaque = true
	f.skipExtensions(b[header:length])
	return f, length, true
}

// Extension headers that are walked over to find the upper protocol.
const (
	extHopByHop, extRouting, extFragment, extDestination = 0, 43, 44, 60
	// maxExtensions bounds the walk; real packets have two at most.
	maxExtensions = 8
)

func (f *flow) skipExtensions(b []byte) {
	for range maxExtensions {
		switch f.protocol {
		case extHopByHop, extRouting, extDestination:
			if len(b) < 8 {
				return
			}
			n := (int(b[1]) + 1) * 8
			if n > len(b) {
				return
			}
			f.protocol, b = b[0], b[n:]
		case extFragment:
			if len(b) < 8 {
				return
			}
			f.protocol = b[0]
			if binary.BigEndian.Uint16(b[2:])&0xfff8 != 0 {
				return
			}
			b = b[8:]
		default:
			f.ports(b)
			return
		}
	}
}

// ports reads what selectors compare as ports: for ICMP and ICMPv6 it is the
// type and code, on both sides (RFC 4301 section 4.4.1.1).
func (f *flow) ports(b []byte) {
	f.opaque = false
	switch f.protocol {
	case protoTCP, protoUDP, protoSCTP, protoDCCP, protoUDPLite:
		if f.opaque = len(b) < 4; !f.opaque {
			f.srcPort, f.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		}
	case protoICMP, protoICMPv6:
		if f.opaque = len(b) < 2; !f.opaque {
			f.srcPort = binary.BigEndian.Uint16(b)
			f.dstPort = f.srcPort
		}
	}
}
