package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/firewall"
	"gatehouse/store"
	"gatehouse/web"
)

// Apply freezes the draft as a revision and carries it out. If a step fails,
// what was in force is carried out again. With a window the revision is on
// trial: unless it is confirmed in time, it is taken back.
func (g *gateway) Apply(ctx context.Context, o web.Order) error {
	if err := checkWindow(o.Window); err != nil {
		return err
	}
	g.applying.Lock()
	defer g.applying.Unlock()
	if t := g.trialNow(); t != nil {
		return fmt.Errorf("revision %d is on trial: confirm it or take it back first", t.rev.ID)
	}
	rev, err := g.db.Commit(ctx, o.Author, o.Message)
	if err != nil {
		return fmt.Errorf("the draft cannot be frozen: %w", err)
	}
	before := g.current()
	if err := g.carryOut(ctx, rev.Document); err != nil {
		g.log.Error("apply failed", "revision", rev.ID, "err", err)
		undo := context.WithoutCancel(ctx)
		err = errors.Join(err, g.putBack(undo, before), g.db.Revert(undo, rev.ID))
		g.file(store.Event{Time: time.Now(), Severity: "error", Kind: "apply", Subject: o.Author,
			Message: fmt.Sprintf("Revision %d could not be applied and was taken back: %v", rev.ID, err)})
		return err
	}
	g.inForce(rev)
	g.log.Info("applied", "revision", rev.ID, "author", o.Author, "window", o.Window)
	if o.Window == 0 {
		return g.settle(ctx, rev, before, o.Author)
	}
	g.try(rev, before, o)
	return nil
}

// settle makes a revision the one that also comes back after a restart; if
// that cannot be written, the one before is carried out again. Needs
// g.applying.
func (g *gateway) settle(ctx context.Context, rev, before store.Revision, by string) error {
	if err := g.db.Confirm(ctx, rev.ID); err != nil {
		return errors.Join(fmt.Errorf("revision %d works but cannot be recorded: %w", rev.ID, err),
			g.putBack(context.WithoutCancel(ctx), before))
	}
	g.log.Info("confirmed", "revision", rev.ID, "by", by)
	g.snapshot(context.WithoutCancel(ctx))
	g.file(store.Event{Time: time.Now(), Severity: "info", Kind: "apply", Subject: by,
		Message: fmt.Sprintf("Revision %d is in force.", rev.ID)})
	return nil
}

// current is the revision in force; ID 0 before the first.
func (g *gateway) current() store.Revision {
	g.mu.Lock()
	defer g.mu.Unlock()
	return store.Revision{ID: g.revision, Document: g.doc}
}

func (g *gateway) inForce(rev store.Revision) {
	g.mu.Lock()
	g.doc, g.revision = rev.Document, rev.ID
	g.mu.Unlock()
	g.keepLists(rev.Document)
	g.seen.change()
}

// boot brings the last confirmed revision into force, or shuts the perimeter
// when there is none. The perimeter comes before any address; only a failure
// of the perimeter is fatal, because a gateway with a broken port must still
// show its page.
func (g *gateway) boot(ctx context.Context) error {
	if err := g.abandon(ctx); err != nil {
		return err
	}
	rev, err := g.db.Confirmed(ctx)
	if errors.Is(err, store.ErrNotFound) {
		g.log.Info("no configuration in force yet: the perimeter is shut")
		return g.lockDown(ctx)
	}
	if err != nil {
		return fmt.Errorf("read the confirmed revision: %w", err)
	}
	now, err := g.look(ctx, rev.Document)
	if err != nil {
		return errors.Join(fmt.Errorf("revision %d: %w", rev.ID, err), g.lockDown(ctx))
	}
	d, err := compile(rev.Document, now, g.adminPort)
	if err != nil {
		return errors.Join(fmt.Errorf("revision %d: %w", rev.ID, err), g.lockDown(ctx))
	}
	if err := g.perimeter.Apply(ctx, d.ruleset); err != nil {
		return errors.Join(fmt.Errorf("revision %d: firewall: %w", rev.ID, err), g.lockDown(ctx))
	}
	g.enforce(&d.firewall)
	g.inForce(rev)
	if err := errors.Join(g.links.Apply(ctx, d.network), g.joinUp(d.ipsec, d.manual)); err != nil {
		g.log.Error("the configuration in force could not be carried out whole", "revision", rev.ID, "err", err)
		g.file(store.Event{Time: time.Now(), Severity: "error", Kind: "system",
			Message: fmt.Sprintf("Revision %d could not be carried out whole at start: %v", rev.ID, err)})
	}
	return nil
}

func (g *gateway) lockDown(ctx context.Context) error {
	rules, err := firewall.Compile(firewall.Lockdown(tunnelDevice, logGroup))
	if err != nil {
		return fmt.Errorf("shut the perimeter: %w", err)
	}
	if err := g.perimeter.Apply(ctx, rules); err != nil {
		return fmt.Errorf("shut the perimeter: %w", err)
	}
	g.enforce(nil)
	return nil
}

// cut ends the connections that the policy before allowed and this one denies.
// What is not known is left alone: after a restart nobody knows the policy
// before. Called with applying held.
func (g *gateway) cut(ctx context.Context, now firewall.Policy) {
	before := g.enforced
	g.enforce(&now)
	if before == nil {
		return
	}
	n, err := g.perimeter.Cut(ctx, *before, now)
	if err != nil {
		g.log.Error("connections that are denied now may go on", "err", err)
		g.file(store.Event{Time: time.Now(), Severity: "error", Kind: "firewall",
			Message: "Connections that are denied now may go on: " + err.Error()})
	}
	if n > 0 {
		g.log.Info("denied connections ended", "count", n)
	}
}

// carryOut makes the kernel and the tunnels what the document says. The order
// never opens the perimeter: the new rules are in force before an address, a
// route or a tunnel of the new document exists.
func (g *gateway) carryOut(ctx context.Context, doc store.Document) error {
	d, err := g.carryOutBelow(ctx, doc)
	if err != nil {
		return err
	}
	if err := g.joinUp(d.ipsec, d.manual); err != nil {
		return fmt.Errorf("ipsec: %w", err)
	}
	g.ipsec.PathsChanged() // addresses or routes may be others
	return nil
}

// carryOutBelow carries out what lies below the tunnels: rules, addresses and
// routes.
func (g *gateway) carryOutBelow(ctx context.Context, doc store.Document) (desired, error) {
	now, err := g.look(ctx, doc)
	if err != nil {
		return desired{}, err
	}
	d, err := compile(doc, now, g.adminPort)
	if err != nil {
		return d, err
	}
	if err := g.perimeter.Apply(ctx, d.ruleset); err != nil {
		return d, fmt.Errorf("firewall: %w", err)
	}
	g.cut(ctx, d.firewall)
	if err := g.links.Apply(ctx, d.network); err != nil {
		return d, fmt.Errorf("network: %w", err)
	}
	return d, nil
}

// putBack carries out again what was in force before.
func (g *gateway) putBack(ctx context.Context, before store.Revision) error {
	g.inForce(before)
	if before.ID == 0 {
		return g.lockDown(ctx)
	}
	if err := g.carryOut(ctx, before.Document); err != nil {
		return fmt.Errorf("revision %d, in force before, could not be put back: %w", before.ID, err)
	}
	return nil
}
