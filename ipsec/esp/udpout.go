package esp

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// shape is what the outer header of a packet says beside addresses (RFC 4301
// section 5.1.2).
type shape struct {
	class uint8 // TOS or traffic class
	hops  uint8 // TTL or hop limit
	df    bool  // don't fragment, of IPv4
}

// udpOutbox sends ESP in UDP by the batch. Consecutive datagrams of one SA, shape
// and length are one message, which the kernel cuts apart (UDP_SEGMENT), with a
// shorter one at the end at most.
type udpOutbox struct {
	s    *udpSocket
	out  *outbox
	runs []udpRun // of the messages
	to   address
	one  *outbox // for what has to be sent once more, alone
	lone shape   // of that
}

// udpRun is a message.
type udpRun struct {
	sa    *outbound
	shape shape
	// each is the length of the datagrams but the last, size that of all.
	each, size   int
	first, count int // pieces
}

// The most that one message can hold: datagrams (UDP_MAX_SEGMENTS in
// linux/udp.h) and bytes.
const (
	maxSegments = 64
	maxMessage  = 65535 - ipv6Header - udpHeader
)

func (s *udpSocket) outbox(n int) *udpOutbox {
	o := &udpOutbox{s: s, out: newOutbox(s.conn, n, n), one: newOutbox(s.conn, 1, 1), runs: make([]udpRun, 0, n)}
	o.out.before, o.one.before = o.prepare, o.prepareOne
	return o
}

// prepare tells the kernel what it cannot be told with a message.
func (o *udpOutbox) prepare(fd uintptr, from int) (end int) {
	end = from + 1
	for end < len(o.runs) && o.runs[end].shape.df == o.runs[from].shape.df {
		end++
	}
	o.s.setDF(fd, o.runs[from].shape.df)
	return end
}

func (o *udpOutbox) prepareOne(fd uintptr, _ int) (end int) {
	o.s.setDF(fd, o.lone.df)
	return 1
}

// setDF is for who holds the descriptor's lock.
func (s *udpSocket) setDF(fd uintptr, df bool) {
	if s.v6 || s.df == df {
		return
	}
	how := unix.IP_PMTUDISC_DONT
	if df {
		how = unix.IP_PMTUDISC_DO
	}
	if unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how) == nil {
		s.df = df
	}
}

// add puts a datagram to those that are to be sent; the bytes must stay until
// flush.
func (o *udpOutbox) add(e *Engine, sa *outbound, b []byte, like shape) {
	if n := len(o.runs); n > 0 {
		r := &o.runs[n-1]
		whole := r.size == r.each*r.count
		if r.sa == sa && r.shape == like && whole && len(b) <= r.each && r.count < maxSegments && r.size+len(b) <= maxMessage && o.s.segment.Load() && !o.out.full() {
			o.out.piece(&o.out.msgs[n-1], b)
			r.size += len(b)
			r.count++
			return
		}
	}
	if o.out.full() {
		o.flush(e)
	}
	o.runs = append(o.runs, udpRun{sa: sa, shape: like, each: len(b), size: len(b), first: len(o.out.iov), count: 1})
	o.begin(o.out, sa, like, !sa.noSource.Load())
	o.out.piece(&o.out.msgs[o.out.n-1], b)
}

// begin begins a message of an SA.
func (o *udpOutbox) begin(out *outbox, sa *outbound, like shape, source bool) {
	o.to.set(netip.AddrPortFrom(sa.Remote, sa.Encap.RemotePort))
	out.begin(&o.to)
	c := &out.control[out.n-1]
	if source {
		c.putSource(sa.Local)
	}
	if o.s.v6 {
		c.put(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, uint32(like.class), 4)
		c.put(unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, uint32(like.hops), 4)
		return
	}
	c.put(unix.IPPROTO_IP, unix.IP_TOS, uint32(like.class), 4)
	c.put(unix.IPPROTO_IP, unix.IP_TTL, uint32(like.hops), 4)
}

// flush sends everything.
func (o *udpOutbox) flush(e *Engine) {
	if len(o.runs) == 0 {
		return
	}
	for i := range o.runs {
		if r := &o.runs[i]; r.count > 1 {
			o.out.control[i].put(unix.IPPROTO_UDP, unix.UDP_SEGMENT, uint32(r.each), 2)
		}
	}
	for at := 0; at < o.out.n; at++ {
		next, err := o.out.write(at)
		if err == nil {
			break
		}
		at = next
		o.again(e, &o.runs[at], err)
	}
	o.out.reset()
	o.runs = o.runs[:0]
}

// again does what can be done for a message that the kernel refused.
func (o *udpOutbox) again(e *Engine, r *udpRun, err error) {
	switch err {
	case unix.EIO:
		o.s.segment.Store(false) // the device below cannot make checksums
	case unix.EMSGSIZE:
		e.learn(r.sa)
		if r.shape.df {
			e.counters.sendFailed.Add(uint64(r.count))
			return
		}
	default:
		// Older kernels say EINVAL if it is too long.
		if !perhapsSource(err) {
			e.counters.sendFailed.Add(uint64(r.count))
			return
		}
	}
	for _, v := range o.out.iov[r.first : r.first+r.count] {
		err := o.alone(r, v, true)
		if perhapsSource(err) {
			// Any address is better than none.
			if err = o.alone(r, v, false); err == nil {
				r.sa.noSource.Store(true)
			}
		}
		if err == unix.EMSGSIZE {
			e.learn(r.sa)
		}
		if err != nil {
			e.counters.sendFailed.Add(1)
		}
	}
}

// perhapsSource says whether the kernel may have refused the source address,
// because this host does not have it any more.
func perhapsSource(err error) bool {
	return err == unix.EINVAL || err == unix.EADDRNOTAVAIL || err == unix.ENETUNREACH
}

// alone sends one datagram, which the kernel may fragment.
func (o *udpOutbox) alone(r *udpRun, v unix.Iovec, source bool) error {
	o.lone = r.shape
	o.one.reset()
	o.begin(o.one, r.sa, r.shape, source)
	o.one.vector(&o.one.msgs[0], v)
	_, err := o.one.write(0)
	return err
}

// learn asks the kernel for the MTU of the way that an SA goes, after it has
// refused a packet.
func (e *Engine) learn(sa *outbound) {
	if mtu, err := e.prober.MTU(sa.Remote); err == nil {
		sa.path.learn(mtu, sa.Local.Is6(), time.Now())
	}
}

// putSource says which address a message comes from.
func (c *control) putSource(local netip.Addr) {
	if local.Is4() {
		a := local.As4()
		info := c.bytes(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		copy(info[4:], a[:]) // ipi_spec_dst
		return
	}
	a := local.As16()
	copy(c.bytes(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo), a[:])
}

// message sends one datagram from an address to another: of IKE, or a keepalive.
func (s *udpSocket) message(from netip.Addr, to netip.AddrPort, b []byte) error {
	err := s.messageFrom(from, to, b)
	if perhapsSource(err) {
		err = s.messageFrom(netip.Addr{}, to, b)
	}
	return err
}

func (s *udpSocket) messageFrom(from netip.Addr, to netip.AddrPort, b []byte) error {
	out := newOutbox(s.conn, 1, 1)
	out.before = func(fd uintptr, _ int) int {
		s.setDF(fd, false) // IKE messages can be long
		return 1
	}
	var a address
	a.set(to)
	m := out.begin(&a)
	if from.IsValid() && !from.IsUnspecified() && from.Is4() == to.Addr().Is4() {
		out.control[0].putSource(from)
	}
	out.piece(m, b)
	_, err := out.write(0)
	return err
}
