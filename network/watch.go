package network

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// How often changes of addresses are told: several that come together as one,
// and those that do not end ever less often.
const (
	watchSettle = time.Second
	watchMost   = time.Minute
)

// WatchAddresses tells the addresses that devices of the caller's network
// namespace have for a time: at once, then about a second after they changed.
// If they go on changing it tells them ever less often, at least once a minute.
// It returns when ctx ends.
func WatchAddresses(ctx context.Context, log *slog.Logger, changed func(Addresses)) error {
	// Kept by handle, because goroutines wander between threads.
	here, err := netns.Get()
	if err != nil {
		return fmt.Errorf("this network namespace: %w", err)
	}
	defer here.Close()
	h, err := netlink.NewHandleAt(here)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	defer h.Close()
	news := make(chan struct{}, 1)
	if err := hear(ctx, here, news); err != nil {
		return err
	}
	w := watch{news: news, read: func() (Addresses, error) { return lifetimes(h) }, changed: changed, log: log}
	w.run(ctx)
	return nil
}

// hear puts news of addresses into a channel that holds one. What the kernel
// could not deliver counts as news, and it listens again.
func hear(ctx context.Context, here netns.NsHandle, news chan<- struct{}) error {
	tell := func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	updates := make(chan netlink.AddrUpdate)
	if err := netlink.AddrSubscribeAt(here, updates, ctx.Done()); err != nil {
		return fmt.Errorf("listen for changes of addresses: %w", err)
	}
	again, err := netns.GetFromPath(fmt.Sprintf("/proc/self/fd/%d", int(here)))
	if err != nil {
		return fmt.Errorf("this network namespace: %w", err)
	}
	go func() {
		defer again.Close()
		for ctx.Err() == nil {
			for range updates {
				tell()
			}
			if ctx.Err() != nil {
				return
			}
			tell()
			updates = make(chan netlink.AddrUpdate)
			if err := netlink.AddrSubscribeAt(again, updates, ctx.Done()); err != nil {
				close(updates)
				select {
				case <-ctx.Done():
				case <-time.After(watchMost):
				}
			}
		}
	}()
	return nil
}

// watch is WatchAddresses without a kernel.
type watch struct {
	news    <-chan struct{}
	read    func() (Addresses, error)
	changed func(Addresses)
	log     *slog.Logger
}

func (w watch) run(ctx context.Context) {
	var known Addresses
	look := func() bool {
		now, err := w.read()
		if err != nil {
			w.log.Error("cannot follow the addresses of devices", "err", err)
			return false
		}
		if known != nil && now.equal(known) {
			return false // it came and went
		}
		known = now
		w.changed(now)
		return true
	}
	look()
	wait, told := watchSettle, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.news:
		}
		if time.Since(told) < 4*wait {
			wait = min(2*wait, watchMost)
		} else {
			wait = watchSettle
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		select {
		case <-w.news:
		default:
		}
		if look() {
			told = time.Now()
		}
	}
}
