package esp

import "encoding/binary"

// segments takes a large packet of the TUN apart into those that go on the
// wire, one after another.
type segments struct {
	v      vnet
	ip     []byte // the large packet
	head   int    // bytes of headers, which each segment repeats
	at     int    // where the payload of the next segment begins
	number uint16 // of the next segment
	done   bool
}

// Bits of the TCP header's byte 13 (RFC 9293 section 3.1, RFC 3168 section 6.1).
const (
	tcpFIN = 0x01
	tcpPSH = 0x08
	tcpACK = 0x10
	tcpCWR = 0x80
)

const (
	tcpHeader = 20
	udpHeader = 8
)

// begin looks at what the kernel gave, a header and a packet. false means that it
// is none.
func (s *segments) begin(b []byte) bool {
	s.done = true
	if len(b) <= vnetLen {
		return false
	}
	*s = segments{v: parseVnet(b), ip: b[vnetLen:], done: true}
	sumAt, field := int(s.v.sumAt), int(s.v.sumAt)+int(s.v.sumField)
	if s.v.kind == vnetWhole {
		if s.v.flags&vnetNeedsSum != 0 {
			if field+2 > len(s.ip) {
				return false
			}
			// The field holds the sum of the pseudo header.
			check := ^sum16(0).add(s.ip[sumAt:]).value()
			if check == 0 && s.v.sumField == udpHeader-2 {
				check = 0xffff
			}
			binary.BigEndian.PutUint16(s.ip[field:], check)
		}
		s.done = false
		return true
	}
	// The kernel's own word on the length of the headers is not right for what
	// it forwards, so they are read.
	header := int(s.ip[0]&0x0f) * 4
	if is6(s.ip) {
		header = ipv6Header
	}
	if s.v.each == 0 || header < ipv4Header || sumAt < header || field+2 > len(s.ip) {
		return false
	}
	s.v.kind &^= vnetECN // CWR is on the first segment only, with or without it
	switch s.v.kind {
	case vnetTCP4, vnetTCP6:
		if (s.v.kind == vnetTCP6) != is6(s.ip) || len(s.ip) < sumAt+tcpHeader {
			return false
		}
		s.head = sumAt + int(s.ip[sumAt+12]>>4)*4
		if s.head < sumAt+tcpHeader {
			return false
		}
	case vnetUDP:
		s.head = sumAt + udpHeader
	default:
		return false
	}
	s.at = s.head
	s.done = s.head >= len(s.ip) || field+2 > s.head
	return !s.done
}

// next writes the next segment to out and gives its length: 0 if there is none
// any more, or out is too short for it.
func (s *segments) next(out []byte) int {
	if s.done {
		return 0
	}
	if s.v.kind == vnetWhole {
		s.done = true
		if len(s.ip) > len(out) {
			return 0
		}
		return copy(out, s.ip)
	}
	end := min(s.at+int(s.v.each), len(s.ip))
	size := s.head + end - s.at
	last := end == len(s.ip)
	if size > len(out) {
		s.done = true
		return 0
	}
	copy(out, s.ip[:s.head])
	copy(out[s.head:], s.ip[s.at:end])
	out = out[:size]
	s.headers(out, last)
	s.at, s.done = end, last
	s.number++
	return size
}

// headers makes those of the large packet what those of this segment are.
func (s *segments) headers(out []byte, last bool) {
	if !is6(out) {
		id := binary.BigEndian.Uint16(out[4:])
		binary.BigEndian.PutUint16(out[4:], id+s.number)
	}
	setLength(out)
	upper := out[s.v.sumAt:]
	protocol := uint8(protoTCP)
	if s.v.kind == vnetUDP {
		protocol = protoUDP
		binary.BigEndian.PutUint16(upper[4:], uint16(len(upper)))
	} else {
		seq := binary.BigEndian.Uint32(upper[4:])
		binary.BigEndian.PutUint32(upper[4:], seq+uint32(s.number)*uint32(s.v.each))
		if !last {
			upper[13] &^= tcpFIN | tcpPSH
		}
		if s.number > 0 {
			upper[13] &^= tcpCWR
		}
	}
	field := upper[s.v.sumField:]
	field[0], field[1] = 0, 0
	check := ^pseudo(out, protocol, len(upper)).add(upper).value()
	if check == 0 && protocol == protoUDP {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(field, check)
}
