package network

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addresses are those that devices have for a time, by device and in order: from
// a router advertisement, a lease or a delegated prefix. No Config says them;
// they come and go by themselves, so Apply leaves them alone. Link-local ones
// are left out, and those that are not certain yet.
type Addresses map[string][]netip.Prefix

// Lifetimes lists the addresses that devices of this network namespace have for
// a time.
func Lifetimes(_ context.Context) (Addresses, error) {
	h, err := netlink.NewHandle()
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	defer h.Close()
	return lifetimes(h)
}

func lifetimes(h *netlink.Handle) (Addresses, error) {
	links, err := whole(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	held, err := whole(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	out := Addresses{}
	for _, a := range held {
		p, ok := prefix(a.IPNet)
		if !ok || !forATime(a) || p.Addr().IsLinkLocalUnicast() || a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 {
			continue
		}
		if name := names[a.LinkIndex]; name != "" {
			out[name] = append(out[name], p)
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b netip.Prefix) int { return a.Compare(b) })
	}
	return out, nil
}

// forATime says that the kernel will remove an address by itself.
func forATime(a netlink.Addr) bool { return a.Flags&unix.IFA_F_PERMANENT == 0 }

func (a Addresses) equal(b Addresses) bool {
	return maps.EqualFunc(a, b, func(x, y []netip.Prefix) bool { return slices.Equal(x, y) })
}
