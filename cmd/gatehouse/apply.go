package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/firewall"
	"gatehouse/store"
)

// Apply freezes the draft as a revision and carries it out. If a step fails,
// the revision in force before is carried out again and stays in force.
func (g *gateway) Apply(ctx context.Context, author string) error {
	g.applying.Lock()
	defer g.applying.Unlock()
	rev, err := g.db.Commit(ctx, author, "")
	if err != nil {
		return fmt.Errorf("the draft cannot be frozen: %w", err)
	}
	if err := g.carryOut(ctx, rev.Document); err != nil {
		g.log.Error("apply failed", "revision", rev.ID, "err", err)
		undo := context.WithoutCancel(ctx)
		err = errors.Join(err, g.putBack(undo), g.db.Revert(undo, rev.ID))
		g.file(store.Event{Time: time.Now(), Severity: "error", Kind: "apply", Subject: author,
			Message: fmt.Sprintf("Revision %d could not be applied and was taken back: %v", rev.ID, err)})
		return err
	}
	if err := g.db.Confirm(ctx, rev.ID); err != nil {
		undo := context.WithoutCancel(ctx)
		return errors.Join(fmt.Errorf("revision %d works but cannot be recorded: %w", rev.ID, err), g.putBack(undo))
	}
	g.inForce(rev)
	g.log.Info("applied", "revision", rev.ID, "author", author)
	g.file(store.Event{Time: time.Now(), Severity: "info", Kind: "apply", Subject: author,
		Message: fmt.Sprintf("Revision %d is in force.", rev.ID)})
	return nil
}

func (g *gateway) inForce(rev store.Revision) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.doc, g.revision = rev.Document, rev.ID
}

// boot brings the last confirmed revision into force, or shuts the perimeter
// when there is none. The perimeter comes before any address; only a failure
// of the perimeter is fatal, because a gateway with a broken port must still
// show its page.
func (g *gateway) boot(ctx context.Context) error {
	rev, err := g.db.Confirmed(ctx)
	if errors.Is(err, store.ErrNotFound) {
		g.log.Info("no configuration in force yet: the perimeter is shut")
		return g.lockDown(ctx)
	}
	if err != nil {
		return fmt.Errorf("read the confirmed revision: %w", err)
	}
	d, err := compile(rev.Document, g.lookUpPeers(ctx, rev.Document), g.adminPort)
	if err != nil {
		return errors.Join(fmt.Errorf("revision %d: %w", rev.ID, err), g.lockDown(ctx))
	}
	if err := g.perimeter.Apply(ctx, d.ruleset); err != nil {
		return errors.Join(fmt.Errorf("revision %d: firewall: %w", rev.ID, err), g.lockDown(ctx))
	}
	g.inForce(rev)
	if err := errors.Join(g.links.Apply(ctx, d.network), g.ipsec.Apply(d.ipsec)); err != nil {
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
	return nil
}

// carryOut makes the kernel and the tunnels what the document says. The order
// never opens the perimeter: the new rules are in force before an address, a
// route or a tunnel of the new document exists.
func (g *gateway) carryOut(ctx context.Context, doc store.Document) error {
	d, err := compile(doc, g.lookUpPeers(ctx, doc), g.adminPort)
	if err != nil {
		return err
	}
	if err := g.perimeter.Apply(ctx, d.ruleset); err != nil {
		return fmt.Errorf("firewall: %w", err)
	}
	if err := g.links.Apply(ctx, d.network); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	if err := g.ipsec.Apply(d.ipsec); err != nil {
		return fmt.Errorf("ipsec: %w", err)
	}
	return nil
}

// putBack carries out again what was in force.
func (g *gateway) putBack(ctx context.Context) error {
	g.mu.Lock()
	doc, revision := g.doc, g.revision
	g.mu.Unlock()
	if revision == 0 {
		return g.lockDown(ctx)
	}
	if err := g.carryOut(ctx, doc); err != nil {
		return fmt.Errorf("revision %d, in force before, could not be put back: %w", revision, err)
	}
	return nil
}
