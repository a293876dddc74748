package esp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// rawSockets carry ESP and AH directly over IP (protocols 50 and 51). Two send
// whole packets, four receive.
type rawSockets struct {
	in  []rawInput
	all []*os.File
	// sending guards the following: dummy packets come from elsewhere.
	sending      sync.Mutex
	send4, send6 *outbox
	to           address
}

// rawInput is a socket that receives.
type rawInput struct {
	conn     syscall.RawConn
	v6       bool
	protocol sad.Protocol
}

// rawBatch is how many packets one call to the kernel takes.
const rawBatch = 64

// rawBuffer is the receive buffer of a socket in bytes, as far as the kernel
// allows.
const rawBuffer = 4 << 20

func openRaw(mark uint32) (*rawSockets, error) {
	r := new(rawSockets)
	for _, s := range []struct {
		family   int
		protocol sad.Protocol
	}{
		{unix.AF_INET, unix.IPPROTO_RAW}, {unix.AF_INET6, unix.IPPROTO_RAW},
		{unix.AF_INET, sad.ESP}, {unix.AF_INET, sad.AH}, {unix.AF_INET6, sad.ESP}, {unix.AF_INET6, sad.AH},
	} {
		c, err := r.open(s.family, s.protocol, mark)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("raw socket for protocol %d: %w", s.protocol, err), r.close())
		}
		switch v6 := s.family == unix.AF_INET6; {
		case s.protocol != unix.IPPROTO_RAW:
			r.in = append(r.in, rawInput{c, v6, s.protocol})
		case v6:
			r.send6 = newOutbox(c, rawBatch, rawBatch)
		default:
			r.send4 = newOutbox(c, rawBatch, rawBatch)
		}
	}
	return r, nil
}

func (r *rawSockets) open(family int, protocol sad.Protocol, mark uint32) (syscall.RawConn, error) {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol))
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "raw")
	r.all = append(r.all, f)
	set := func(level, option, value int) error { return unix.SetsockoptInt(fd, level, option, value) }
	// More is better, but nothing depends on it.
	set(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, rawBuffer)
	set(unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, rawBuffer)
	if mark != 0 {
		err = set(unix.SOL_SOCKET, unix.SO_MARK, int(mark))
	}
	if family == unix.AF_INET6 && protocol != unix.IPPROTO_RAW {
		for _, option := range []int{unix.IPV6_RECVPKTINFO, unix.IPV6_RECVTCLASS, optFlowInfo, unix.IPV6_RECVHOPOPTS, unix.IPV6_RECVDSTOPTS, unix.IPV6_RECVRTHDR} {
			err = errors.Join(err, set(unix.IPPROTO_IPV6, option, 1))
		}
	}
	if err != nil {
		return nil, err
	}
	return f.SyscallConn()
}

func (r *rawSockets) close() error {
	var errs []error
	for _, f := range r.all {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// send sends whole IP packets to one address.
func (r *rawSockets) send(packets [][]byte, to netip.Addr) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	out := r.send4
	if to.Is6() {
		out = r.send6
	}
	r.to.set(netip.AddrPortFrom(to, 0))
	for len(packets) > 0 {
		out.reset()
		for len(packets) > 0 && !out.full() {
			out.piece(out.begin(&r.to), packets[0])
			packets = packets[1:]
		}
		if _, err := out.write(0); err != nil {
			return err
		}
	}
	return nil
}

// run receives until the sockets close.
func (r *rawSockets) run(ctx context.Context, e *Engine) error {
	tasks, _ := errgroup.WithContext(ctx)
	for i, in := range r.in {
		tasks.Go(func() error { return e.carryRaw(in, laneRaw+lane(i)) })
	}
	return tasks.Wait()
}

// optFlowInfo is IPV6_FLOWINFO of linux/in6.h: the traffic class and the flow label,
// which inbound policies may select by.
const optFlowInfo = 11

// carryRaw moves packets from one raw socket to the TUN. The kernel gives IPv4
// packets whole and IPv6 packets without their headers.
func (e *Engine) carryRaw(s rawInput, own lane) error {
	r := e.newReceiver(rawBatch, own)
	in := newInbox(s.conn, r.into)
	for failed := 0; ; {
		n, err := in.read()
		if err != nil {
			if failed++; isClosed(err) || failed > 1000 {
				return err
			}
			continue
		}
		failed = 0
		t, now := e.tables.Load(), time.Now().UnixNano()
		for i := range n {
			p := packet{buf: r.bufs[i], start: inboundRoom, end: inboundRoom + int(in.msgs[i].size)}
			if !in.whole(i) || s.v6 && !p.rebuild(in.from[i].get().Addr(), &in.control[i], s.protocol) {
				e.counters.malformed.Add(1)
				continue
			}
			r.overIP(t, p, now)
		}
		r.deliver(t, now)
	}
}

// overIP finds the SA of an ESP or AH packet with its IP header and puts it to
// the batch.
func (r *receiver) overIP(t *tables, p packet, now int64) {
	f, length, ok := parseInner(p.bytes())
	if !ok {
		r.e.counters.malformed.Add(1)
		return
	}
	p.end = p.start + length
	sa, at, next := t.protected(p.bytes(), &f)
	if sa == nil {
		r.e.unknown(sad.ID{Protocol: sad.Protocol(f.protocol)}, f.src, now)
		return
	}
	sa.busy.Lock()
	defer sa.busy.Unlock()
	r.number(arrival{packet: p, sa: sa, at: at, next: next})
}

// rebuild puts the IPv6 header back that the kernel took away, with the
// extension headers that it tells of, because AH covers them. The hop limit is
// not told, nor covered.
func (p *packet) rebuild(src netip.Addr, c *control, protocol sad.Protocol) bool {
	var head [inboundRoom]byte
	size, next, good := ipv6Header, 6, true
	read := c.each(func(level, what int32, data []byte) {
		if level != unix.IPPROTO_IPV6 {
			return
		}
		kind := -1
		switch what {
		case unix.IPV6_PKTINFO:
			good = good && len(data) >= 16
			copy(head[24:ipv6Header], data)
		case unix.IPV6_TCLASS:
			if good = good && len(data) >= 4; good {
				class := uint8(binary.NativeEndian.Uint32(data))
				head[0], head[1] = class>>4, class<<4|head[1]&0x0f
			}
		case optFlowInfo: // told unless it is zero
			if good = good && len(data) >= 4; good {
				head[1] |= data[1] & 0x0f
				copy(head[2:4], data[2:])
			}
		case unix.IPV6_HOPOPTS:
			kind = extHopByHop
		case unix.IPV6_DSTOPTS:
			kind = extDestination
		case unix.IPV6_RTHDR:
			kind = extRouting
		}
		if kind < 0 {
			return
		}
		if len(data) < 8 || size+len(data) > len(head) {
			good = false
			return
		}
		head[next] = uint8(kind)
		next = size
		size += copy(head[size:], data)
	})
	if !read || !good || p.start < size {
		return false
	}
	head[next] = uint8(protocol)
	head[0] |= 6 << 4
	head[7] = 64
	a := src.As16()
	copy(head[8:], a[:])
	p.start -= size
	copy(p.bytes(), head[:size])
	setLength(p.bytes())
	return true
}
