package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"gatehouse/firewall"
	"gatehouse/traffic"
	"gatehouse/web"
)

// maxSorted is how far down the sorted connections a page can go; who looks for
// more has a filter.
const maxSorted = 10_000

// Connections gives a part of those that are open and pass the filter. The
// table is read whole, one at a time, and by one request at a time.
func (g *gateway) Connections(ctx context.Context, f web.ConnectionFilter, o web.Ordering, offset, limit int) ([]web.Connection, int, error) {
	who := g.directory()
	best := &ranking{order: o, keep: min(offset+limit, maxSorted)}
	total := 0
	match := who.matching(f)
	err := g.eachConnection(ctx, func(c firewall.Connection) bool {
		if match(c) {
			total++
			best.add(c)
		}
		return true
	})
	if err != nil {
		return nil, 0, err
	}
	sorted := best.sorted()
	var out []web.Connection
	for _, c := range sorted[min(offset, len(sorted)):] {
		out = append(out, who.connection(c))
	}
	return out, total, nil
}

func (g *gateway) eachConnection(ctx context.Context, fn func(firewall.Connection) bool) error {
	g.seen.reading.Lock()
	defer g.seen.reading.Unlock()
	if err := ctx.Err(); err != nil {
		return err // who asked did not wait
	}
	return firewall.Connections(ctx, fn)
}

// EndConnections ends those that pass the filter and notes it in the audit log.
func (g *gateway) EndConnections(ctx context.Context, f web.ConnectionFilter) (int, error) {
	who := g.directory()
	match := who.matching(f)
	var one web.Connection
	g.seen.reading.Lock()
	n, err := firewall.EndConnections(ctx, func(c firewall.Connection) bool {
		if !match(c) {
			return false
		}
		one = who.connection(c)
		return true
	})
	g.seen.reading.Unlock()
	if n == 0 {
		return 0, err
	}
	text := fmt.Sprintf("Ended %d connections of %s.", n, f.Whose())
	if n == 1 {
		text = fmt.Sprintf("Ended the connection from %s to %s (%s).", partyText(one.From), partyText(one.To), one.Protocol)
	}
	if recordErr := g.db.Record(ctx, "end", text); recordErr != nil {
		// It is done; that a full disk keeps no note of it does not undo it.
		g.log.Error("the audit log misses an entry", "entry", text, "err", recordErr)
	}
	return n, err
}

// matching says which connections pass a filter. All of the table go through
// it, so it asks no more than the filter needs.
func (d *directory) matching(f web.ConnectionFilter) func(firewall.Connection) bool {
	switch {
	case f == web.ConnectionFilter{}:
		return func(firewall.Connection) bool { return true }
	case f.Zone != "" || f.Host != "":
		return func(c firewall.Connection) bool { return f.Matches(seenAs(c, d.party)) }
	}
	return func(c firewall.Connection) bool { return f.Matches(seenAs(c, nobody)) }
}

// nobody is a party of whom nothing is known.
func nobody(a netip.Addr, port uint16, _ string) web.Party { return web.Party{Address: a, Port: port} }

// seenAs is a connection with its ends as party knows them.
func seenAs(c firewall.Connection, party func(netip.Addr, uint16, string) web.Party) web.Connection {
	out := web.Connection{
		ID: connectionID(c), Protocol: web.ProtocolName(c.Protocol),
		From: party(c.Source.Addr(), c.Source.Port(), ""), To: party(c.Destination.Addr(), c.Destination.Port(), ""),
		Sent: c.Sent.Bytes, Received: c.Received.Bytes, Began: c.Began, Answered: c.Answered,
	}
	if c.Led != c.Destination {
		led := party(c.Led.Addr(), c.Led.Port(), "")
		out.Led = &led
	}
	if c.Seen != c.Source {
		out.Seen = c.Seen
	}
	return out
}

// connection is one as the pages show it.
func (d *directory) connection(c firewall.Connection) web.Connection {
	out := seenAs(c, d.party)
	if d.decider != nil {
		var action firewall.Action
		action, out.Rule = d.decider.Decide(c.Asked())
		out.Action = action.String()
	}
	return out
}

// keyOf tells connections apart.
func keyOf(c firewall.Connection) traffic.Key {
	return traffic.Key{ID: c.ID, Ports: uint32(c.Source.Port())<<16 | uint32(c.Destination.Port())}
}

// connectionID is the key for an address bar.
func connectionID(c firewall.Connection) string {
	k := keyOf(c)
	return fmt.Sprintf("%08x%08x", k.ID, k.Ports)
}

// ranking keeps the first of many in an order.
type ranking struct {
	order web.Ordering
	keep  int
	some  []firewall.Connection
}

func (r *ranking) add(c firewall.Connection) {
	r.some = append(r.some, c)
	if len(r.some) >= 2*r.keep+64 {
		r.sorted()
	}
}

// sorted gives the first ones so far.
func (r *ranking) sorted() []firewall.Connection {
	volume := func(c firewall.Connection) uint64 { return c.Sent.Bytes + c.Received.Bytes }
	slices.SortFunc(r.some, func(a, b firewall.Connection) int {
		first := cmp.Compare(volume(b), volume(a))
		switch r.order {
		case web.ByStart:
			first = b.Began.Compare(a.Began)
		case web.ByAge:
			first = a.Began.Compare(b.Began)
		}
		return cmp.Or(first, cmp.Compare(a.ID, b.ID), a.Source.Compare(b.Source))
	})
	r.some = r.some[:min(r.keep, len(r.some))]
	return r.some
}

// How often connections are looked at for the talkers. A look may take this
// part of the time at most, however many connections there are.
const (
	lookEvery = 10 * time.Second
	lookShare = 50
)

// endsKept is how many connections may end during a look before the kernel has
// to wait with telling.
const endsKept = 8192

// keepTalkers looks at all connections now and then and takes down those that
// end meanwhile. The two never mix: what ends during a look, and may be in it,
// is taken down after it.
func (g *gateway) keepTalkers(ctx context.Context) error {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-g.seen.ends:
			g.seen.talkers.Ended(c, time.Now())
			continue
		case <-next.C:
		}
		began := time.Now()
		err := g.eachConnection(ctx, func(c firewall.Connection) bool {
			g.seen.talkers.Saw(carried(c), time.Now())
			return true
		})
		switch {
		case err == nil:
			g.seen.talkers.Looked(time.Now())
		case ctx.Err() == nil:
			g.log.Error("connections cannot be read", "err", err)
		}
		next.Reset(max(lookEvery, lookShare*time.Since(began)))
	}
}

// followEnds takes down connections that end, until ctx is done.
func (g *gateway) followEnds(ctx context.Context) error {
	return firewall.WatchEnded(ctx, g.log, func(c firewall.Connection) {
		select {
		case g.seen.ends <- carried(c):
		case <-ctx.Done():
		}
	})
}

// carried leads the bytes to the hosts that moved them: behind a forward, the
// one it led to.
func carried(c firewall.Connection) traffic.Carried {
	return traffic.Carried{Key: keyOf(c), Source: c.Source.Addr(), Destination: c.Led.Addr(), Sent: c.Sent.Bytes, Received: c.Received.Bytes}
}

// inside says whose bytes are counted: hosts in any zone but the internet.
func (g *gateway) inside(a netip.Addr) bool {
	d := g.directory().decider
	if d == nil {
		return false
	}
	zone := d.Zone(a)
	return zone != "" && zone != firewall.ZoneWAN && zone != firewall.ZoneGateway
}

// Talkers are those who moved most.
func (g *gateway) Talkers(window time.Duration, limit int) web.Talkers {
	who := g.directory()
	top, rest, over := g.seen.talkers.Top(window, limit, time.Now())
	out := web.Talkers{Hosts: []web.Talker{}, Others: web.Moved{Sent: rest.Sent, Received: rest.Received}, Seconds: over.Seconds()}
	for _, t := range top {
		out.Hosts = append(out.Hosts, web.Talker{Party: who.party(t.Host, 0, ""), Moved: web.Moved{Sent: t.Sent, Received: t.Received}})
	}
	return out
}
