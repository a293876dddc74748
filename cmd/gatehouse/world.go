package main

import (
	"context"
	"net/netip"

	"gatehouse/store"
)

// world is what a document does not say and yet decides what it means now. It
// changes without anybody changing the document.
type world struct {
	peers resolved
}

// resolved are the addresses of peers that are configured by name.
type resolved map[string][]netip.Addr

// look finds out what the world is for a document. What cannot be found out
// stays as it was.
func (g *gateway) look(ctx context.Context, doc store.Document) (world, error) {
	return world{peers: g.lookUpPeers(ctx, doc)}, nil
}
