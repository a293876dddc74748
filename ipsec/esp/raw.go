package esp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// rawSockets carry ESP and AH directly over IP (protocols 50 and 51). Two send
// whole packets, four receive.
type rawSockets struct {
	send4 *ipv4.PacketConn
	send6 *ipv6.PacketConn
	in4   []*ipv4.PacketConn
	in6   []*ipv6.PacketConn
	all   []net.PacketConn
	// sending guards the following: dummy packets come from elsewhere.
	sending  sync.Mutex
	messages []ipv4.Message
	to       net.IPAddr
}

// rawBatch is how many packets one call to the kernel takes.
const rawBatch = 64

// rawBuffer is the receive buffer of a socket in bytes, as far as the kernel
// allows.
const rawBuffer = 4 << 20

func openRaw(mark uint32) (*rawSockets, error) {
	r := &rawSockets{messages: make([]ipv4.Message, rawBatch)}
	open := func(family, protocol int) (net.PacketConn, error) {
		fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
		if err != nil {
			return nil, fmt.Errorf("open a raw socket for protocol %d: %w", protocol, err)
		}
		// More is better, but nothing depends on it.
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, rawBuffer)
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, rawBuffer)
		if mark != 0 {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark)); err != nil {
				unix.Close(fd)
				return nil, fmt.Errorf("mark packets of a raw socket: %w", err)
			}
		}
		if family == unix.AF_INET6 && protocol != unix.IPPROTO_RAW {
			err = errors.Join(
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1),
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1),
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPOPTS, 1),
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVDSTOPTS, 1),
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVRTHDR, 1),
			)
			if err != nil {
				unix.Close(fd)
				return nil, fmt.Errorf("raw socket for protocol %d: %w", protocol, err)
			}
		}
		f := os.NewFile(uintptr(fd), "raw")
		defer f.Close()
		c, err := net.FilePacketConn(f)
		if err != nil {
			return nil, err
		}
		r.all = append(r.all, c)
		return c, nil
	}
	for _, s := range []struct {
		family, protocol int
		keep             func(net.PacketConn)
	}{
		{unix.AF_INET, unix.IPPROTO_RAW, func(c net.PacketConn) { r.send4 = ipv4.NewPacketConn(c) }},
		{unix.AF_INET6, unix.IPPROTO_RAW, func(c net.PacketConn) { r.send6 = ipv6.NewPacketConn(c) }},
		{unix.AF_INET, int(sad.ESP), func(c net.PacketConn) { r.in4 = append(r.in4, ipv4.NewPacketConn(c)) }},
		{unix.AF_INET, int(sad.AH), func(c net.PacketConn) { r.in4 = append(r.in4, ipv4.NewPacketConn(c)) }},
		{unix.AF_INET6, int(sad.ESP), func(c net.PacketConn) { r.in6 = append(r.in6, ipv6.NewPacketConn(c)) }},
		{unix.AF_INET6, int(sad.AH), func(c net.PacketConn) { r.in6 = append(r.in6, ipv6.NewPacketConn(c)) }},
	} {
		c, err := open(s.family, s.protocol)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		s.keep(c)
	}
	return r, nil
}

func (r *rawSockets) close() error {
	var errs []error
	for _, c := range r.all {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// send sends whole IP packets to one address.
func (r *rawSockets) send(packets [][]byte, to netip.Addr) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	r.to.IP = append(r.to.IP[:0], to.AsSlice()...)
	write := r.send4.WriteBatch
	if to.Is6() {
		write = r.send6.WriteBatch
	}
	for len(packets) > 0 {
		n := min(len(packets), len(r.messages))
		for i, p := range packets[:n] {
			m := &r.messages[i]
			if len(m.Buffers) == 0 {
				m.Buffers = make([][]byte, 1)
			}
			m.Buffers[0], m.Addr = p, &r.to
		}
		sent, err := write(r.messages[:n], 0)
		if err != nil {
			return err
		}
		packets = packets[sent:]
	}
	return nil
}

// run receives until the sockets close.
func (r *rawSockets) run(ctx context.Context, e *Engine) error {
	tasks, _ := errgroup.WithContext(ctx)
	for i, protocol := range []sad.Protocol{sad.ESP, sad.AH} {
		tasks.Go(func() error { return e.carryRaw(r.in4[i].ReadBatch, false, protocol) })
		tasks.Go(func() error { return e.carryRaw(r.in6[i].ReadBatch, true, protocol) })
	}
	return tasks.Wait()
}

// ancillary is room for what the kernel says beside an IPv6 packet.
const ancillary = 256

// carryRaw moves packets from one raw socket to the TUN. The kernel gives IPv4
// packets whole and IPv6 packets without their headers.
func (e *Engine) carryRaw(read func([]ipv4.Message, int) (int, error), v6 bool, protocol sad.Protocol) error {
	r := e.newReceiver(rawBatch)
	messages := make([]ipv4.Message, rawBatch)
	for i := range messages {
		messages[i] = ipv4.Message{Buffers: [][]byte{r.into[i][:65536]}}
		if v6 {
			messages[i].OOB = make([]byte, ancillary)
		}
	}
	for failed := 0; ; {
		n, err := read(messages, 0)
		if err != nil {
			if failed++; isClosed(err) || failed > 1000 {
				return err
			}
			continue
		}
		failed = 0
		t, now := e.tables.Load(), time.Now().UnixNano()
		r.out = r.out[:0]
		for i := range messages[:n] {
			m := &messages[i]
			p := packet{buf: r.bufs[i], start: inboundRoom, end: inboundRoom + m.N}
			if v6 && !p.rebuild(m, protocol) {
				e.counters.malformed.Add(1)
				continue
			}
			if r.overIP(t, &p, now) {
				r.out = append(r.out, p.buf[p.start-tunOffset:p.end])
			}
		}
		r.deliver()
	}
}

// overIP opens an ESP or AH packet with its IP header.
func (r *receiver) overIP(t *tables, p *packet, now int64) bool {
	f, length, ok := parseInner(p.bytes())
	if !ok {
		r.e.counters.malformed.Add(1)
		return false
	}
	p.end = p.start + length
	sa, at, next := t.protected(p.bytes(), &f)
	if sa == nil {
		r.e.unknown(sad.ID{Protocol: sad.Protocol(f.protocol)}, f.src, now)
		return false
	}
	if why := r.e.open(sa, p, at, next); why != sad.NotRefused {
		r.e.refused(sa, why, nil, now)
		return false
	}
	r.came[0] = sa
	return r.further(t, p, 1, length, now)
}

// rebuild puts the IPv6 header back that the kernel took away, with the
// extension headers that it tells of, because AH covers them. The hop limit is
// not told, nor covered.
func (p *packet) rebuild(m *ipv4.Message, protocol sad.Protocol) bool {
	from, ok := m.Addr.(*net.IPAddr)
	if !ok || m.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		return false
	}
	src, ok := netip.AddrFromSlice(from.IP)
	if !ok {
		return false
	}
	var head [ipv6Header + ancillary]byte
	size, next := ipv6Header, 6
	for rest := m.OOB[:m.NN]; len(rest) >= unix.CmsgLen(0); {
		h, data, after, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			return false
		}
		rest = after
		if h.Level != unix.IPPROTO_IPV6 {
			continue
		}
		kind := -1
		switch h.Type {
		case unix.IPV6_PKTINFO:
			if len(data) < 16 {
				return false
			}
			copy(head[24:ipv6Header], data[:16])
		case unix.IPV6_TCLASS:
			if len(data) < 4 {
				return false
			}
			class := uint8(binary.NativeEndian.Uint32(data))
			head[0], head[1] = class>>4, class<<4
		case unix.IPV6_HOPOPTS:
			kind = extHopByHop
		case unix.IPV6_DSTOPTS:
			kind = extDestination
		case unix.IPV6_RTHDR:
			kind = extRouting
		}
		if kind < 0 {
			continue
		}
		if len(data) < 8 || size+len(data) > len(head) {
			return false
		}
		head[next] = uint8(kind)
		next = size
		size += copy(head[size:], data)
	}
	head[next] = uint8(protocol)
	head[0] |= 6 << 4
	head[7] = 64
	a := src.As16()
	copy(head[8:], a[:])
	if p.start < size+tunOffset {
		return false
	}
	p.start -= size
	copy(p.bytes(), head[:size])
	setLength(p.bytes())
	return true
}
