package esp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/conn"

	"gatehouse/ipsec/sad"
)

const (
	// tunOffset is what the TUN needs in front of a packet for a header of its
	// own.
	tunOffset = 16
	// inboundRoom in front of a packet is for that, and for an IP header that the
	// socket keeps for itself, with its extensions.
	inboundRoom = tunOffset + ipv6Header + ancillary
	// maxNested bounds how many SAs one packet may have come by.
	maxNested = 4
)

// receiver is one inbound packet path's own memory.
type receiver struct {
	e     *Engine
	bufs  [][]byte // whole
	into  [][]byte // behind inboundRoom
	sizes []int
	eps   []conn.Endpoint
	out   [][]byte // plain packets for the TUN, behind tunOffset
	came  [maxNested]*inbound
}

func (e *Engine) newReceiver(n int) *receiver {
	r := &receiver{e: e, bufs: make([][]byte, n), into: make([][]byte, n), sizes: make([]int, n), eps: make([]conn.Endpoint, n), out: make([][]byte, 0, n)}
	for i := range r.bufs {
		r.bufs[i] = make([]byte, inboundRoom+bufferSize)
		r.into[i] = r.bufs[i][inboundRoom:]
	}
	return r
}

// carryIn moves packets from one UDP socket to the TUN until the socket closes.
func (e *Engine) carryIn(receive conn.ReceiveFunc) error {
	r := e.newReceiver(e.bind.BatchSize())
	for failed := 0; ; {
		n, err := receive(r.into, r.sizes, r.eps)
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

// batch sorts what came in UDP (RFC 3948 section 2).
func (r *receiver) batch(n int) {
	t := r.e.tables.Load()
	now := time.Now().UnixNano()
	r.out = r.out[:0]
	for i := range n {
		p := packet{buf: r.bufs[i], start: inboundRoom, end: inboundRoom + r.sizes[i]}
		b := p.bytes()
		switch {
		case len(b) == 1 && b[0] == keepalive:
		case len(b) < headerLen:
			r.e.counters.malformed.Add(1)
		case binary.BigEndian.Uint32(b) == 0:
			r.ike(b[markerLen:], r.eps[i])
		default:
			if r.inUDP(t, &p, r.eps[i], now) {
				r.out = append(r.out, p.buf[p.start-tunOffset:p.end])
			}
		}
	}
	r.deliver()
}

// deliver gives what came to the TUN.
func (r *receiver) deliver() {
	if len(r.out) == 0 {
		return
	}
	if _, err := r.e.tun.Write(r.out, tunOffset); err != nil {
		r.e.counters.writeFailed.Add(1)
	}
}

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

// inUDP opens an ESP packet that came in UDP and says whether it may pass.
func (r *receiver) inUDP(t *tables, p *packet, ep conn.Endpoint, now int64) bool {
	from, _ := ep.(*conn.StdNetEndpoint)
	return from != nil && r.opened(t, p, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), now)
}

// opened is inUDP from an address.
func (r *receiver) opened(t *tables, p *packet, from netip.AddrPort, now int64) bool {
	spi := sad.SPI(binary.BigEndian.Uint32(p.bytes()))
	sa := t.inbound(sad.ESP, spi)
	// Each family has its own goroutine, and an SA's state only one writer:
	// anyone could send a known SPI over the other family.
	if sa == nil || sa.Encap == nil || sa.Remote.Is4() != from.Addr().Is4() {
		r.e.unknown(sad.ID{SPI: spi, Protocol: sad.ESP}, from.Addr(), now)
		return false
	}
	n := p.end - p.start
	if why := sa.unprotect(r.e, p, 0, 0); why != sad.NotRefused {
		r.e.refused(sa, why, nil, now)
		return false
	}
	if peer := netip.AddrPortFrom(sa.Remote, sa.Encap.RemotePort); from != peer && from != sa.moved {
		// A NAT gave the peer another address; only a genuine packet says so.
		sa.moved = from
		r.e.cfg.Event(sad.Event{Kind: sad.Mapping, SA: sa.ID(), Policy: sa.Policy, From: from})
	}
	r.came[0] = sa
	return r.further(t, p, 1, n, now)
}

// unknown counts a packet that no SA is for.
func (e *Engine) unknown(id sad.ID, from netip.Addr, now int64) {
	e.counters.unknownSPI.Add(1)
	e.refuse(&e.refusals, sad.UnknownSPI, id, 0, &flow{src: from}, now)
}

// refused counts a packet that an SA refuses.
func (e *Engine) refused(sa *inbound, why sad.Refusal, f *flow, now int64) {
	switch why {
	case sad.ReplayedPacket:
		sa.replayed.Add(1)
	case sad.BadICV, sad.Malformed:
		sa.invalid.Add(1)
	default:
		sa.refused.Add(1)
	}
	e.refuse(&sa.refusals, why, sa.ID(), sa.Policy, f, now)
}

// further opens what one SA has left until nothing for this gateway is left to
// open, then checks it against the SPD. came[:n] are the SAs so far, the
// outermost first; size is what the packet was on the wire.
func (r *receiver) further(t *tables, p *packet, n, size int, now int64) bool {
	for n < maxNested && p.end > p.start {
		sa, at, next := t.nested(p.bytes())
		if sa == nil {
			break
		}
		if why := r.e.open(sa, p, at, next); why != sad.NotRefused {
			r.e.refused(sa, why, nil, now)
			return false
		}
		r.came[n] = sa
		n++
	}
	outermost := r.came[0]
	if p.end == p.start {
		// A dummy packet: genuine, and nothing.
		return outermost.life.count(r.e, &outermost.usage, &outermost.SA, 0, now) && false
	}
	f, length, ok := parseInner(p.bytes())
	if !ok {
		r.e.refused(outermost, sad.Malformed, nil, now)
		return false
	}
	p.end = p.start + length
	// The inner addresses must belong to this SA (RFC 4301 section 5.2): that
	// is what makes an address a proof of who sent it.
	if why := r.admits(t, &f, n); why != sad.NotRefused {
		r.e.refused(outermost, why, &f, now)
		return false
	}
	if outermost.packets.Load() == 0 {
		r.e.cfg.Event(sad.Event{Kind: sad.FirstInbound, SA: outermost.ID(), Policy: outermost.Policy})
	}
	for _, sa := range r.came[:n] {
		if !sa.life.count(r.e, &sa.usage, &sa.SA, length, now) {
			return false
		}
	}
	return true
}

// open opens a packet that did not come in UDP: several sockets may bring such
// packets at once.
func (e *Engine) open(sa *inbound, p *packet, at, next int) sad.Refusal {
	sa.busy.Lock()
	defer sa.busy.Unlock()
	return sa.unprotect(e, p, at, next)
}

// nested finds the SA of a packet for this gateway that is protected again.
func (t *tables) nested(ip []byte) (sa *inbound, at, next int) {
	f, length, ok := parseInner(ip)
	if !ok || f.protocol != uint8(sad.ESP) && f.protocol != uint8(sad.AH) {
		return nil, 0, 0
	}
	return t.protected(ip[:length], &f)
}

// protected finds the SA of an IP packet with ESP or AH inside, where that begins
// and where the headers say so.
func (t *tables) protected(ip []byte, f *flow) (sa *inbound, at, next int) {
	at, next, ok := insertion(ip)
	if !ok {
		return nil, 0, 0
	}
	protocol := sad.Protocol(ip[next])
	var spi sad.SPI
	switch {
	case protocol == sad.ESP && len(ip) >= at+headerLen:
		spi = sad.SPI(binary.BigEndian.Uint32(ip[at:]))
	case protocol == sad.AH && len(ip) >= at+ahFixed:
		spi = sad.SPI(binary.BigEndian.Uint32(ip[at+4:]))
	default:
		return nil, 0, 0
	}
	sa = t.inbound(protocol, spi)
	if sa == nil || sa.Encap != nil || sa.Local != f.dst || sa.Remote != f.src {
		return nil, 0, 0
	}
	return sa, at, next
}

// admits says why the SPD does not send a packet by the SAs that it came by (RFC
// 4301 section 5.2 step 4): a narrower policy in front of theirs is obeyed in
// both directions.
func (r *receiver) admits(t *tables, f *flow, n int) sad.Refusal {
	outermost := r.came[0]
	single := n == 1
	if single && outermost.Encap != nil && outermost.generation == t.generation && outermost.admitted == *f {
		return sad.NotRefused
	}
	p, labels := t.lookUp(f, false)
	if p == nil || p.Action != sad.Protect || !p.satisfied(r.came[:n]) {
		return sad.WrongSA
	}
	for _, sa := range r.came[:n] {
		if sa.Policy != p.ID || !matches(sa.LocalTS, sa.RemoteTS, f, false) {
			return sad.WrongSA
		}
	}
	if labels != 0 && unmet(t, labels, r.came[:n]) != nil {
		return sad.TooWeak
	}
	if single && outermost.Encap != nil {
		outermost.admitted, outermost.generation = *f, t.generation
	}
	return sad.NotRefused
}

// satisfied says whether a packet came by what the policy asks for: these SAs
// and no others, the outermost first.
func (p *policy) satisfied(came []*inbound) bool {
	if len(p.Needs) == 0 {
		return len(came) == 1
	}
	if len(came) != len(p.Needs) {
		return false
	}
	for i, sa := range came {
		need := p.Needs[len(p.Needs)-1-i]
		if sa.Protocol != need.Protocol || sa.Mode != sad.Either && sa.Mode != need.Mode {
			return false
		}
	}
	return true
}
