package main

import (
	"context"
	"net/netip"
	"time"

	"gatehouse/firewall"
	"gatehouse/network"
	"gatehouse/store"
)

// world is what a document does not say and yet decides what it means now. It
// changes without anybody changing the document.
type world struct {
	peers resolved
	// holders are the fixed addresses of users' devices.
	holders []store.Holder
	// offset is how many seconds the system's time zone is ahead of UTC.
	offset int
	// addresses are those that devices have for a time: the provider's, or from a
	// prefix of the provider's.
	addresses network.Addresses
	// elsewhere is what a list holds beside its entries; nil if nobody knows. What
	// it gives is not written to.
	elsewhere func(store.List) []firewall.Range
	// keyring are the certificates and authorities that branches name; nil if
	// nobody looked.
	keyring *keyring
}

// resolved are the addresses of peers that are configured by name.
type resolved map[string][]netip.Addr

// look finds out what the world is for a document. What cannot be found out
// stays as it was.
func (g *gateway) look(ctx context.Context, doc store.Document) (world, error) {
	now, err := lookAt(ctx, g.db, doc, g.lookUpPeers(ctx, doc), time.Now())
	if err != nil {
		return world{}, err
	}
	g.mu.Lock()
	g.addresses = now.addresses
	g.mu.Unlock()
	now.elsewhere = elsewhere(g.lists)
	return now, nil
}

// known is look without asking anybody outside.
func (g *gateway) known(ctx context.Context, doc store.Document) (world, error) {
	g.mu.Lock()
	peers, addresses := g.peers, g.addresses
	g.mu.Unlock()
	now, err := lookAt(ctx, g.db, doc, peers, time.Now())
	now.addresses, now.elsewhere = addresses, elsewhere(g.lists)
	return now, err
}

// lookAt is what the world is for a document at a time.
func lookAt(ctx context.Context, db *store.DB, doc store.Document, peers resolved, at time.Time) (world, error) {
	zone, err := doc.System.Location()
	if err != nil {
		return world{}, err
	}
	at = at.In(zone)
	now := world{peers: peers}
	if now.addresses, err = network.Lifetimes(ctx); err != nil {
		return world{}, err
	}
	_, now.offset = at.Zone()
	if now.holders, err = db.Holders(ctx, at); err != nil {
		return now, err
	}
	now.keyring = &keyring{}
	now.keyring.authorities, now.keyring.certificates, err = db.Credentials(ctx)
	return now, err
}
