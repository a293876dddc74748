package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const upFlag = unix.IFF_UP

// addresses gives a device exactly these addresses. New ones come before old
// ones go, so that a change does not take the device's network away in
// between. Link-local IPv6 addresses are the kernel's and stay, and so do those
// with a lifetime, which end by themselves. A device that
// the Config names belongs to Gatehouse, so addresses that others put there go
// too: a forgotten one would be a way in that no page shows.
func (a *Applier) addresses(h *netlink.Handle, link netlink.Link, want []netip.Prefix) error {
	held, err := whole(func() ([]netlink.Addr, error) { return h.AddrList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	var errs []error
	have := map[netip.Prefix]bool{}
	for _, addr := range held {
		if p, ok := prefix(addr.IPNet); ok {
			have[p] = true
		}
	}
	for _, p := range want {
		if have[p] {
			continue
		}
		if err := h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(p)}); err != nil && !errors.Is(err, unix.EEXIST) {
			errs = append(errs, fmt.Errorf("add address %s: %w", p, err))
			continue
		}
		a.log.Info("added address", "device", link.Attrs().Name, "address", p.String())
	}
	for _, addr := range held {
		p, ok := prefix(addr.IPNet)
		if !ok || slices.Contains(want, p) || forATime(addr) || p.Addr().IsLinkLocalUnicast() && p.Addr().Is6() {
			continue
		}
		if err := h.AddrDel(link, &addr); err != nil {
			errs = append(errs, fmt.Errorf("remove address %s: %w", p, err))
			continue
		}
		a.log.Info("removed address", "device", link.Attrs().Name, "address", p.String())
	}
	return errors.Join(errs...)
}

// Duplicate address detection takes about a second; until then an IPv6 address
// cannot be bound or used as a source.
const (
	settleFor  = 5 * time.Second
	settleStep = 50 * time.Millisecond
)

// settled waits until no IPv6 address is tentative. A device without carrier
// never finishes; that is no error.
func settled(ctx context.Context, h *netlink.Handle, device string) error {
	link, err := h.LinkByName(device)
	if err != nil {
		return nil // reported already
	}
	deadline := time.Now().Add(settleFor)
	for {
		addrs, err := whole(func() ([]netlink.Addr, error) { return h.AddrList(link, netlink.FAMILY_V6) })
		if err != nil {
			return fmt.Errorf("list addresses: %w", err)
		}
		tentative := false
		for _, a := range addrs {
			if a.Flags&unix.IFA_F_DADFAILED != 0 {
				return fmt.Errorf("address %s is in use by another host", a.IP)
			}
			tentative = tentative || a.Flags&unix.IFA_F_TENTATIVE != 0
		}
		now, err := h.LinkByIndex(link.Attrs().Index)
		if err != nil {
			return err
		}
		if !tentative || now.Attrs().RawFlags&unix.IFF_LOWER_UP == 0 || time.Now().After(deadline) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settleStep):
		}
	}
}

func prefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), bits), ok
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
