package esp

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"gatehouse/ipsec/sad"
)

// pathMTU is what is known of the way to one peer (RFC 4301 section 8.2). The
// kernel learns it from ICMP, of which it believes only what answers our own
// packets.
type pathMTU struct {
	bytes atomic.Int64 // of outer packets; 0 if no packet was too big yet
	until atomic.Int64 // Unix nanoseconds
}

// mtuAges is how long a learned path MTU holds before larger packets are tried
// again (RFC 1191 section 6.3 and RFC 8201 section 4).
const mtuAges = 10 * time.Minute

// least path MTUs that are believed: below them fragments would be so many
// that a lie would pay (RFC 8200 section 5; RFC 791 section 3.1 gives 576 as what
// every host takes).
const (
	leastMTU4 = 576
	leastMTU6 = 1280
)

// learn keeps what the kernel found out about the way, after it has refused a
// packet.
func (m *pathMTU) learn(mtu int, v6 bool, now time.Time) {
	least := leastMTU4
	if v6 {
		least = leastMTU6
	}
	m.until.Store(now.Add(mtuAges).UnixNano())
	m.bytes.Store(int64(max(mtu, least)))
}

// now is the path MTU in bytes; 0 if it is not known to be smaller than the
// device's.
func (m *pathMTU) now(now int64) int {
	n := m.bytes.Load()
	if n != 0 && now > m.until.Load() {
		m.bytes.Store(0)
		return 0
	}
	return int(n)
}

// leastInner is the least room for a packet that is believed (RFC 791 section
// 3.1: what every network carries).
const leastInner = 68

// overhead is how many bytes an SA adds to a packet at most.
func (sa *outbound) overhead() int {
	n := 0
	if sa.Mode == sad.Tunnel || sa.Encap != nil {
		n = outerSize(sa.Local)
	}
	if sa.Encap != nil {
		const udpHeader = 8
		n += udpHeader
	}
	if sa.Protocol == sad.AH {
		return n + sa.auth.size(sa.Local.Is6())
	}
	return n + headerLen + sa.transform.ivLen() + sa.transform.block() - 1 + 2 + sa.transform.icvLen()
}

// room is how long a packet may be to fit the path by a bundle; 0 if that is
// not known.
func room(bundle []*outbound, now int64) int {
	n := bundle[len(bundle)-1].path.now(now)
	if n == 0 {
		return 0
	}
	for _, sa := range bundle {
		n -= sa.overhead()
	}
	return max(n, leastInner)
}

// tooBig answers for a packet that does not fit the path: one that may be
// fragmented comes back in pieces, the sender of any other is told (RFC 4301
// section 8.2.1).
func (e *Engine) tooBig(ip []byte, limit int) (pieces [][]byte) {
	if !is6(ip) && binary.BigEndian.Uint16(ip[6:])&dontFragment == 0 {
		return fragments(ip, limit)
	}
	if is6(ip) && limit < leastMTU6 {
		// No IPv6 sender has to send less (RFC 8200 section 5): what is in front
		// of its packets makes ours too long, so ours are fragmented.
		limit = leastMTU6
	}
	if answer := packetTooBig(ip, limit); answer != nil {
		w := e.tun.writer()
		w.joiner.add(answer)
		e.counters.writeFailed.Add(uint64(w.flush()))
	}
	return nil
}

// fragments cuts an IPv4 packet into pieces of at most limit bytes (RFC 791
// section 3.2). Options stay with the first, which is right for those that are
// not to be copied and loses the others.
func fragments(ip []byte, limit int) (out [][]byte) {
	header := int(ip[0]&0x0f) * 4
	body := ip[header:]
	field := binary.BigEndian.Uint16(ip[6:])
	const more, offsetMask = 0x2000, 0x1fff
	offset := int(field & offsetMask)
	for first := true; len(body) > 0; first = false {
		head := ip[:header]
		if !first {
			head = ip[:ipv4Header]
		}
		n := min(len(body), (limit-len(head))&^7)
		if n <= 0 {
			return nil
		}
		piece := append(append(make([]byte, 0, len(head)+n), head...), body[:n]...)
		flags := field & more
		if n < len(body) {
			flags = more
		}
		piece[0] = 4<<4 | byte(len(head)/4)
		binary.BigEndian.PutUint16(piece[6:], flags|uint16(offset))
		setLength(piece)
		out = append(out, piece)
		body, offset = body[n:], offset+n/8
	}
	return out
}

// outerFragments cuts what is sent directly over IP into pieces for the path
// (RFC 4301 section 8.1); nil if its DF bit forbids it.
func outerFragments(ip []byte, mtu int, id uint32) [][]byte {
	if is6(ip) {
		return fragments6(ip, mtu, id)
	}
	if binary.BigEndian.Uint16(ip[6:])&dontFragment != 0 {
		return nil
	}
	return fragments(ip, mtu)
}

// fragments6 cuts an IPv6 packet without extension headers for routers (RFC 8200
// section 4.5).
func fragments6(ip []byte, mtu int, id uint32) (out [][]byte) {
	const fragmentHeader = 8
	body, next := ip[ipv6Header:], ip[6]
	if next == extHopByHop || next == extRouting {
		return nil
	}
	for offset := 0; len(body) > 0; {
		n, more := len(body), uint16(0)
		if most := mtu - ipv6Header - fragmentHeader; n > most {
			n, more = most&^7, 1
		}
		if n <= 0 {
			return nil
		}
		piece := make([]byte, ipv6Header+fragmentHeader+n)
		copy(piece, ip[:ipv6Header])
		piece[6], piece[ipv6Header] = extFragment, next
		binary.BigEndian.PutUint16(piece[ipv6Header+2:], uint16(offset)|more)
		binary.BigEndian.PutUint32(piece[ipv6Header+4:], id)
		copy(piece[ipv6Header+fragmentHeader:], body[:n])
		setLength(piece)
		out = append(out, piece)
		body, offset = body[n:], offset+n
	}
	return out
}

// packetTooBig is the ICMP message that tells the sender of a packet how long it
// may be (RFC 1191 section 4, RFC 4443 section 3.2); nil where none may be sent:
// about an ICMP error, a later fragment or a packet to many (RFC 1122 section
// 3.2.2, RFC 4443 section 2.4). It comes from where the packet went, an address
// behind the tunnel, because the gateway need not have one there.
func packetTooBig(ip []byte, mtu int) []byte {
	f, _, ok := parseInner(ip)
	if !ok || f.opaque || f.dst.IsMulticast() || f.src.IsMulticast() || f.src.IsUnspecified() {
		return nil
	}
	const echoReply, echo, firstInfo6 = 0, 8, 128
	if kind := f.srcPort >> 8; f.protocol == protoICMP && kind != echoReply && kind != echo || f.protocol == protoICMPv6 && kind < firstInfo6 {
		return nil
	}
	const icmpHeader = 8
	if is6(ip) {
		quoted := ip[:min(len(ip), leastMTU6-ipv6Header-icmpHeader)]
		out := make([]byte, ipv6Header+icmpHeader+len(quoted))
		out[0], out[6], out[7] = 6<<4, protoICMPv6, 64
		copy(out[8:], ip[24:40])
		copy(out[24:], ip[8:24])
		const kind = 2
		out[ipv6Header] = kind
		binary.BigEndian.PutUint32(out[ipv6Header+4:], uint32(mtu))
		copy(out[ipv6Header+icmpHeader:], quoted)
		setLength(out)
		body := out[ipv6Header:]
		sum := protoICMPv6 + uint32(len(body)) + add16(out[8:40]) + add16(body)
		binary.BigEndian.PutUint16(body[2:], ^fold(sum))
		return out
	}
	quoted := ip[:min(len(ip), leastMTU4-ipv4Header-icmpHeader)]
	out := make([]byte, ipv4Header+icmpHeader+len(quoted))
	out[0], out[8], out[9] = 0x45, 64, protoICMP
	copy(out[12:], ip[16:20])
	copy(out[16:], ip[12:16])
	const kind, code = 3, 4
	body := out[ipv4Header:]
	body[0], body[1] = kind, code
	binary.BigEndian.PutUint16(body[6:], uint16(mtu))
	copy(body[icmpHeader:], quoted)
	binary.BigEndian.PutUint16(body[2:], ^fold(add16(body)))
	setLength(out)
	return out
}
