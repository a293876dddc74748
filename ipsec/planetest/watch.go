package planetest

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tokens tell packets apart.
var tokens atomic.Uint64

// watch hears which packets reach a host, past its inbound policies.
type watch struct {
	sockets map[uint8]int
	heard   map[uint64]bool
}

// hear listens for protocols of one family.
func (h *Host) hear(t testing.TB, v6 bool, protocols ...uint8) *watch {
	t.Helper()
	e := &watch{sockets: map[uint8]int{}, heard: map[uint64]bool{}}
	h.Inside(t, func() error {
		for _, p := range protocols {
			fd, err := unix.Socket(domain(v6), unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(p))
			if err != nil {
				return err
			}
			e.sockets[p] = fd
		}
		return nil
	})
	t.Cleanup(func() {
		for _, fd := range e.sockets {
			unix.Close(fd)
		}
	})
	return e
}

func domain(v6 bool) int {
	if v6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// drain notes what has come. Only tokens of this test are noted.
func (e *watch) drain(t testing.TB) {
	t.Helper()
	b := make([]byte, 2048)
	for _, fd := range e.sockets {
		for {
			n, _, err := unix.Recvfrom(fd, b, 0)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if n >= 8 {
				e.heard[binary.BigEndian.Uint64(b[n-8:n])] = true
			}
		}
	}
}

// arrives waits for a packet.
func (e *watch) arrives(t testing.TB, token uint64) bool {
	t.Helper()
	var fds []unix.PollFd
	for _, fd := range e.sockets {
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		e.drain(t)
		if e.heard[token] {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		if _, err := unix.Poll(fds, 100); err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}

// Send sends a packet as it is, and gives what tells it from others. A policy of
// the kernel may refuse it at once.
func (h *Host) Send(t testing.TB, from, to netip.Addr, p Packet) uint64 {
	t.Helper()
	token := 0x6761746500000000 | tokens.Add(1)
	h.Inside(t, func() error {
		fd, err := unix.Socket(domain(from.Is6()), unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var address unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte(to.AsSlice()[:4])}
		if from.Is6() {
			address = &unix.SockaddrInet6{Addr: to.As16()}
		}
		for _, b := range p.bytes(from, to, token) {
			if err := unix.Sendto(fd, b, 0, address); err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) &&
				!errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EINVAL) {
				return err
			}
		}
		return nil
	})
	return token
}
