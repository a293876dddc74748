package firewall

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/mdlayher/netlink"
	"github.com/ti-mo/conntrack"
	"github.com/ti-mo/netfilter"
	"golang.org/x/sys/unix"
)

// endedBuffer is the socket's in bytes: some ten thousand connections.
const endedBuffer = 4 << 20

// WatchEnded calls fn for every connection that ends in the network namespace
// of the calling thread, with what it had counted, one at a time, until ctx is
// done; then it returns nil. When more end than fn can take, some are left out.
// It needs CAP_NET_ADMIN.
func WatchEnded(ctx context.Context, log *slog.Logger, fn func(Connection)) error {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("watch connections: %w", err)
	}
	// Closing is what wakes the reader.
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer func() {
		if stop() {
			c.Close()
		}
	}()
	if err := c.SetReadBuffer(endedBuffer); err != nil {
		log.Warn("the events of connections have a small buffer", "err", err)
	}
	if err := c.JoinGroup(uint32(netfilter.GroupCTDestroy)); err != nil {
		return fmt.Errorf("watch connections: %w", err)
	}
	for {
		all, err := c.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			log.Debug("more connections ended than the reader could take")
			continue
		case err != nil:
			return fmt.Errorf("watch connections: %w", err)
		}
		for _, m := range all {
			var e conntrack.Event
			if err := e.Unmarshal(m); err != nil {
				log.Debug("an event of a connection is not understood", "err", err)
			} else if e.Flow != nil {
				fn(connectionOf(e.Flow))
			}
		}
	}
}
