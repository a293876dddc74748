package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gatehouse/firewall"
	"gatehouse/ipsec"
	"gatehouse/ipsec/ike"
	"gatehouse/store"
	"gatehouse/web"
)

// The usual numbers of bans, and their bounds.
const (
	usualBanAfter   = 10
	usualBanMinutes = 10
	// failureWindow is how long a failure counts.
	failureWindow = 10 * time.Minute
	// longestBan is how far bans by themselves grow; longestByHand bounds those
	// of an admin.
	longestBan    = 24 * time.Hour
	longestByHand = 365 * 24 * time.Hour
	// maxFailing bounds the sources whose failures are counted: more share one
	// count, which bans nobody.
	maxFailing = 4096
	// banDelay is how long bans are gathered before they are written.
	banDelay = 30 * time.Second
	// spareFor is how long a connected peer is kept out of bans, renewed each
	// spareEvery.
	spareFor, spareEvery = 10 * time.Minute, time.Minute
)

// bans counts who fails to prove who they are, and remembers who was banned.
type bans struct {
	mu      sync.Mutex
	failing map[netip.Prefix]failures
	known   map[netip.Prefix]store.Ban
	dirty   map[netip.Prefix]bool
}

// failures is a leaky bucket.
type failures struct {
	level float64
	at    time.Time
}

func newBans() *bans {
	return &bans{failing: map[netip.Prefix]failures{}, known: map[netip.Prefix]store.Ban{}, dirty: map[netip.Prefix]bool{}}
}

// fail counts a failure and says whether it was one too many.
func (b *bans) fail(source netip.Prefix, most int, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	leak := func(f failures) failures {
		f.level = max(0, f.level-now.Sub(f.at).Seconds()*float64(most)/failureWindow.Seconds())
		f.at = now
		return f
	}
	if _, known := b.failing[source]; !known && len(b.failing) >= maxFailing {
		maps.DeleteFunc(b.failing, func(_ netip.Prefix, f failures) bool { return leak(f).level == 0 })
		if len(b.failing) >= maxFailing {
			return false
		}
	}
	f := leak(b.failing[source])
	if f.level++; f.level > float64(most)-0.5 {
		delete(b.failing, source)
		return true
	}
	b.failing[source] = f
	return false
}

// next is the ban of a source that failed too often: each as long as two of the
// one before.
func (b *bans) next(source netip.Prefix, first time.Duration, reason string, now time.Time) store.Ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	times := b.known[source].Times
	d := longestBan
	if times < 12 {
		d = min(d, first<<times)
	}
	return store.Ban{Source: source, Reason: reason, Since: now, Until: now.Add(d), Times: times + 1}
}

func (b *bans) note(ban store.Ban) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known[ban.Source], b.dirty[ban.Source] = ban, true
}

// lifted notes the end of a ban before its time, with what it adds to the next
// one: nothing, for somebody said that it was a mistake.
func (b *bans) lifted(source netip.Prefix, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if was, ok := b.known[source]; ok {
		was.Until, was.Times = now, 0
		b.known[source], b.dirty[source] = was, true
	}
}

// changed are the bans that are not written yet.
func (b *bans) changed() []store.Ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []store.Ban
	for source := range b.dirty {
		out = append(out, b.known[source])
	}
	clear(b.dirty)
	return out
}

// outside says whether an address is on the internet side of a document: bans
// have no effect elsewhere.
func outside(doc store.Document, a netip.Addr) bool {
	if !a.IsValid() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	holds := func(p netip.Prefix) bool { return p.Masked().Contains(a) }
	for _, i := range doc.Interfaces {
		if i.Zone != store.ZoneWAN && slices.ContainsFunc(i.Addresses, holds) {
			return false
		}
	}
	if slices.ContainsFunc(doc.Routes, func(r store.Route) bool { return holds(r.Destination) }) {
		return false
	}
	return !slices.ContainsFunc(doc.Joints(), func(j store.Joint) bool { return slices.ContainsFunc(j.Remote, holds) })
}

// failed counts that somebody failed to prove who they are, and bans them if it
// was too often. It is for failures that show that the sender receives at its
// address: an invented source must not shut out whose it is.
func (g *gateway) failed(from netip.Addr, what string) {
	doc := g.current().Document
	guards := doc.Firewall.Protection
	from = from.Unmap().WithZone("")
	if guards.BansOff || !outside(doc, from) || slices.ContainsFunc(guards.NeverBanned, func(p netip.Prefix) bool { return p.Contains(from) }) {
		return
	}
	now := time.Now()
	source := firewall.BanSource(netip.PrefixFrom(from, from.BitLen()))
	if !g.bans.fail(source, or(guards.BanAfter, usualBanAfter), now) {
		return
	}
	ban := g.bans.next(source, time.Duration(or(guards.BanMinutes, usualBanMinutes))*time.Minute, what, now)
	d := ban.Until.Sub(now)
	if err := g.perimeter.Ban(context.Background(), source, d, what); err != nil {
		g.log.Error("cannot ban a source", "source", source, "err", err)
		return
	}
	g.bans.note(ban)
	g.log.Warn("source banned", "source", source, "reason", what, "for", d)
	g.file(store.Event{Time: now, Severity: "warn", Kind: "firewall", Subject: source.String(),
		Message: fmt.Sprintf("%s is banned for %s: %s.", source, d, what)})
}

func or(n, usual int) int {
	if n == 0 {
		return usual
	}
	return n
}

// LoginFailed counts a wrong password or token. The connection is TCP, so
// whoever sent it is there.
func (g *gateway) LoginFailed(from netip.Addr) { g.failed(from, "failed logins at the page") }

// callerRefused counts a caller that got through IKE_SA_INIT, so receives at its
// address, and then could not prove who it is. A wrong key of a peer whose
// address is configured is no attack.
func (g *gateway) callerRefused(remote netip.Addr, _ ike.Reason) {
	for _, b := range g.current().Document.Branches {
		if addr, err := netip.ParseAddr(b.Peer); err == nil && addr == remote.Unmap() {
			return
		}
	}
	// Not from the manager's lock into the kernel.
	go g.failed(remote, "failed key exchanges")
}

// Bans are the sources that are refused now.
func (g *gateway) Bans(ctx context.Context) ([]web.Ban, error) {
	held, err := g.perimeter.Bans(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]web.Ban, len(held))
	for i, b := range held {
		out[i] = web.Ban{Source: b.Source, Reason: b.Reason, Since: b.Since, Until: b.Until, Packets: b.Packets}
	}
	return out, nil
}

// Ban refuses a source on the internet side for some time.
func (g *gateway) Ban(ctx context.Context, source netip.Prefix, d time.Duration, reason string) error {
	switch {
	case !source.IsValid() || source.Addr().Is4In6() || source.Bits() == 0:
		return store.ValidationError{{Field: "source", Code: "format", Message: "must be an address or a network, as in 198.51.100.7 or 198.51.100.0/24"}}
	case d < time.Minute || d > longestByHand:
		return store.ValidationError{{Field: "minutes", Code: "range", Message: "must be 1 minute to a year"}}
	}
	source = firewall.BanSource(source)
	if !outside(g.current().Document, source.Addr()) {
		return store.ValidationError{{Field: "source", Code: "network", Message: source.String() + " is not on the internet side; bans are for that. To keep something inside out, add a rule"}}
	}
	if reason == "" {
		reason = "by hand"
	}
	now := time.Now()
	err := g.perimeter.Ban(ctx, source, d, reason)
	if over := (firewall.OverlapError{}); errors.As(err, &over) {
		return store.ValidationError{{Field: "source", Code: "overlap", Message: over.Error()}}
	}
	if err != nil {
		return err
	}
	g.bans.note(store.Ban{Source: source, Reason: reason, Since: now, Until: now.Add(d), Times: 0})
	return g.recordBan(ctx, "ban", source, fmt.Sprintf("%s is banned for %s: %s.", source, d, reason))
}

// LiftBan ends a ban before its time.
func (g *gateway) LiftBan(ctx context.Context, source netip.Prefix) error {
	if !source.IsValid() {
		return fmt.Errorf("a ban without a source: %w", store.ErrNotFound)
	}
	source = firewall.BanSource(source)
	err := g.perimeter.Unban(ctx, source)
	if none := (firewall.NotBannedError{}); errors.As(err, &none) {
		return fmt.Errorf("%w: %w", err, store.ErrNotFound)
	}
	if err != nil {
		return err
	}
	g.bans.lifted(source, time.Now())
	return g.recordBan(ctx, "lift-ban", source, fmt.Sprintf("The ban of %s was lifted.", source))
}

func (g *gateway) recordBan(ctx context.Context, action string, source netip.Prefix, sentence string) error {
	g.file(store.Event{Time: time.Now(), Severity: "info", Kind: "firewall", Subject: source.String(), Message: sentence})
	if err := g.db.Record(context.WithoutCancel(ctx), action, sentence); err != nil {
		g.log.Error("cannot write the audit log", "err", err)
	}
	return nil
}

// restoreBans puts back in force what a reboot made the kernel forget. Needs the
// firewall in force.
func (g *gateway) restoreBans(ctx context.Context) error {
	kept, err := g.db.Bans(ctx)
	if err != nil {
		return err
	}
	held, err := g.perimeter.Bans(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, b := range kept {
		g.bans.known[b.Source] = b
		left := b.Until.Sub(now)
		if left <= 0 || slices.ContainsFunc(held, func(h firewall.Ban) bool { return h.Source == b.Source }) {
			continue
		}
		if err := g.perimeter.Ban(ctx, b.Source, left, b.Reason); err != nil {
			g.log.Error("a ban could not be restored", "source", b.Source, "err", err)
		}
	}
	return nil
}

// keepBans writes bans now and then, and once at the end, and keeps the peers
// that are connected out of them.
func (g *gateway) keepBans(ctx context.Context) error {
	write, spare := time.NewTicker(banDelay), time.NewTicker(spareEvery)
	defer write.Stop()
	defer spare.Stop()
	for {
		select {
		case <-ctx.Done():
			g.writeBans(context.WithoutCancel(ctx))
			return nil
		case <-write.C:
			g.writeBans(ctx)
		case <-spare.C:
			g.sparePeers(ctx)
		}
	}
}

func (g *gateway) writeBans(ctx context.Context) {
	changed := g.bans.changed()
	if len(changed) == 0 {
		return
	}
	if err := g.db.PutBans(ctx, changed, time.Now()); err != nil {
		g.log.Error("bans cannot be kept", "err", err)
		for _, b := range changed {
			g.bans.note(b)
		}
	}
}

func (g *gateway) sparePeers(ctx context.Context) {
	var peers []netip.Addr
	for _, s := range g.ipsec.Status() {
		if s.Remote.IsValid() && slices.ContainsFunc(s.Children, func(c ipsec.ChildStatus) bool { return c.Up }) {
			peers = append(peers, s.Remote.Addr().Unmap())
		}
	}
	slices.SortFunc(peers, netip.Addr.Compare)
	if err := g.perimeter.Spare(ctx, slices.Compact(peers), spareFor); err != nil {
		g.log.Error("connected peers are not kept out of bans", "err", err)
	}
}
