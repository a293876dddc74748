package firewall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// devicesAgain is how long FollowDevices waits when it lost the kernel's messages.
const devicesAgain = time.Second

// FollowDevices lets devices take part in the fast path that appear after an
// apply, until ctx ends.
func (a *Applier) FollowDevices(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := a.followDevices(ctx); err != nil {
			a.log.Warn("flow offload does not know of new devices for a moment", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(devicesAgain):
		}
	}
	return nil
}

// followDevices runs until messages are lost.
func (a *Applier) followDevices(ctx context.Context) error {
	updates, lost := make(chan netlink.LinkUpdate, 64), make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err := netlink.LinkSubscribeWithOptions(updates, ctx.Done(), netlink.LinkSubscribeOptions{
		ErrorCallback: func(err error) {
			select {
			case lost <- err:
			default:
			}
		},
	})
	if err != nil {
		return err
	}
	// Its sender must not be left waiting.
	defer func() { go drain(updates) }()
	for {
		a.join()
		select {
		case <-ctx.Done():
			return nil
		case err := <-lost:
			return err
		case _, open := <-updates:
			if !open {
				return errors.New("the kernel's messages ended")
			}
		}
	}
}

func drain[T any](c <-chan T) {
	for range c {
	}
}

// join adds devices to the flow table that are there now.
func (a *Applier) join() {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := &a.offloading
	if !o.Wanted || o.Refused != "" {
		return
	}
	if err := a.joinDevices(o); err != nil {
		a.log.Warn("flow offload could not follow the devices", "err", err)
	}
}

func (a *Applier) joinDevices(o *Offloading) error {
	there, err := deviceNames()
	if err != nil {
		return err
	}
	wanted := slices.Concat(o.Devices, o.Absent)
	held, err := heldFlowtable()
	if err != nil || held == nil {
		return err
	}
	var now, absent, fresh []string
	for _, d := range wanted {
		switch {
		case slices.Contains(held.Devices, d):
			now = append(now, d)
		case slices.Contains(there, d):
			fresh = append(fresh, d)
		default:
			absent = append(absent, d)
		}
	}
	if len(fresh) > 0 {
		table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
		f := flowtable{devices: fresh, hardware: o.Hardware}
		if err := send([]step{f.step(table)}); err != nil {
			return fmt.Errorf("add %s: %w", strings.Join(fresh, ", "), err)
		}
		a.log.Info("flow offload", "joined", strings.Join(fresh, ", "))
	}
	o.Devices, o.Absent = append(now, fresh...), absent
	return nil
}

func deviceNames() ([]string, error) {
	// A namespace of the calling thread's, like every Apply.
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	defer h.Close()
	links, err := h.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	var out []string
	for _, l := range links {
		out = append(out, l.Attrs().Name)
	}
	return out, nil
}

// heldFlowtable is the kernel's; nil without one.
func heldFlowtable() (*nftables.Flowtable, error) {
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("open nf_tables: %w", err)
	}
	defer c.CloseLasting()
	list, err := c.ListFlowtables(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet})
	if err != nil {
		return nil, fmt.Errorf("read the flow table: %w", err)
	}
	for _, f := range list {
		if f.Name == flowtableName {
			return f, nil
		}
	}
	return nil, nil
}
