package firewall

import (
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/sys/unix"
)

// header is what a log entry says about a packet. Fields that could not be
// read, because the packet is cut short or malformed, are zero.
type header struct {
	src, dst         netip.Addr
	protocol         uint8
	srcPort, dstPort uint16
}

// maxExtensions bounds the walk along IPv6 extension headers.
const maxExtensions = 8

// parseHeader reads the head of an IP packet that a stranger wrote.
func parseHeader(packet []byte) header {
	var h header
	if len(packet) == 0 {
		return h
	}
	switch packet[0] >> 4 {
	case 4:
		h.parseIPv4(packet)
	case 6:
		h.parseIPv6(packet)
	}
	return h
}

// parseIPv4 reads RFC 791 3.1.
func (h *header) parseIPv4(packet []byte) {
	s := cryptobyte.String(packet)
	var version, protocol uint8
	var fragment uint16
	var src, dst []byte
	if !s.ReadUint8(&version) || !s.Skip(5) || !s.ReadUint16(&fragment) || !s.Skip(1) ||
		!s.ReadUint8(&protocol) || !s.Skip(2) || !s.ReadBytes(&src, 4) || !s.ReadBytes(&dst, 4) {
		return
	}
	h.src, _ = netip.AddrFromSlice(src)
	h.dst, _ = netip.AddrFromSlice(dst)
	h.protocol = protocol
	const fixed, offsetMask = 20, 0x1fff
	length := int(version&0x0f) * 4
	if length < fixed || !s.Skip(length-fixed) || fragment&offsetMask != 0 {
		return
	}
	h.parsePorts(s)
}

// parseIPv6 reads RFC 8200 3 and walks its extension headers (4).
func (h *header) parseIPv6(packet []byte) {
	s := cryptobyte.String(packet)
	var next uint8
	var src, dst []byte
	if !s.Skip(6) || !s.ReadUint8(&next) || !s.Skip(1) || !s.ReadBytes(&src, 16) || !s.ReadBytes(&dst, 16) {
		return
	}
	h.src, _ = netip.AddrFromSlice(src)
	h.dst, _ = netip.AddrFromSlice(dst)
	h.protocol = next
	for range maxExtensions {
		var after, length uint8
		switch next {
		case unix.IPPROTO_HOPOPTS, unix.IPPROTO_ROUTING, unix.IPPROTO_DSTOPTS:
			if !s.ReadUint8(&after) || !s.ReadUint8(&length) || !s.Skip(int(length)*8+6) {
				return
			}
		case unix.IPPROTO_FRAGMENT:
			var offset uint16
			if !s.ReadUint8(&after) || !s.Skip(1) || !s.ReadUint16(&offset) || !s.Skip(4) {
				return
			}
			if offset>>3 != 0 {
				h.protocol = after
				return
			}
		default:
			h.parsePorts(s)
			return
		}
		next = after
		h.protocol = after
	}
}

// parsePorts reads the ports, which TCP, UDP, UDP-Lite, DCCP and SCTP have in
// the same place.
func (h *header) parsePorts(s cryptobyte.String) {
	switch h.protocol {
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_UDPLITE, unix.IPPROTO_DCCP, unix.IPPROTO_SCTP:
		var src, dst uint16
		if s.ReadUint16(&src) && s.ReadUint16(&dst) {
			h.srcPort, h.dstPort = src, dst
		}
	}
}
