package esp

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"gatehouse/ipsec/sad"
)

const (
	// headroom in front of a packet: ESP header and the longest IV, also
	// enough for the TUN's own header.
	headroom = 32
	// bufferSize holds the largest packet and what ESP adds. It is that large
	// because offloads join packets in the first one's buffer.
	bufferSize = headroom + 65535 + 64
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
	run   [][]byte // sealed packets of one SA, to be sent together
	sa    *outbound
	// The flow seen last and what was found for it, good while the tables are
	// the same.
	tables *tables
	last   flow
	policy *policy
}

// carryOut moves packets from the TUN to the socket until the TUN closes.
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
		sa, packet := s.protect(t, s.bufs[i], s.sizes[i], now)
		if sa == nil {
			continue
		}
		if sa != s.sa {
			s.flush()
			s.sa = sa
		}
		s.run = append(s.run, packet)
	}
	s.flush()
	s.sa = nil
}

func (s *sender) flush() {
	if len(s.run) == 0 {
		return
	}
	if err := s.e.bind.Send(s.run, s.sa.endpoint); err != nil {
		s.e.counters.sendFailed.Add(uint64(len(s.run)))
	}
	s.run = s.run[:0]
}

// protect seals the packet at buf[headroom:] of size bytes, or gives no SA if
// it must not leave.
func (s *sender) protect(t *tables, buf []byte, size int, now int64) (*outbound, []byte) {
	c := &s.e.counters
	f, length, ok := parseInner(buf[headroom : headroom+size])
	if !ok {
		c.malformed.Add(1)
		return nil, nil
	}
	if s.tables != t || s.last != f {
		s.tables, s.last, s.policy = t, f, t.lookUp(&f, true)
	}
	p := s.policy
	switch {
	case p == nil:
		c.noPolicy.Add(1)
		return nil, nil
	case p.Action != sad.Protect:
		// What goes past IPsec must not come by ipsec0.
		c.discarded.Add(1)
		return nil, nil
	case p.current == nil:
		c.noSA.Add(1)
		s.e.acquire(p, now)
		return nil, nil
	case !matches(p.current.LocalTS, p.current.RemoteTS, &f, true):
		// Narrowed away by the peer.
		c.noPolicy.Add(1)
		return nil, nil
	}
	next := uint8(nextIPv4)
	if f.src.Is6() {
		next = nextIPv6
	}
	packet := p.current.seal(s.e, buf, length, next)
	if packet == nil {
		c.exhausted.Add(1)
		return nil, nil
	}
	p.current.count(length, now)
	return p.current, packet
}

// seal makes an ESP packet of the plain one at buf[headroom:] (RFC 4303
// section 2). It gives nil when the sequence number is used up.
func (sa *outbound) seal(e *Engine, buf []byte, length int, next uint8) []byte {
	seq := sa.seq.Add(1)
	if last, soon := sa.sequences(); seq >= soon {
		if !sa.exhausted.Swap(true) {
			e.cfg.Event(sad.Event{Kind: sad.Exhausted, SPI: sa.SPI, Policy: sa.Policy})
		}
		if seq > last {
			sa.seq.Store(last)
			return nil
		}
	}
	end := headroom + length
	pad := -(length + 2) & (sa.transform.block() - 1)
	for i := range pad {
		buf[end+i] = byte(i + 1)
	}
	end += pad
	buf[end], buf[end+1] = byte(pad), next
	end += 2
	start := headroom - headerLen - sa.transform.ivLen()
	binary.BigEndian.PutUint32(buf[start:], uint32(sa.SPI))
	binary.BigEndian.PutUint32(buf[start+4:], uint32(seq))
	packet, err := sa.transform.seal(buf[start:], end-start, seq)
	if err != nil {
		return nil
	}
	return packet
}

// acquire reports traffic that waits for an SA.
func (e *Engine) acquire(p *policy, now int64) {
	last := p.acquired.Load()
	if now-last < int64(acquireEvery) || !p.acquired.CompareAndSwap(last, now) {
		return
	}
	e.cfg.Event(sad.Event{Kind: sad.Acquire, Policy: p.ID})
}
