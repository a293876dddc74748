package esp

import (
	"encoding/binary"
	"net/netip"

	"gatehouse/ipsec/sad"
)

// packet is one packet in a buffer that has room on both sides.
type packet struct {
	buf        []byte
	start, end int
}

func (p *packet) bytes() []byte { return p.buf[p.start:p.end] }

// is6 says which version an IP packet is; it has at least one byte.
func is6(ip []byte) bool { return ip[0]>>4 == 6 }

// trafficClass is the IPv4 TOS byte or the IPv6 traffic class: a DSCP and the
// two bits of ECN.
func trafficClass(ip []byte) uint8 {
	if is6(ip) {
		return ip[0]<<4 | ip[1]>>4
	}
	return ip[1]
}

func setTrafficClass(ip []byte, class uint8) {
	if is6(ip) {
		ip[0], ip[1] = 6<<4|class>>4, class<<4|ip[1]&0x0f
		return
	}
	if ip[1] != class {
		ip[1] = class
		checksumIPv4(ip)
	}
}

const dontFragment = 0x4000 // in the flags and offset field of IPv4

// outerSize is the length of a tunnel's header in bytes.
func outerSize(local netip.Addr) int {
	if local.Is4() {
		return ipv4Header
	}
	return ipv6Header
}

// defaultHops is the TTL or hop limit of an outer header.
const defaultHops = 64

// shapeOf is what the outer header of a packet must be like (RFC 4301 section
// 5.1.2). ECN is copied, the normal mode of RFC 6040 section 4.1. In transport
// mode the outer header is the packet's own.
func (sa *outbound) shapeOf(inner []byte) shape {
	like := shape{class: trafficClass(inner), hops: defaultHops}
	if sa.Outer.FixedDSCP {
		like.class = sa.Outer.DSCP<<2 | like.class&ecnMask
	}
	if sa.Outer.HopLimit != 0 {
		like.hops = sa.Outer.HopLimit
	}
	if sa.Mode == sad.Transport {
		like.hops = inner[8]
		if is6(inner) {
			like.hops = inner[7]
		}
	}
	if sa.Local.Is4() {
		like.df = sa.Outer.DF == sad.SetDF || sa.Outer.DF == sad.CopyDF && forbidsFragments(inner)
	}
	return like
}

// forbidsFragments says whether routers must not fragment a packet. An IPv6
// packet that every link has to carry is told so by nobody and cannot be made
// shorter (RFC 8200 section 5), so the tunnel's may be.
func forbidsFragments(ip []byte) bool {
	if is6(ip) {
		return len(ip) > leastMTU6
	}
	return binary.BigEndian.Uint16(ip[6:])&dontFragment != 0
}

// prependOuter puts a tunnel's header in front of what is at b[size:]. id makes
// IPv4 packets that may be fragmented distinct.
func prependOuter(b []byte, like shape, sa *sad.SA, id uint16) {
	if sa.Local.Is6() {
		clear(b[:ipv6Header])
		b[0], b[1] = 6<<4|like.class>>4, like.class<<4
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-ipv6Header))
		b[6], b[7] = uint8(sa.Protocol), like.hops
		from, to := sa.Local.As16(), sa.Remote.As16()
		copy(b[8:], from[:])
		copy(b[24:], to[:])
		return
	}
	df := uint16(0)
	if like.df {
		df = dontFragment
	}
	clear(b[:ipv4Header])
	b[0], b[1] = 0x45, like.class
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], df)
	b[8], b[9] = like.hops, uint8(sa.Protocol)
	from, to := sa.Local.As4(), sa.Remote.As4()
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	checksumIPv4(b)
}

// insertion finds where transport mode puts its header: behind what routers
// look at on the way (RFC 4303 section 3.1.1). next is the offset of the field
// that says what comes there. Fragments are refused: transport mode protects
// whole packets (RFC 4303 section 3.3.4).
func insertion(ip []byte) (at, next int, ok bool) {
	if !is6(ip) {
		const offsetAndMore = 0x3fff
		at = int(ip[0]&0x0f) * 4
		return at, 9, at >= ipv4Header && at <= len(ip) && binary.BigEndian.Uint16(ip[6:])&offsetAndMore == 0
	}
	at, next = ipv6Header, 6
	for range maxExtensions {
		kind := ip[next]
		if kind == extFragment {
			return 0, 0, false
		}
		if kind != extHopByHop && kind != extRouting && kind != extDestination {
			return at, next, true
		}
		if len(ip) < at+8 {
			return 0, 0, false
		}
		length := (int(ip[at+1]) + 1) * 8
		if len(ip) < at+length {
			return 0, 0, false
		}
		// Destination options are for routers only in front of a routing header.
		if kind == extDestination && ip[at] != extRouting {
			return at, next, true
		}
		next, at = at, at+length
	}
	return 0, 0, false
}

// setUpper writes what comes behind the headers, and the packet's length.
func setUpper(ip []byte, next int, protocol uint8) {
	ip[next] = protocol
	setLength(ip)
}

// setLength makes a header's length that of the packet.
func setLength(ip []byte) {
	if is6(ip) {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-ipv6Header))
		return
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	checksumIPv4(ip)
}
