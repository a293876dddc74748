package network

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// LinkStatus is one device as the kernel sees it.
type LinkStatus struct {
	Device      string
	Up, Carrier bool
	// MTU in bytes.
	MTU       int
	Addresses []netip.Prefix
	// Since the device exists.
	RxBytes, TxBytes uint64
}

// Links lists every device of this network namespace.
func Links(_ context.Context) ([]LinkStatus, error) {
	h, err := netlink.NewHandle()
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	defer h.Close()
	links, err := whole(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	addrs, err := whole(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	byLink := map[int][]netip.Prefix{}
	for _, a := range addrs {
		if p, ok := prefix(a.IPNet); ok {
			byLink[a.LinkIndex] = append(byLink[a.LinkIndex], p)
		}
	}
	var out []LinkStatus
	for _, l := range links {
		at := l.Attrs()
		s := LinkStatus{
			Device: at.Name, MTU: at.MTU, Addresses: byLink[at.Index],
			Up: at.RawFlags&unix.IFF_UP != 0, Carrier: at.RawFlags&unix.IFF_LOWER_UP != 0,
		}
		if at.Statistics != nil {
			s.RxBytes, s.TxBytes = at.Statistics.RxBytes, at.Statistics.TxBytes
		}
		out = append(out, s)
	}
	return out, nil
}
