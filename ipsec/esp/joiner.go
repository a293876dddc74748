package esp

import (
	"bytes"
	"encoding/binary"
)

// joiner makes one large packet of consecutive TCP segments or UDP datagrams of
// one flow (generic receive offload), which the kernel then handles as one. It
// copies nothing: a large packet is a list of pieces.
//
// The packets of a flow stay in their order: what cannot join the flow's open
// packet ends it. What joins has the same headers, but for what segments differ
// in, and a right checksum, because the kernel makes it anew.
type joiner struct {
	udp    bool // the kernel takes joined datagrams
	out    []aggregate
	pieces []piece
	open   [openFlows]int // indexes into out, or -1
	oldest int            // of open, to be replaced next
}

// openFlows is how many flows are joined at the same time.
const openFlows = 16

// aggregate is a packet to be written, perhaps of many.
type aggregate struct {
	ip          []byte // the first packet whole; its payload is the first piece
	upper, head int    // where the transport's header and the payload begin
	protocol    uint8
	each        int    // payload bytes of the first
	size        int    // of all together, with the headers
	seq         uint32 // of TCP: what comes next
	count       int
	first, last int  // pieces behind ip, while count > 1
	checked     bool // the first packet's checksum is right
	pushed      bool // the last segment has PSH set
}

// piece is payload behind another.
type piece struct {
	b    []byte
	next int
}

// joinable looks at a packet. ok says that others can join it, flow that it has a
// place in the order of a flow of TCP or UDP.
func joinable(ip []byte, udp bool) (j aggregate, flow, ok bool) {
	j = aggregate{ip: ip, size: len(ip), count: 1}
	if is6(ip) {
		j.upper, j.protocol = ipv6Header, ip[6]
	} else {
		j.upper, j.protocol = int(ip[0]&0x0f)*4, ip[9]
		const offsetAndMore = 0x3fff
		if j.upper != ipv4Header || binary.BigEndian.Uint16(ip[6:])&offsetAndMore != 0 {
			return j, false, false
		}
	}
	switch {
	case j.protocol == protoTCP && len(ip) >= j.upper+tcpHeader:
		t := ip[j.upper:]
		j.head = j.upper + int(t[12]>>4)*4
		j.each = len(ip) - j.head
		j.seq = binary.BigEndian.Uint32(t[4:]) + uint32(j.each)
		j.pushed = t[13]&tcpPSH != 0
		ok = j.head >= j.upper+tcpHeader && j.each > 0 && t[13]&^tcpPSH == tcpACK
	case j.protocol == protoUDP && len(ip) >= j.upper+udpHeader:
		u := ip[j.upper:]
		j.head = j.upper + udpHeader
		j.each = len(ip) - j.head
		// Without a checksum none may be made.
		ok = udp && j.each > 0 && int(binary.BigEndian.Uint16(u[4:])) == len(u) && (u[6] != 0 || u[7] != 0)
	default:
		return j, false, false
	}
	return j, true, ok
}

// add puts a packet to those that are to be written.
func (w *joiner) add(ip []byte) {
	j, flow, ok := joinable(ip, w.udp)
	if !flow {
		w.closeAll() // it may be a fragment of an open flow
		w.out = append(w.out, j)
		return
	}
	at := -1
	for i, n := range w.open {
		if n >= 0 && w.out[n].sameFlow(&j) {
			at = i
			break
		}
	}
	if at >= 0 && ok && w.join(&w.out[w.open[at]], &j) {
		if o := &w.out[w.open[at]]; j.each < o.each || j.pushed {
			w.open[at] = -1
		}
		return
	}
	w.out = append(w.out, j)
	switch {
	case !ok || j.pushed:
		if at >= 0 {
			w.open[at] = -1
		}
		return
	case at < 0:
		at = w.oldest
		w.oldest = (w.oldest + 1) % openFlows
	}
	w.open[at] = len(w.out) - 1
}

func (w *joiner) closeAll() {
	for i := range w.open {
		w.open[i] = -1
	}
}

func newJoiner(udp bool) *joiner {
	w := &joiner{udp: udp}
	w.closeAll()
	return w
}

// reset forgets what was written.
func (w *joiner) reset() {
	w.out, w.pieces = w.out[:0], w.pieces[:0]
	w.closeAll()
}

// sameFlow compares addresses, protocol and ports.
func (o *aggregate) sameFlow(j *aggregate) bool {
	return o.upper == j.upper && o.protocol == j.protocol && bytes.Equal(o.ip[o.upper:o.upper+4], j.ip[j.upper:j.upper+4]) &&
		bytes.Equal(addresses(o.ip), addresses(j.ip))
}

// sameHeaders says whether one packet could stand for both.
func (o *aggregate) sameHeaders(j *aggregate) bool {
	a, b := o.ip, j.ip
	if o.head != j.head || is6(a) != is6(b) {
		return false
	}
	if is6(a) {
		if !bytes.Equal(a[:4], b[:4]) || a[7] != b[7] { // class, label, hop limit
			return false
		}
	} else if a[1] != b[1] || !bytes.Equal(a[6:9], b[6:9]) { // class, DF, TTL
		return false
	} else if a[6]&(dontFragment>>8) == 0 && binary.BigEndian.Uint16(b[4:]) != binary.BigEndian.Uint16(a[4:])+uint16(o.count) {
		return false // numbers that fragments are put together by
	}
	if o.protocol == protoUDP {
		return true
	}
	t, u := a[o.upper:o.head], b[j.upper:j.head]
	// The acknowledgment, the window, the urgent pointer, the options.
	return bytes.Equal(t[8:13], u[8:13]) && bytes.Equal(t[14:16], u[14:16]) && bytes.Equal(t[18:], u[18:])
}

// The most that one large packet can hold.
const (
	maxJoined    = 65535
	maxDatagrams = 64 // of UDP
)

// join puts a packet behind another, if it can.
func (w *joiner) join(o, j *aggregate) bool {
	switch {
	case j.each > o.each, o.size+j.each > maxJoined, !o.sameHeaders(j):
		return false
	case o.protocol == protoTCP && j.seq-uint32(j.each) != o.seq:
		return false
	case o.protocol == protoUDP && o.count == maxDatagrams:
		return false
	case !o.checked && !o.genuine(), !j.genuine():
		return false
	}
	o.checked = true
	w.pieces = append(w.pieces, piece{j.ip[j.head:], -1})
	n := len(w.pieces) - 1
	if o.count == 1 {
		o.first = n
	} else {
		w.pieces[o.last].next = n
	}
	o.last = n
	o.count++
	o.size += j.each
	o.seq, o.pushed = j.seq, j.pushed
	return true
}

// genuine checks the transport's checksum.
func (o *aggregate) genuine() bool {
	upper := o.ip[o.upper:]
	return pseudo(o.ip, o.protocol, len(upper)).add(upper).value() == 0xffff
}

// header makes the first packet's headers those of all together, and says what
// the kernel must know of it.
func (o *aggregate) header() vnet {
	if o.count == 1 {
		return vnet{}
	}
	ip, upper := o.ip, o.ip[o.upper:]
	length := o.size - o.upper
	if is6(ip) {
		binary.BigEndian.PutUint16(ip[4:], uint16(o.size-ipv6Header))
	} else {
		binary.BigEndian.PutUint16(ip[2:], uint16(o.size))
		checksumIPv4(ip)
	}
	v := vnet{flags: vnetNeedsSum, head: uint16(o.head), each: uint16(o.each), sumAt: uint16(o.upper)}
	switch {
	case o.protocol == protoUDP:
		v.kind, v.sumField = vnetUDP, 6
		binary.BigEndian.PutUint16(upper[4:], uint16(length))
	case is6(ip):
		v.kind, v.sumField = vnetTCP6, 16
	default:
		v.kind, v.sumField = vnetTCP4, 16
	}
	if o.protocol == protoTCP && o.pushed {
		upper[13] |= tcpPSH
	}
	// The kernel goes on from the sum of the pseudo header.
	binary.BigEndian.PutUint16(upper[v.sumField:], pseudo(ip, o.protocol, length).value())
	return v
}
