package main

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"gatehouse/store"
)

// Tuning of look-ups of peers that are configured by name.
const (
	lookUpEvery   = time.Minute
	lookUpTimeout = 3 * time.Second
)

// lookUpPeers finds the addresses of the branches' names, for the perimeter.
// What cannot be looked up keeps the addresses it had.
func (g *gateway) lookUpPeers(ctx context.Context, doc store.Document) resolved {
	g.mu.Lock()
	old := g.peers
	g.mu.Unlock()
	found := resolved{}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	for _, b := range doc.Branches {
		if _, err := netip.ParseAddr(b.Peer); err == nil || b.Peer == "" || !b.Enabled {
			continue
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", b.Peer)
		if err != nil {
			g.log.Warn("cannot look up a peer; IKE stays open only to the addresses known before",
				"branch", b.Name, "peer", b.Peer, "err", err)
			addrs = old[b.Peer]
		}
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		found[b.Peer] = addrs
	}
	g.mu.Lock()
	g.peers = found
	g.mu.Unlock()
	return found
}

// followPeers lets the perimeter follow peers whose name gets a new address.
func (g *gateway) followPeers(ctx context.Context) error {
	tick := time.NewTicker(lookUpEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			g.followOnce(ctx)
		}
	}
}

func (g *gateway) followOnce(ctx context.Context) {
	now := g.current()
	if now.ID == 0 {
		return
	}
	g.lookUpPeers(ctx, now.Document)
	g.refresh(ctx)
}
