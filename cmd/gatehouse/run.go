package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"gatehouse/firewall"
	"gatehouse/ipsec"
	"gatehouse/ipsec/sad"
	"gatehouse/network"
	"gatehouse/store"
)

// runOptions are the flags of `gatehouse run`.
type runOptions struct {
	dir, dataplane, listen, logLevel string
}

func runCommand(dir *string) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "Be the gateway until SIGTERM",
		Long: `Be the gateway: load the firewall of the last confirmed configuration, then
addresses and routes, then the tunnels, and serve the page. Takes the page's
listening socket from LISTEN_FDS if it is set, as systemd does.

It needs CAP_NET_ADMIN and, for the userspace data plane, /dev/net/tun.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.dir = *dir
			// What the gateway does by itself is nobody's command.
			return run(store.WithActor(cmd.Context(), store.Actor{Name: store.Itself}), o)
		},
	}
	c.Flags().StringVar(&o.dataplane, "dataplane", "auto", "who carries IPsec packets: auto, kernel or userspace")
	c.Flags().StringVar(&o.listen, "listen", defaultListen, "address of the page")
	c.Flags().StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	return c
}

// defaultListen is where the page is.
const defaultListen = ":8443"

// memoryGoal in bytes is what a large office needs (bench/store.md) and
// keeps the collector from letting the heap grow to twice of that on a box
// with little memory. GOMEMLIMIT sets another one.
const memoryGoal = 72 << 20

func run(ctx context.Context, o runOptions) (err error) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
	log, err := newLogger(o.logLevel)
	if err != nil {
		return err
	}
	adminPort, err := listenPort(o.listen)
	if err != nil {
		return err
	}
	given := o.dir
	var readOnly bool
	var done func() error
	if o.dir, readOnly, done, err = workingDirectory(given); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	unlock, err := lockDirectory(o.dir)
	if err != nil {
		return err
	}
	defer unlock()
	g := &gateway{
		log: log, adminPort: adminPort, started: time.Now(),
		perimeter: firewall.NewApplier(log), bans: newBans(), links: network.NewApplier(log),
		events: make(chan store.Event, 256), peers: resolved{},
	}
	g.watch()
	// Shut before anything else: whatever the rest of this start does or fails
	// to do, nothing comes in meanwhile. A table that an earlier process left
	// in force is better than this one and stays.
	if err := g.shutUnlessGuarded(ctx); err != nil {
		return err
	}
	if g.db, g.notice, err = openStore(ctx, o.dir, log); err != nil {
		return err
	}
	defer g.db.Close()
	if err := g.rememberCounters(ctx); err != nil {
		return err
	}
	if g.plane, err = chooseDataplane(ctx, o.dataplane); err != nil {
		return err
	}
	log.Info("data plane chosen", "dataplane", g.plane.name, "why", g.plane.why)
	if err := firstAdmin(ctx, g.db, os.Stdout); err != nil {
		return err
	}
	port, err := ipsec.OpenPort(500, g.plane.prepare())
	if err != nil {
		return err
	}
	defer port.Close()
	carrier, err := g.plane.open(log,
		func(local, remote netip.AddrPort, msg []byte) { g.ipsec.Deliver(local, remote, msg) },
		func(ev sad.Event) { g.ipsec.PlaneEvent(ev) })
	if err != nil {
		return err
	}
	defer carrier.Close()
	g.carrier = carrier
	g.ipsec = ipsec.New(ipsec.Options{
		// The userspace plane is at its best in UDP, and passes every NAT there.
		Plane: carrier, Port: port, ForceEncap: g.plane.name == userspacePlane, Log: log, Event: g.tunnelEvent, Refused: g.callerRefused, Keep: g.keepKeys, Addresses: g.uplinkAddresses,
	})
	g.lists = g.newKeeper(filepath.Join(o.dir, listsDir))
	if err := g.rememberKeys(ctx); err != nil {
		return err
	}
	if err := g.boot(ctx); err != nil {
		return err
	}
	if err := g.restoreBans(ctx); err != nil {
		return err
	}
	if readOnly {
		// From here on; what was done for the start is in memory and lost.
		g.db.Freeze()
		g.notice = strings.TrimSpace(g.notice + fmt.Sprintf(" The disk with %s is read-only: it may be dying. "+
			"The gateway works as it was last configured, and nothing can be changed until it is replaced.", given))
		log.Error(g.notice, "copy", o.dir)
	}
	page, err := newPage(g, o)
	if err != nil {
		return err
	}
	control, err := newControl(g, o.dir)
	if err != nil {
		return err
	}
	defer control.close()
	log.Info("gatehouse is running", "version", version, "revision", g.revision, "page", page.listener.Addr().String())
	return g.serve(ctx, port, carrier, page, control)
}

// serve runs every task until ctx ends or one of them fails. The sockets
// outlive the manager, because it says goodbye to the peers through them.
func (g *gateway) serve(ctx context.Context, port *ipsec.Port, carrier plane, page *page, control *control) error {
	tasks, ctx := errgroup.WithContext(ctx)
	carriers, stopCarriers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCarriers()
	tasks.Go(func() error { return port.Serve(carriers, g.ipsec.Deliver) })
	tasks.Go(func() error { return carrier.Run(carriers) })
	tasks.Go(func() error {
		defer stopCarriers()
		return g.ipsec.Run(ctx)
	})
	tasks.Go(func() error { return page.serve(ctx) })
	tasks.Go(func() error { return control.serve(ctx) })
	tasks.Go(func() error { return g.writeEvents(ctx, eventDelay) })
	tasks.Go(func() error { return g.followPeers(ctx) })
	tasks.Go(func() error { return g.lists.Run(ctx) })
	tasks.Go(func() error { return g.followWorld(ctx) })
	tasks.Go(func() error { return g.followAddresses(ctx) })
	tasks.Go(func() error { return g.keepCounters(ctx) })
	tasks.Go(func() error { return g.perimeter.FollowDevices(ctx) })
	tasks.Go(func() error { return g.keepBans(ctx) })
	tasks.Go(func() error { return g.takeSnapshots(ctx) })
	tasks.Go(func() error { return firewall.WatchLog(ctx, logGroup, g.log, g.dropped) })
	tasks.Go(func() error { return g.followEnds(ctx) })
	tasks.Go(func() error { return g.keepTalkers(ctx) })
	tasks.Go(func() error { return g.keepDirectory(ctx) })
	tasks.Go(func() error {
		<-ctx.Done()
		g.seen.packets.Close() // who follows it lets go of the page
		return nil
	})
	err := tasks.Wait()
	g.stopTrial()
	g.store(context.WithoutCancel(ctx), g.gathered(nil))
	if err == nil {
		g.log.Info("gatehouse has stopped; the perimeter stays in force")
	}
	return err
}

// shutUnlessGuarded closes the perimeter when no table of ours is in force.
func (g *gateway) shutUnlessGuarded(ctx context.Context) error {
	if held, err := g.perimeter.Counters(ctx); err == nil && len(held) > 0 {
		return nil
	}
	return g.lockDown(ctx)
}

func newLogger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: choose debug, info, warn or error", level)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}

func listenPort(addr string) (uint16, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, fmt.Errorf("--listen %q: %w", addr, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("--listen %q: the port must be a number from 1 to 65535", addr)
	}
	return uint16(n), nil
}
