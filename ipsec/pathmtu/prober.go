// Package pathmtu asks the kernel what it has learned of the way to a peer (RFC
// 1191, RFC 8201): of the ICMP messages that say so it believes only those about
// packets that were sent. Both data planes show it for their SAs.
package pathmtu

import (
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// Prober asks the kernel for the MTU of routes, by sockets that are connected
// and never send. They are opened with the others, in the same namespace.
type Prober struct {
	mu     sync.Mutex
	v4, v6 int
}

// Open makes one for the namespace of the calling thread; mark is that of what the
// caller sends, which may be routed by it.
func Open(mark uint32) (*Prober, error) {
	p := &Prober{v4: -1, v6: -1}
	for family, fd := range map[int]*int{unix.AF_INET: &p.v4, unix.AF_INET6: &p.v6} {
		s, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			*fd = s
			if mark != 0 {
				err = unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_MARK, int(mark))
			}
		}
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("open a socket to ask for path MTUs: %w", err)
		}
	}
	return p, nil
}

// Close ends it.
func (p *Prober) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fd := range []*int{&p.v4, &p.v6} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// MTU is that of the route to an address, as the kernel has learned it.
func (p *Prober) MTU(remote netip.Addr) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const discard = 9 // any port will do
	if remote.Is4() {
		if err := unix.Connect(p.v4, &unix.SockaddrInet4{Addr: remote.As4(), Port: discard}); err != nil {
			return 0, err
		}
		return unix.GetsockoptInt(p.v4, unix.IPPROTO_IP, unix.IP_MTU)
	}
	if err := unix.Connect(p.v6, &unix.SockaddrInet6{Addr: remote.As16(), Port: discard}); err != nil {
		return 0, err
	}
	return unix.GetsockoptInt(p.v6, unix.IPPROTO_IPV6, unix.IPV6_MTU)
}
