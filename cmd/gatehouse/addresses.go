package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gatehouse/network"
	"gatehouse/store"
)

// followAddresses lets the perimeter follow what the provider gives: the
// prefixes and addresses that devices have for a time.
func (g *gateway) followAddresses(ctx context.Context) error {
	return network.WatchAddresses(ctx, g.log, func(now network.Addresses) { g.addressesChanged(ctx, now) })
}

// addressesChanged makes the perimeter what the document in force means with
// other addresses. It is no new revision and on no trial; during one, it is the
// revision on trial that follows. Connections that are still allowed run on.
func (g *gateway) addressesChanged(ctx context.Context, now network.Addresses) {
	g.applying.Lock()
	defer g.applying.Unlock()
	if ctx.Err() != nil {
		return
	}
	defer g.ipsec.PathsChanged()
	g.mu.Lock()
	told := g.toldAddresses
	g.addresses, g.toldAddresses = now, now
	g.mu.Unlock()
	if told != nil {
		for _, sentence := range addressChanges(g.current().Document, told, now) {
			g.log.Info("addresses changed", "what", sentence)
			g.file(store.Event{Time: time.Now(), Severity: "info", Kind: "network", Message: sentence})
		}
	}
	before := g.enforced
	if err := g.refreshHeld(ctx); err != nil {
		g.log.Error("the perimeter could not follow the addresses of this gateway", "err", err)
		g.file(store.Event{Time: time.Now(), Severity: "error", Kind: "firewall",
			Message: "The perimeter could not follow the addresses of this gateway: " + err.Error()})
		return
	}
	if after := g.enforced; before != after && before != nil {
		g.enforced = before
		g.cut(ctx, *after)
	}
}

// uplinkAddresses are where peers may reach this gateway.
func (g *gateway) uplinkAddresses() []netip.Addr {
	var out []netip.Addr
	for _, i := range g.current().Document.Interfaces {
		for _, a := range i.Addresses {
			if i.Zone == store.ZoneWAN {
				out = append(out, a.Addr())
			}
		}
	}
	return out
}

// addressChanges are sentences about the networks that interfaces have got or
// lost.
func addressChanges(doc store.Document, before, after network.Addresses) []string {
	var out []string
	for _, i := range doc.Interfaces {
		for _, v6 := range []bool{false, true} {
			was, is := networksIn(before[i.Device], v6), networksIn(after[i.Device], v6)
			what := map[bool]string{true: "prefix", false: "network"}[v6]
			switch {
			case slices.Equal(was, is):
			case len(was) == 0:
				out = append(out, fmt.Sprintf("The interface %s has got the %s %s.", i.Name, what, strings.Join(is, ", ")))
			case len(is) == 0:
				out = append(out, fmt.Sprintf("The interface %s has lost the %s %s.", i.Name, what, strings.Join(was, ", ")))
			default:
				out = append(out, fmt.Sprintf("The %s of %s changed from %s to %s.", what, i.Name, strings.Join(was, ", "), strings.Join(is, ", ")))
			}
		}
	}
	return out
}

// networksIn are the networks of one family among addresses.
func networksIn(addresses []netip.Prefix, v6 bool) []string {
	var out []string
	for _, a := range addresses {
		if text := a.Masked().String(); a.Addr().Is6() == v6 && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}
