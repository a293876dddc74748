package office

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The lab's processes cannot reach the host's loopback, where the page's
// socket listens. But a socket stays in the namespace it was made in: so the
// outer process makes a few, unconnected, and passes them in beside the
// listener.

// spareFDs are unconnected TCP sockets of the host's namespace, from pageFD+1.
const spareFDs = 32

// makeSpares is called outside.
func makeSpares() ([]*os.File, error) {
	var out []*os.File
	for range spareFDs {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("make a socket: %w", err)
		}
		out = append(out, os.NewFile(uintptr(fd), "spare"))
	}
	return out, nil
}

// spares hands out the sockets inside, each once.
var spares = func() chan int {
	c := make(chan int, spareFDs)
	for i := range spareFDs {
		c <- pageFD + 1 + i
	}
	return c
}()

// dialOutside connects one of them to the page.
func dialOutside(_ context.Context, addr string) (net.Conn, error) {
	tcp, err := net.ResolveTCPAddr("tcp4", strings.TrimSpace(addr))
	if err != nil {
		return nil, err
	}
	select {
	case fd := <-spares:
		sa := &unix.SockaddrInet4{Port: tcp.Port}
		copy(sa.Addr[:], tcp.IP.To4())
		if err := unix.Connect(fd, sa); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("connect to the page: %w", err)
		}
		f := os.NewFile(uintptr(fd), "page client")
		defer f.Close()
		return net.FileConn(f)
	default:
		return nil, fmt.Errorf("no socket of the host is left for the page")
	}
}
