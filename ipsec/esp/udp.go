package esp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// udpSocket is the port of IKE and ESP in one family.
type udpSocket struct {
	c    *net.UDPConn
	conn syscall.RawConn
	v6   bool
	// segment says that the kernel cuts what is sent into datagrams (UDP_SEGMENT).
	segment atomic.Bool
	// df is what the kernel was told last about IPv4's don't-fragment bit: one
	// that sends must hold the descriptor's lock, see outbox.before.
	df bool
}

// udpBuffer is what a socket keeps of what comes and goes, in bytes.
const udpBuffer = 7 << 20

// openUDP opens the port in both families. A kernel without IPv6 has one only.
func openUDP(port uint16, mark uint32) (v4, v6 *udpSocket, err error) {
	if v4, err = openUDPSocket("udp4", port, mark); err != nil {
		return nil, nil, err
	}
	v6, err = openUDPSocket("udp6", v4.port(), mark)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return v4, nil, nil
	}
	if err != nil {
		v4.c.Close()
		return nil, nil, err
	}
	return v4, v6, nil
}

func openUDPSocket(network string, port uint16, mark uint32) (*udpSocket, error) {
	s := &udpSocket{v6: network == "udp6"}
	listen := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		ctl := raw.Control(func(fd uintptr) { err = s.prepare(int(fd), mark) })
		return errors.Join(ctl, err)
	}}
	c, err := listen.ListenPacket(context.Background(), network, ":"+strconv.Itoa(int(port)))
	if err != nil {
		return nil, fmt.Errorf("listen on UDP port %d: %w", port, err)
	}
	s.c = c.(*net.UDPConn)
	if s.conn, err = s.c.SyscallConn(); err != nil {
		c.Close()
		return nil, err
	}
	return s, nil
}

func (s *udpSocket) prepare(fd int, mark uint32) error {
	set := func(level, option, value int) error { return unix.SetsockoptInt(fd, level, option, value) }
	if mark != 0 {
		if err := set(unix.SOL_SOCKET, unix.SO_MARK, int(mark)); err != nil {
			return fmt.Errorf("mark packets: %w", err)
		}
	}
	// More is better, but nothing depends on it.
	set(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, udpBuffer)
	set(unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, udpBuffer)
	set(unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	s.segment.Store(err == nil)
	if s.v6 {
		return errors.Join(set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1),
			set(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1), set(unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1))
	}
	return errors.Join(set(unix.IPPROTO_IP, unix.IP_PKTINFO, 1), set(unix.IPPROTO_IP, unix.IP_RECVTOS, 1),
		set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT))
}

func (s *udpSocket) port() uint16 { return s.c.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// udpBeside is what came beside a message.
type udpBeside struct {
	local netip.Addr // where it was sent to
	class uint8      // TOS or traffic class
	each  int        // length of each datagram but the last, if there are several
}

func (c *control) beside() (b udpBeside) {
	c.each(func(level, kind int32, data []byte) {
		switch {
		case level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			b.local = netip.AddrFrom4([4]byte(data[8:12])) // ipi_addr
		case level == unix.IPPROTO_IP && kind == unix.IP_TOS && len(data) >= 1:
			b.class = data[0]
		case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			b.local = netip.AddrFrom16([16]byte(data[:16]))
		case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_TCLASS && len(data) >= 4:
			b.class = uint8(binary.NativeEndian.Uint32(data))
		case level == unix.IPPROTO_UDP && kind == unix.UDP_GRO && len(data) >= 4:
			b.each = int(binary.NativeEndian.Uint32(data))
		}
	})
	return b
}
