package esp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/conn"

	"gatehouse/ipsec/sad"
)

// tunOffset is where each packet begins in the slices given to the TUN, which
// writes its own header in front.
const tunOffset = headerLen + aeadIV

// receiver is one inbound packet path's own memory.
type receiver struct {
	e     *Engine
	bufs  [][]byte
	sizes []int
	eps   []conn.Endpoint
	out   [][]byte // plain packets for the TUN
}

// carryIn moves packets from one socket to the TUN until the socket closes.
func (e *Engine) carryIn(receive conn.ReceiveFunc) error {
	n := e.bind.BatchSize()
	r := &receiver{e: e, bufs: make([][]byte, n), sizes: make([]int, n), eps: make([]conn.Endpoint, n), out: make([][]byte, 0, n)}
	for i := range r.bufs {
		r.bufs[i] = make([]byte, bufferSize)
	}
	for failed := 0; ; {
		n, err := receive(r.bufs, r.sizes, r.eps)
		if err != nil {
			// ICMP errors of what we sent surface here and prove nothing; a
			// closed or broken socket fails for good.
			if failed++; isClosed(err) || failed > 1000 {
				return err
			}
			continue
		}
		failed = 0
		r.batch(n)
	}
}

func (r *receiver) batch(n int) {
	t := r.e.tables.Load()
	now := time.Now().UnixNano()
	r.out = r.out[:0]
	for i := range n {
		b := r.bufs[i][:r.sizes[i]]
		switch {
		case len(b) == 1 && b[0] == keepalive:
		case len(b) < headerLen:
			r.e.counters.malformed.Add(1)
		case binary.BigEndian.Uint32(b) == 0:
			r.ike(b[markerLen:], r.eps[i])
		default:
			if packet := r.e.unprotect(t, b, is4(r.eps[i]), now); packet != nil {
				r.out = append(r.out, packet)
			}
		}
	}
	if len(r.out) == 0 {
		return
	}
	if _, err := r.e.tun.Write(r.out, tunOffset); err != nil {
		r.e.counters.writeFailed.Add(1)
	}
}

func is4(ep conn.Endpoint) bool { return ep.DstIP().Unmap().Is4() }

func (r *receiver) ike(msg []byte, ep conn.Endpoint) {
	from, ok := ep.(*conn.StdNetEndpoint)
	if !ok {
		return
	}
	remote := netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	local, err := sourceFor(remote)
	if err != nil {
		r.e.counters.unroutable.Add(1)
		return
	}
	r.e.cfg.IKE(netip.AddrPortFrom(local, r.e.port), remote, msg)
}

// sourceFor is the address from which this host sends to remote, which is the
// one that SendIKE and ESP use. The socket's own word on where a datagram
// arrived is lost: StdNetBind drops the control message when it splits what
// the kernel coalesced (UDP_GRO). Connecting a UDP socket sends nothing.
func sourceFor(remote netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// unprotect opens an ESP packet in place (RFC 4303 section 3.4) and gives it
// with tunOffset bytes in front, or nil if it must not pass. outer4 says that
// it came over IPv4.
func (e *Engine) unprotect(t *tables, b []byte, outer4 bool, now int64) []byte {
	sa := t.in[sad.SPI(binary.BigEndian.Uint32(b))]
	// Each family has its own goroutine, and an SA's state only one writer:
	// anyone could send a known SPI over the other family.
	if sa == nil || sa.Remote.Is4() != outer4 {
		e.counters.unknownSPI.Add(1)
		return nil
	}
	seq, ok := uint64(binary.BigEndian.Uint32(b[4:])), true
	if sa.ESN {
		seq, ok = sa.window.extend(uint32(seq))
	}
	if !ok || !sa.window.fresh(seq) {
		sa.replayed.Add(1)
		return nil
	}
	plain, err := sa.transform.open(b, uint32(seq>>32))
	if err != nil {
		sa.invalid.Add(1)
		return nil
	}
	sa.window.accept(seq)
	f, length, ok := strip(plain)
	if !ok {
		sa.invalid.Add(1)
		return nil
	}
	// The inner addresses must belong to this SA (RFC 4301 section 5.2): that
	// is what makes an address a proof of who sent it.
	if !sa.admits(t, &f) {
		sa.refused.Add(1)
		return nil
	}
	if sa.packets.Load() == 0 {
		e.cfg.Event(sad.Event{Kind: sad.FirstInbound, SPI: sa.SPI, Policy: sa.Policy})
	}
	sa.count(length, now)
	start := headerLen + sa.transform.ivLen()
	if start < tunOffset {
		// Without an IV there is too little in front for the TUN's header.
		b = b[:tunOffset+length]
		copy(b[tunOffset:], plain[:length])
		start = tunOffset
	}
	return b[start-tunOffset : start+length]
}

// strip checks padding and next header and reads the inner packet. What lies
// behind the inner packet's own length is traffic flow padding and ignored.
func strip(plain []byte) (f flow, length int, ok bool) {
	if len(plain) < 2 {
		return f, 0, false
	}
	pad, next := int(plain[len(plain)-2]), plain[len(plain)-1]
	if pad > len(plain)-2 {
		return f, 0, false
	}
	inner := plain[:len(plain)-2-pad]
	for i, b := range plain[len(inner) : len(inner)+pad] {
		if b != byte(i+1) { // RFC 4303 section 2.4
			return f, 0, false
		}
	}
	f, length, ok = parseInner(inner)
	if !ok || (next == nextIPv4) != f.src.Is4() || (next == nextIPv6) != f.src.Is6() {
		return f, 0, false
	}
	return f, length, true
}
