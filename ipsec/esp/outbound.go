package esp

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

const (
	// headroom in front of a packet is for a bundle of two tunnels, each with an
	// IPv6 header and the largest AH or ESP header.
	headroom = 2 * (ipv6Header + 56)
	// tailroom behind it is for padding, trailer and ICV, twice.
	tailroom = 2 * (255 + 2 + 64)
	// bufferSize holds the largest packet and what protection adds. It is that
	// large because offloads join packets in the first one's buffer.
	bufferSize = headroom + 65535 + tailroom
)

// The last sequence number of a 32-bit counter, and of an extended one (RFC
// 4303 sections 2.2 and 3.3.3). The last one of 64 bits is not used, so that the
// counter itself never wraps.
const (
	maxSequence  = 1<<32 - 1
	maxExtended  = 1<<64 - 2
	soonSequence = maxSequence / 4 * 3
	soonExtended = maxExtended / 4 * 3
)

// sequences are how far an SA may count and when it is time for the next one.
func (sa *outbound) sequences() (last, soon uint64) {
	if sa.ESN {
		return maxExtended, soonExtended
	}
	return maxSequence, soonSequence
}

// departure is a packet on its way out.
type departure struct {
	packet
	bundle []*outbound // the innermost first
	seqs   [sad.MaxBundle]uint64
	shape  shape // of the outermost header
	sealed bool
}

// sender is the outbound packet path's own memory.
type sender struct {
	e      *Engine
	bufs   [][]byte
	sizes  []int
	batch  []departure
	shared shared
	flows  flowCache

	udp4, udp6 *udpOutbox
	last       *udpOutbox // the one that was added to last
	run        [][]byte   // packets directly over IP of one SA, to be sent together
	runOf      *outbound
}

// batchSize is how many packets are read, protected and sent at once.
const batchSize = 128

func (e *Engine) newSender(n int) *sender {
	s := &sender{e: e, bufs: make([][]byte, n), sizes: make([]int, n), batch: make([]departure, 0, n)}
	for i := range s.bufs {
		s.bufs[i] = make([]byte, bufferSize)
	}
	s.shared.do = s.seal
	if e.udp4 != nil {
		s.udp4 = e.udp4.outbox(n)
	}
	if e.udp6 != nil {
		s.udp6 = e.udp6.outbox(n)
	}
	return s
}

// carryOut moves packets from the TUN to the sockets until the TUN closes.
func (e *Engine) carryOut() error {
	s := e.newSender(batchSize)
	for {
		n, err := e.tun.read(s.bufs, s.sizes, headroom)
		if err != nil {
			return err
		}
		s.carry(n)
	}
}

// carry protects and sends n packets, in order.
func (s *sender) carry(n int) {
	s.protectAll(n)
	for i := range s.batch {
		if d := &s.batch[i]; d.sealed {
			s.send(d)
		}
	}
	s.flush()
}

// protectAll makes the batch of the first n packets in bufs. What the databases
// say and the sequence numbers come first, in order, then the cryptography, which
// may be shared out.
func (s *sender) protectAll(n int) {
	t := s.e.tables.Load()
	now := time.Now().UnixNano()
	s.batch = s.batch[:0]
	for i := range n {
		s.plan(t, packet{buf: s.bufs[i], start: headroom, end: headroom + s.sizes[i]}, now)
	}
	s.e.crew.each(&s.shared, ownLane, len(s.batch))
}

// seal protects one packet of the batch.
func (s *sender) seal(l lane, i int) { s.batch[i].seal(s.e, l) }

// send puts a packet to those that are sent together.
func (s *sender) send(d *departure) {
	sa := d.bundle[len(d.bundle)-1]
	if sa.Encap == nil {
		if sa != s.runOf {
			s.flush()
			s.runOf = sa
		}
		s.run = append(s.run, d.bytes())
		return
	}
	out := s.udp4
	if sa.Remote.Is6() {
		out = s.udp6
	}
	if s.last != out || s.runOf != nil {
		s.flush()
		s.last = out
	}
	out.add(s.e, sa, d.bytes(), d.shape)
}

func (s *sender) flush() {
	if s.last != nil {
		s.last.flush(s.e)
		s.last = nil
	}
	if len(s.run) > 0 {
		s.e.sendRaw(s.runOf, s.run)
		s.run = s.run[:0]
	}
	s.runOf = nil
}

// sendRaw sends packets of one SA directly over IP.
func (e *Engine) sendRaw(sa *outbound, packets [][]byte) {
	err := e.raw.send(e.fitting(sa, packets), sa.Remote)
	if errors.Is(err, unix.EMSGSIZE) {
		e.learn(sa)
	}
	if err != nil {
		e.counters.sendFailed.Add(uint64(len(packets)))
	}
}

// fitting cuts packets that are too long for a path that is known to be narrow.
// Nearly always there are none.
func (e *Engine) fitting(sa *outbound, packets [][]byte) [][]byte {
	mtu := sa.path.now(time.Now().UnixNano())
	if mtu == 0 || !slices.ContainsFunc(packets, func(p []byte) bool { return len(p) > mtu }) {
		return packets
	}
	var out [][]byte
	for _, p := range packets {
		pieces := [][]byte{p}
		if len(p) > mtu {
			pieces = outerFragments(p, mtu, e.identification.Add(1))
		}
		if pieces == nil {
			e.counters.sendFailed.Add(1)
		}
		out = append(out, pieces...)
	}
	return out
}

// plan finds what the SPD says about a packet and, if it may leave, takes the
// sequence numbers of the SAs that it goes by and puts it to the batch.
func (s *sender) plan(t *tables, p packet, now int64) {
	c := &s.e.counters
	f, length, ok := parseInner(p.bytes())
	if !ok {
		c.malformed.Add(1)
		return
	}
	p.end = p.start + length
	pol, labels := s.flows.find(t, &f, true)
	if pol == nil {
		c.noPolicy.Add(1)
		s.e.refuse(&s.e.refusals, sad.Discarded, sad.ID{}, 0, &f, now)
		return
	}
	if pol.Action != sad.Protect {
		// What goes past IPsec must not come by ipsec0.
		c.discarded.Add(1)
		s.e.refuse(&pol.refusals, sad.Discarded, sad.ID{}, pol.ID, &f, now)
		return
	}
	bundle := pol.current.Load()
	if bundle == nil {
		c.noSA.Add(1)
		s.e.acquire(pol, &f, now)
		return
	}
	if labels != 0 {
		if d := unmet(t, labels, *bundle); d != nil {
			c.discarded.Add(1)
			s.e.refuse(&d.refusals, sad.TooWeak, (*bundle)[0].ID(), d.ID, &f, now)
			return
		}
	}
	if limit := room(*bundle, now); limit > 0 && length > limit && (*bundle)[0].Mode == sad.Tunnel && (!f.src.Is6() || length > leastMTU6) {
		for _, piece := range s.e.tooBig(p.bytes(), limit) {
			part := packet{buf: make([]byte, headroom+len(piece)+tailroom), start: headroom, end: headroom + len(piece)}
			copy(part.bytes(), piece)
			s.plan(t, part, now)
		}
		return
	}
	d := departure{packet: p, bundle: *bundle}
	for i, sa := range d.bundle {
		if !matches(sa.LocalTS, sa.RemoteTS, &f, true) {
			// Narrowed away by the peer.
			c.noPolicy.Add(1)
			s.e.refuse(&pol.refusals, sad.Discarded, sa.ID(), pol.ID, &f, now)
			return
		}
		if !sa.life.count(s.e, &sa.usage, &sa.SA, length, now) {
			c.exhausted.Add(1)
			return
		}
		if d.seqs[i], ok = sa.next(s.e); !ok {
			c.notProtected.Add(1)
			return
		}
	}
	s.batch = append(s.batch, d)
}

// seal carries the SAs out on the packet, in place.
func (d *departure) seal(e *Engine, l lane) {
	for i, sa := range d.bundle {
		if !sa.protect(e, l, d, d.seqs[i]) {
			e.counters.notProtected.Add(1)
			return
		}
	}
	d.sealed = true
}

// acquire reports traffic that waits for an SA.
func (e *Engine) acquire(p *policy, f *flow, now int64) {
	last := p.acquired.Load()
	if now-last < int64(acquireEvery) || !p.acquired.CompareAndSwap(last, now) {
		return
	}
	e.cfg.Event(sad.Event{Kind: sad.Acquire, Policy: p.ID, Source: f.src, Destination: f.dst})
}
