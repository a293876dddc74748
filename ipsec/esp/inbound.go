package esp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"gatehouse/ipsec/sad"
)

const (
	// inboundRoom in front of a packet is for an IP header that the socket keeps
	// for itself, with its extensions.
	inboundRoom = ipv6Header + controlRoom
	// maxNested bounds how many SAs one packet may have come by.
	maxNested = 4
)

// arrival is a packet on its way in.
type arrival struct {
	packet
	sa   *inbound
	from netip.AddrPort // of SAs in UDP
	// at is where ESP or AH begins, seen from the packet's start, and next where
	// the header in front says so.
	at, next int
	size     int // bytes on the wire
	seq      uint64
	class    uint8 // of the outer header
	// plain is what the cryptography left: of ESP with its trailer, of AH nothing.
	plain []byte
	auth  int // length of AH
	why   sad.Refusal
}

// receiver is one inbound packet path's own memory.
type receiver struct {
	e      *Engine
	own    lane
	bufs   [][]byte // whole
	into   [][]byte // behind inboundRoom
	spare  [][]byte
	spared int // of spare, used by this batch
	batch  []arrival
	shared shared
	flows  flowCache
	out    *deviceWriter
	came   [maxNested]*inbound
}

// newReceiver makes one that takes n messages at once.
func (e *Engine) newReceiver(n int, own lane) *receiver {
	r := &receiver{
		e: e, own: e.other(own), bufs: make([][]byte, n), into: make([][]byte, n), batch: make([]arrival, 0, batchSize),
	}
	if e.tun != nil {
		r.out = e.tun.writer()
	}
	for i := range r.bufs {
		r.bufs[i] = make([]byte, inboundRoom+bufferSize)
		r.into[i] = r.bufs[i][inboundRoom:][:maxPacket]
	}
	r.shared.do = r.decrypt
	return r
}

// udpMessages is how many messages one call takes. Each can have many datagrams.
const udpMessages = 32

// carryIn moves packets from one UDP socket to the TUN until the socket closes.
func (e *Engine) carryIn(s *udpSocket, own lane) error {
	r := e.newReceiver(udpMessages, own)
	in := newInbox(s.conn, r.into)
	for failed := 0; ; {
		n, err := in.read()
		if err != nil {
			// ICMP errors of what we sent surface here and prove nothing; a
			// closed or broken socket fails for good.
			if failed++; isClosed(err) || failed > 1000 {
				return err
			}
			continue
		}
		failed = 0
		t, now := e.tables.Load(), time.Now().UnixNano()
		for i := range n {
			r.message(t, i, int(in.msgs[i].size), in.from[i].get(), in.control[i].beside(), now)
		}
		r.deliver(t, now)
	}
}

// message takes the datagrams of one message, which the kernel has joined (UDP_GRO).
func (r *receiver) message(t *tables, i, size int, from netip.AddrPort, beside udpBeside, now int64) {
	each := beside.each
	if each <= 0 {
		each = max(size, 1)
	}
	for at := 0; at < size; at += each {
		a := arrival{
			packet: packet{buf: r.bufs[i], start: inboundRoom + at, end: inboundRoom + min(at+each, size)},
			from:   from, class: beside.class,
		}
		r.datagram(t, a, beside.local, now)
	}
}

// datagram sorts what came in UDP (RFC 3948 section 2).
func (r *receiver) datagram(t *tables, a arrival, local netip.Addr, now int64) {
	b := a.bytes()
	switch {
	case len(b) == 1 && b[0] == keepalive:
	case len(b) < headerLen:
		r.e.counters.malformed.Add(1)
	case binary.BigEndian.Uint32(b) == 0 && !local.IsValid():
		r.e.counters.unroutable.Add(1)
	case binary.BigEndian.Uint32(b) == 0:
		r.e.cfg.IKE(netip.AddrPortFrom(local, r.e.port), a.from, b[markerLen:])
	default:
		if len(r.batch) == cap(r.batch) {
			r.deliver(t, now)
		}
		r.inUDP(t, a, now)
	}
}

// inUDP finds the SA of an ESP packet in UDP and puts it to the batch.
func (r *receiver) inUDP(t *tables, a arrival, now int64) {
	spi := sad.SPI(binary.BigEndian.Uint32(a.bytes()))
	sa := t.inbound(sad.ESP, spi)
	// Each family has its own goroutine, and an SA's state only one writer:
	// anyone could send a known SPI over the other family.
	if sa == nil || sa.Encap == nil || sa.Remote.Is4() != a.from.Addr().Is4() {
		r.e.unknown(sad.ID{SPI: spi, Protocol: sad.ESP}, a.from.Addr(), now)
		return
	}
	if sa.Mode != sad.Tunnel && a.start > inboundRoom {
		a.packet = r.apart(a.packet) // it will get a header, and another packet lies in front
	}
	a.sa = sa
	r.number(a)
}

// apart copies a packet to where it has room.
func (r *receiver) apart(p packet) packet {
	if r.spared == len(r.spare) {
		r.spare = append(r.spare, make([]byte, inboundRoom+maxPacket))
	}
	buf := r.spare[r.spared]
	r.spared++
	return packet{buf: buf, start: inboundRoom, end: inboundRoom + copy(buf[inboundRoom:], p.bytes())}
}

// number finds the whole sequence number of a packet and puts it to the batch.
func (r *receiver) number(a arrival) {
	a.size = a.end - a.start
	a.seq, a.why = a.sa.number(a.bytes(), a.at)
	r.batch = append(r.batch, a)
}

// decrypt is the part of the work that can be shared out.
func (r *receiver) decrypt(l lane, i int) {
	a := &r.batch[i]
	if l == ownLane && a.sa.Encap == nil {
		l = r.own
	}
	if a.why == sad.NotRefused {
		a.decrypt(l)
	}
}

// deliver opens what is in the batch and gives the TUN what may pass.
func (r *receiver) deliver(t *tables, now int64) {
	if len(r.batch) == 0 {
		return
	}
	r.openAll(t, now)
	r.e.counters.writeFailed.Add(uint64(r.out.flush()))
}

// openAll opens what is in the batch: first the cryptography, which may be shared
// out, then the rest, in the order in which it came.
func (r *receiver) openAll(t *tables, now int64) {
	r.e.crew.each(&r.shared, ownLane, len(r.batch))
	for i := range r.batch {
		if a := &r.batch[i]; r.finish(t, a, now) {
			r.out.joiner.add(a.bytes())
		}
	}
	r.batch, r.spared = r.batch[:0], 0
}

// finish judges a packet that was decrypted.
func (r *receiver) finish(t *tables, a *arrival, now int64) bool {
	if a.sa.Encap == nil {
		a.sa.busy.Lock()
	}
	why := a.finish()
	if a.sa.Encap == nil {
		a.sa.busy.Unlock()
	}
	if why != sad.NotRefused {
		r.e.refused(a.sa, why, nil, now)
		return false
	}
	if sa := a.sa; sa.Encap != nil {
		if peer := netip.AddrPortFrom(sa.Remote, sa.Encap.RemotePort); a.from != peer && a.from != sa.moved {
			// A NAT gave the peer another address; only a genuine packet says so.
			sa.moved = a.from
			r.e.cfg.Event(sad.Event{Kind: sad.Mapping, SA: sa.ID(), Policy: sa.Policy, From: a.from})
		}
	}
	r.came[0] = a.sa
	return r.further(t, &a.packet, 1, now)
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
// outermost first.
func (r *receiver) further(t *tables, p *packet, n int, now int64) bool {
	for n < maxNested && p.end > p.start {
		sa, at, next := t.nested(p.bytes())
		if sa == nil {
			break
		}
		if why := r.open(sa, p, at, next); why != sad.NotRefused {
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

// open opens a packet inside another: several goroutines may bring such packets
// at once.
func (r *receiver) open(sa *inbound, p *packet, at, next int) sad.Refusal {
	sa.busy.Lock()
	defer sa.busy.Unlock()
	a := arrival{packet: *p, sa: sa, at: at, next: next}
	if a.seq, a.why = sa.number(p.bytes(), at); a.why == sad.NotRefused {
		a.decrypt(r.own)
		a.why = a.finish()
	}
	*p = a.packet
	return a.why
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
	p, labels := r.flows.find(t, f, false)
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
