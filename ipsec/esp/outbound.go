package esp

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"

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

// sender is the outbound packet path's own memory.
type sender struct {
	e     *Engine
	bufs  [][]byte
	sizes []int
	run   [][]byte // protected packets of one SA, to be sent together
	sa    *outbound
	flows flowCache
}

// carryOut moves packets from the TUN to the sockets until the TUN closes.
func (e *Engine) carryOut() error {
	n := e.tun.BatchSize()
	s := &sender{e: e, bufs: make([][]byte, n), sizes: make([]int, n), run: make([][]byte, 0, n)}
	for i := range s.bufs {
		s.bufs[i] = make([]byte, bufferSize)
	}
	for {
		n, err := e.tun.Read(s.bufs, s.sizes, headroom)
		if n > 0 {
			s.batch(n)
		}
		if err != nil && !errors.Is(err, tun.ErrTooManySegments) {
			return err
		}
	}
}

// batch protects and sends n packets, in order.
func (s *sender) batch(n int) {
	t := s.e.tables.Load()
	now := time.Now().UnixNano()
	for i := range n {
		p := packet{buf: s.bufs[i], start: headroom, end: headroom + s.sizes[i]}
		s.add(t, &p, now)
	}
	s.flush()
	s.sa = nil
}

// add protects a packet and puts it to those that are sent together.
func (s *sender) add(t *tables, p *packet, now int64) {
	sa := s.protect(t, p, now)
	if sa == nil {
		return
	}
	if sa != s.sa {
		s.flush()
		s.sa = sa
	}
	s.run = append(s.run, p.bytes())
}

func (s *sender) flush() {
	if len(s.run) == 0 {
		return
	}
	s.e.send(s.sa, s.run)
	s.run = s.run[:0]
}

// send gives packets of one SA to the socket that carries them.
func (e *Engine) send(sa *outbound, packets [][]byte) {
	var err error
	if sa.Encap != nil {
		err = e.bind.Send(packets, sa.endpoint)
	} else {
		err = e.raw.send(e.fitting(sa, packets), sa.Remote)
	}
	if errors.Is(err, unix.EMSGSIZE) {
		if mtu, err := e.prober.mtu(sa.Remote); err == nil {
			sa.path.learn(mtu, sa.Local.Is6(), time.Now())
		}
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

// protect does to a packet what the SPD says, and gives the outermost SA it goes
// by, or none if it must not leave.
func (s *sender) protect(t *tables, p *packet, now int64) *outbound {
	c := &s.e.counters
	f, length, ok := parseInner(p.bytes())
	if !ok {
		c.malformed.Add(1)
		return nil
	}
	p.end = p.start + length
	pol, labels := s.flows.find(t, &f)
	if pol == nil {
		c.noPolicy.Add(1)
		s.e.refuse(&s.e.refusals, sad.Discarded, sad.ID{}, 0, &f, now)
		return nil
	}
	if pol.Action != sad.Protect {
		// What goes past IPsec must not come by ipsec0.
		c.discarded.Add(1)
		s.e.refuse(&pol.refusals, sad.Discarded, sad.ID{}, pol.ID, &f, now)
		return nil
	}
	bundle := pol.current.Load()
	if bundle == nil {
		c.noSA.Add(1)
		s.e.acquire(pol, now)
		return nil
	}
	if labels != 0 {
		if d := unmet(t, labels, *bundle); d != nil {
			c.discarded.Add(1)
			s.e.refuse(&d.refusals, sad.TooWeak, (*bundle)[0].ID(), d.ID, &f, now)
			return nil
		}
	}
	if limit := room(*bundle, now); limit > 0 && length > limit && (*bundle)[0].Mode == sad.Tunnel && (!f.src.Is6() || length > leastMTU6) {
		for _, piece := range s.e.tooBig(p.bytes(), limit) {
			part := packet{buf: make([]byte, headroom+len(piece)+tailroom), start: headroom, end: headroom + len(piece)}
			copy(part.bytes(), piece)
			s.add(t, &part, now)
		}
		return nil
	}
	var last *outbound
	for _, sa := range *bundle {
		if !matches(sa.LocalTS, sa.RemoteTS, &f, true) {
			// Narrowed away by the peer.
			c.noPolicy.Add(1)
			s.e.refuse(&pol.refusals, sad.Discarded, sa.ID(), pol.ID, &f, now)
			return nil
		}
		if !sa.life.count(s.e, &sa.usage, &sa.SA, length, now) {
			c.exhausted.Add(1)
			return nil
		}
		if !sa.protect(s.e, p) {
			c.notProtected.Add(1)
			return nil
		}
		last = sa
	}
	return last
}

// acquire reports traffic that waits for an SA.
func (e *Engine) acquire(p *policy, now int64) {
	last := p.acquired.Load()
	if now-last < int64(acquireEvery) || !p.acquired.CompareAndSwap(last, now) {
		return
	}
	e.cfg.Event(sad.Event{Kind: sad.Acquire, Policy: p.ID})
}
