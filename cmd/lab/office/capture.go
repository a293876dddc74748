package office

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// Capture reads every frame on one device and judges it.
type Capture struct {
	conn *packet.Conn
	done chan struct{}

	mu     sync.Mutex
	frames int
	bad    []string
}

// frame is what the judges look at.
type frame struct {
	src, dst         netip.Addr
	protocol         uint8
	srcPort, dstPort uint16
	quoted           *frame // in "destination unreachable"
}

func (f frame) String() string {
	return fmt.Sprintf("%v:%d > %v:%d protocol %d", f.src, f.srcPort, f.dst, f.dstPort, f.protocol)
}

// capture starts reading on a device of h. judge gives a complaint or "".
func (h *Host) capture(device string, judge func(frame) string) (*Capture, error) {
	c := &Capture{done: make(chan struct{})}
	err := h.Do(func() error {
		ifi, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		if c.conn, err = packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, nil); err != nil {
			return err
		}
		raw, err := c.conn.SyscallConn()
		if err != nil {
			return err
		}
		// Room for a burst at full speed. Without the right to force it the
		// default has to do; frames judged are counted either way.
		return raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("capture on %s %s: %w", h.Name, device, err)
	}
	go c.read(judge)
	return c, nil
}

func (c *Capture) read(judge func(frame) string) {
	defer close(c.done)
	buf := make([]byte, 256) // headers are enough
	for {
		n, _, err := c.conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		f, ok := parseFrame(buf[:n])
		if !ok {
			continue
		}
		complaint := judge(f)
		c.mu.Lock()
		c.frames++
		if complaint != "" && len(c.bad) < 20 {
			c.bad = append(c.bad, fmt.Sprintf("%s: %v", complaint, f))
		}
		c.mu.Unlock()
	}
}

// Stop ends the capture and gives how many IP frames it judged, and an error
// if one was bad.
func (c *Capture) Stop() (int, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return 0, err
	}
	<-c.done
	c.conn.Close()
	if len(c.bad) > 0 {
		return c.frames, fmt.Errorf("%d frames, and among them %v", c.frames, c.bad)
	}
	return c.frames, nil
}

// parseFrame reads addresses and ports of an IP frame.
func parseFrame(b []byte) (f frame, ok bool) {
	const ethernet = 14
	if len(b) < ethernet {
		return f, false
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case unix.ETH_P_IP, unix.ETH_P_IPV6:
		return parseIP(b[ethernet:])
	}
	return f, false
}

func parseIP(ip []byte) (f frame, ok bool) {
	var upper []byte
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		header := int(ip[0]&15) * 4
		if header < 20 || len(ip) < header {
			return f, false
		}
		f.src, f.dst = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
		f.protocol, upper = ip[9], ip[header:]
	case len(ip) >= 40 && ip[0]>>4 == 6:
		f.src, f.dst = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
		f.protocol, upper = ip[6], ip[40:]
	default:
		return f, false
	}
	const unreachable4, unreachable6, icmpHeader = 3, 1, 8
	switch {
	case (f.protocol == unix.IPPROTO_TCP || f.protocol == unix.IPPROTO_UDP) && len(upper) >= 4:
		f.srcPort, f.dstPort = binary.BigEndian.Uint16(upper), binary.BigEndian.Uint16(upper[2:])
	case len(upper) > icmpHeader && (f.protocol == unix.IPPROTO_ICMP && upper[0] == unreachable4 ||
		f.protocol == unix.IPPROTO_ICMPV6 && upper[0] == unreachable6):
		if q, ok := parseIP(upper[icmpHeader:]); ok {
			f.quoted = &q
		}
	}
	return f, true
}

var inner = prefixes("10.0.0.0/8", "fd00::/16")

func (f frame) hasInner() bool {
	for _, p := range inner {
		if p.Contains(f.src) || p.Contains(f.dst) {
			return true
		}
	}
	return false
}

// onTheWire judges what an internet may see of two offices: no inner address,
// and between the gateways only IKE and ESP.
func onTheWire(f frame) string {
	if f.hasInner() {
		return "an inner address"
	}
	gateways := func(a netip.Addr) bool {
		s := a.String()
		return s == hqWAN || s == branchWAN || s == hqWAN6 || s == branchWAN6
	}
	if !gateways(f.src) || !gateways(f.dst) {
		return ""
	}
	ike := func(p uint16) bool { return p == 500 || p == 4500 }
	if f.protocol == unix.IPPROTO_ESP || f.protocol == unix.IPPROTO_UDP && (ike(f.srcPort) || ike(f.dstPort)) {
		return ""
	}
	return "neither IKE nor ESP between the gateways"
}

// orUnreachable judges the same while one gateway is stopped: its kernel may
// say that nobody listens, and quote what it got, but nothing else.
func orUnreachable(f frame) string {
	if f.quoted != nil && !f.hasInner() {
		return onTheWire(*f.quoted)
	}
	return onTheWire(f)
}
