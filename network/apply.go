package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/vishvananda/netlink"
)

// Applier brings the kernel to a Config. It keeps nothing: what it needs to
// know of an earlier Apply it reads from the kernel, so it also works after a
// crash.
type Applier struct{ log *slog.Logger }

// NewApplier makes an Applier.
func NewApplier(log *slog.Logger) *Applier { return &Applier{log: log} }

// Apply brings links, addresses and routes of this network namespace to c.
// Forwarding is switched on last and off first, so that nothing is forwarded
// between half-made networks. It goes on after a failure, so that one broken
// port does not take the others down, and returns every failure.
func (a *Applier) Apply(ctx context.Context, c Config) error {
	h, err := netlink.NewHandle()
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	defer h.Close()
	errs := []error{writeAll(tracking())}
	if !c.Forwarding {
		errs = append(errs, writeAll(forwarding(false)))
	}
	for _, l := range c.Links {
		if err := a.link(h, l); err != nil {
			errs = append(errs, fmt.Errorf("device %s: %w", l.Device, err))
		}
	}
	// Wait only now, for all at once.
	for _, l := range c.Links {
		if err := settled(ctx, h, l.Device); err != nil {
			errs = append(errs, fmt.Errorf("device %s: %w", l.Device, err))
		}
	}
	errs = append(errs, a.routes(h, c.Routes), a.rules(h, c.Rules))
	if c.ProxySYN {
		errs = append(errs, writeAll(proxySYN()))
	}
	if c.Forwarding {
		errs = append(errs, writeAll(forwarding(true)))
	}
	return errors.Join(errs...)
}

func (a *Applier) link(h *netlink.Handle, l Link) error {
	link, err := h.LinkByName(l.Device)
	if err != nil {
		return err
	}
	if err := writeAll(deviceSettings(l.Device)); err != nil {
		return err
	}
	if l.MTU != 0 && link.Attrs().MTU != l.MTU {
		if err := h.LinkSetMTU(link, l.MTU); err != nil {
			return fmt.Errorf("set MTU %d: %w", l.MTU, err)
		}
		a.log.Info("set MTU", "device", l.Device, "mtu", l.MTU)
	}
	if link.Attrs().RawFlags&upFlag == 0 {
		if err := h.LinkSetUp(link); err != nil {
			return fmt.Errorf("bring up: %w", err)
		}
		a.log.Info("brought up", "device", l.Device)
	}
	return a.addresses(h, link, l.Addresses)
}
