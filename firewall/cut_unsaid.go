package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// unsaid is what connection tracking does not remember of a first packet and
// rules may have decided by: its class and the Ethernet address it came from.
type unsaid struct {
	classes []uint8            // those that rules tell apart, and one that they do not
	macs    []MAC              // those that rules name, and none of them
	hosts   map[netip.Addr]MAC // who is on a link now
}

func newUnsaid(policies ...Policy) (unsaid, error) {
	u := unsaid{classes: []uint8{0}, macs: []MAC{{}}}
	for _, p := range policies {
		for _, r := range p.Rules {
			u.classes = append(u.classes, r.DSCP...)
			u.macs = append(u.macs, r.SourceMACs...)
		}
	}
	for class := range uint8(64) {
		if !slices.Contains(u.classes, class) {
			u.classes = append(u.classes, class)
			break
		}
	}
	if len(u.classes) == 2 { // no rule asks
		u.classes = u.classes[:1]
	}
	if len(u.macs) == 1 {
		return u, nil
	}
	var err error
	u.hosts, err = neighbors()
	return u, err
}

// flows are all that a connection may have been when it began.
func (u unsaid) flows(f Flow) (out []Flow) {
	macs := u.macs
	if m, known := u.hosts[f.Source]; known {
		macs = []MAC{m}
	}
	for _, f.MAC = range macs {
		for _, f.DSCP = range u.classes {
			out = append(out, f)
		}
	}
	return out
}

// denied says whether a connection that the policy before allowed is denied,
// whatever it was when it began. One that may be in its right is not.
func (u unsaid) denied(asked Flow, before, after *Decider) bool {
	allowed := false
	for _, f := range u.flows(asked) {
		if was, _ := before.Decide(f); was != Allow {
			continue
		}
		if is, _ := after.Decide(f); is == Allow {
			return false
		}
		allowed = true
	}
	return allowed
}

// neighbors are the Ethernet addresses of the hosts that the gateway has heard
// on its links, in the namespace of the calling thread.
func neighbors() (map[netip.Addr]MAC, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	defer h.Close()
	out := map[netip.Addr]MAC{}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := h.NeighList(0, family)
		// One that changes meanwhile is good enough: who is missing is not cut.
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, fmt.Errorf("list the neighbours: %w", err)
		}
		for _, n := range list {
			if a, ok := netip.AddrFromSlice(n.IP); ok && len(n.HardwareAddr) == len(MAC{}) {
				out[a.Unmap()] = MAC(n.HardwareAddr)
			}
		}
	}
	return out, nil
}
