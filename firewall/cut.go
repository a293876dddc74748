package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Cut ends the connections that the old policy allowed and the new one denies:
// connection tracking would let them run on. All others are left alone. It gives
// how many there were. The new policy must be in force already, or a cut
// connection would begin anew by the old one.
func (a *Applier) Cut(ctx context.Context, old, new Policy) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	before, err := NewDecider(old)
	if err != nil {
		return 0, fmt.Errorf("the policy before: %w", err)
	}
	after, err := NewDecider(new)
	if err != nil {
		return 0, fmt.Errorf("the new policy: %w", err)
	}
	// A namespace of the calling thread's, like every Apply.
	h, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
	if err != nil {
		return 0, fmt.Errorf("open connection tracking: %w", err)
	}
	defer h.Close()
	total := 0
	var errs []error
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		n, err := h.ConntrackDeleteFilters(netlink.ConntrackTable, family, denied{before, after})
		total += int(n)
		if err != nil && !errors.Is(err, unix.ENOENT) { // it ended by itself
			errs = append(errs, fmt.Errorf("end denied connections: %w", err))
		}
	}
	return total, errors.Join(errs...)
}

// denied matches the connections to be cut.
type denied struct{ before, after *Decider }

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (d denied) MatchConntrackFlow(c *netlink.ConntrackFlow) bool {
	f, ok := flowOf(c)
	if !ok {
		return false
	}
	if was, _ := d.before.Decide(f); was != Allow {
		return false
	}
	is, _ := d.after.Decide(f)
	return is != Allow
}

// flowOf is what a tracked connection asked for. The answers come from where it
// was led to, which differs from where it was sent if the destination was
// translated.
func flowOf(c *netlink.ConntrackFlow) (Flow, bool) {
	source, ok1 := addrOf(c.Forward.SrcIP)
	sent, ok2 := addrOf(c.Forward.DstIP)
	led, ok3 := addrOf(c.Reverse.SrcIP)
	f := Flow{Source: source, Destination: led, Protocol: c.Forward.Protocol, Port: c.Reverse.SrcPort}
	f.Translated = sent != led || c.Forward.DstPort != c.Reverse.SrcPort
	return f, ok1 && ok2 && ok3
}

func addrOf(ip net.IP) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(ip)
	return a.Unmap(), ok
}
