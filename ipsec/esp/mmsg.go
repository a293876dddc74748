package esp

import (
	"encoding/binary"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// message is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type message struct {
	head unix.Msghdr
	size uint32 // bytes received or sent
}

// address has room for a socket address of either family.
type address unix.RawSockaddrInet6

func iovec(b []byte) (v unix.Iovec) {
	v.Base = unsafe.SliceData(b)
	v.SetLen(len(b))
	return v
}

func writev(fd int, iov []unix.Iovec) error {
	_, _, errno := unix.Syscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(iov))), uintptr(len(iov)))
	if errno != 0 {
		return errno
	}
	return nil
}

// mmsg receives or sends messages, without waiting.
func mmsg(call, fd uintptr, msgs []message) (int, syscall.Errno) {
	for {
		n, _, errno := unix.Syscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(msgs))), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// set makes the address one of the kernel's.
func (a *address) set(to netip.AddrPort) {
	*a = address{}
	port := (*[2]byte)(unsafe.Pointer(&a.Port)) // the same place in both families
	port[0], port[1] = byte(to.Port()>>8), byte(to.Port())
	if to.Addr().Is4() {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		four.Family, four.Addr = unix.AF_INET, to.Addr().As4()
		return
	}
	a.Family, a.Addr = unix.AF_INET6, to.Addr().As16()
}

// get is the address as Go has it. The port of raw sockets is no port.
func (a *address) get() netip.AddrPort {
	port := (*[2]byte)(unsafe.Pointer(&a.Port))
	n := uint16(port[0])<<8 | uint16(port[1])
	if a.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(a)).Addr), n)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), n)
}

func (a *address) len() uint32 {
	if a.Family == unix.AF_INET {
		return unix.SizeofSockaddrInet4
	}
	return unix.SizeofSockaddrInet6
}

// control is what the kernel says beside a message, or is told.
type control struct {
	b   [controlRoom]byte
	len int
}

// controlRoom is enough for all that is asked for, with IPv6 extension headers
// of raw sockets.
const controlRoom = 512

// put adds an integer of 2 or 4 bytes.
func (c *control) put(level, kind int, value uint32, size int) {
	data := c.bytes(level, kind, size)
	if size == 2 {
		binary.NativeEndian.PutUint16(data, uint16(value))
		return
	}
	binary.NativeEndian.PutUint32(data, value)
}

// bytes adds size bytes, which are zero, and gives them.
func (c *control) bytes(level, kind, size int) []byte {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c.b[c.len]))
	h.Level, h.Type = int32(level), int32(kind)
	h.SetLen(unix.CmsgLen(size))
	data := c.b[c.len+unix.CmsgLen(0):][:size]
	clear(data)
	c.len += unix.CmsgSpace(size)
	return data
}

// inbox receives messages by the batch, into memory of its own.
type inbox struct {
	conn    syscall.RawConn
	msgs    []message
	iov     []unix.Iovec
	from    []address
	control []control
	n       int
	errno   syscall.Errno
	receive func(fd uintptr) bool
}

// newInbox receives one message into each of the buffers.
func newInbox(conn syscall.RawConn, into [][]byte) *inbox {
	b := &inbox{
		conn: conn, msgs: make([]message, len(into)), iov: make([]unix.Iovec, len(into)),
		from: make([]address, len(into)), control: make([]control, len(into)),
	}
	for i := range into {
		b.iov[i] = iovec(into[i])
		h := &b.msgs[i].head
		h.Iov = &b.iov[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.from[i]))
		h.Control = &b.control[i].b[0]
	}
	b.receive = b.once
	return b
}

// read waits for messages and gives how many there are.
func (b *inbox) read() (int, error) {
	// The kernel has written how much of these it used.
	for i := range b.msgs {
		h := &b.msgs[i].head
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlRoom)
		h.Flags = 0
	}
	if b.conn.Read(b.receive) != nil {
		return 0, os.ErrClosed // there is no other reason
	}
	if b.errno != 0 {
		return 0, b.errno
	}
	for i := range b.n {
		b.control[i].len = int(b.msgs[i].head.Controllen)
	}
	return b.n, nil
}

func (b *inbox) once(fd uintptr) bool {
	b.n, b.errno = mmsg(unix.SYS_RECVMMSG, fd, b.msgs)
	return b.errno != unix.EAGAIN
}

// whole says that nothing of a message was cut off.
func (b *inbox) whole(i int) bool { return b.msgs[i].head.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) == 0 }

// each goes through what the kernel said beside a message.
func (c *control) each(f func(level, kind int32, data []byte)) bool {
	for rest := c.b[:c.len]; len(rest) >= unix.CmsgLen(0); {
		h, data, after, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			return false
		}
		f(h.Level, h.Type, data)
		rest = after
	}
	return true
}

// outbox sends messages by the batch.
type outbox struct {
	conn    syscall.RawConn
	msgs    []message
	iov     []unix.Iovec
	to      []address
	control []control
	// before, if it is there, prepares the socket for some messages, from one on,
	// and says where they end. No other goroutine sends meanwhile.
	before func(fd uintptr, from int) (end int)
	// sent of the first n are away, and errno is what kept the next.
	n, sent int
	errno   syscall.Errno
	send    func(fd uintptr) bool
}

func newOutbox(conn syscall.RawConn, n, pieces int) *outbox {
	b := &outbox{
		conn: conn, msgs: make([]message, n), iov: make([]unix.Iovec, 0, pieces),
		to: make([]address, n), control: make([]control, n),
	}
	b.send = b.once
	return b
}

// full says that neither a message nor a piece has room any more.
func (b *outbox) full() bool { return b.n == len(b.msgs) || len(b.iov) == cap(b.iov) }

// begin begins a message; its first piece follows.
func (b *outbox) begin(to *address) *message {
	m := &b.msgs[b.n]
	b.to[b.n] = *to
	b.control[b.n].len = 0
	*m = message{}
	m.head.Name = (*byte)(unsafe.Pointer(&b.to[b.n]))
	m.head.Namelen = to.len()
	b.n++
	return m
}

// piece puts a piece behind the others of the last message.
func (b *outbox) piece(m *message, p []byte) { b.vector(m, iovec(p)) }

func (b *outbox) vector(m *message, v unix.Iovec) {
	b.iov = append(b.iov, v)
	if m.head.Iovlen == 0 {
		m.head.Iov = &b.iov[len(b.iov)-1]
	}
	m.head.Iovlen++
}

// write sends all from message first on, as far as it can, and says how far it
// came.
func (b *outbox) write(first int) (next int, err error) {
	for i := first; i < b.n; i++ {
		if c := &b.control[i]; c.len > 0 {
			b.msgs[i].head.Control = &c.b[0]
			b.msgs[i].head.SetControllen(c.len)
		}
	}
	b.sent, b.errno = first, 0
	if err := b.conn.Write(b.send); err != nil {
		return b.sent, err
	}
	if b.errno != 0 {
		return b.sent, b.errno
	}
	return b.sent, nil
}

func (b *outbox) once(fd uintptr) bool {
	for b.sent < b.n {
		end := b.n
		if b.before != nil {
			end = b.before(fd, b.sent)
		}
		n, errno := mmsg(unix.SYS_SENDMMSG, fd, b.msgs[b.sent:end])
		if errno == unix.EAGAIN {
			return false
		}
		if b.errno = errno; errno != 0 {
			return true
		}
		b.sent += n
	}
	return true
}

// reset forgets all messages.
func (b *outbox) reset() { b.n, b.iov = 0, b.iov[:0] }
