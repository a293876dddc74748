package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gatehouse/store"
	"gatehouse/web"
)

// Bounds of a confirm window. Zero means none: confirmed at once.
const minWindow, maxWindow = 10 * time.Second, 10 * time.Minute

// answerFirst lets the answer to the browser out before an apply that may take
// away the address it came to.
const answerFirst = 300 * time.Millisecond

// trial is a revision that is in force and not confirmed. The database still
// says that the one before is confirmed, so that a restart goes back to it.
type trial struct {
	rev, before store.Revision
	author      string
	since       time.Time // in force
	deadline    time.Time
	timer       *time.Timer
}

func checkWindow(d time.Duration) error {
	if d != 0 && (d < minWindow || d > maxWindow) {
		return fmt.Errorf("a confirm window of %v: choose from %v to %v", d, minWindow, maxWindow)
	}
	return nil
}

func (g *gateway) trialNow() *trial {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trial
}

// try starts the clock of a revision that was just carried out. Needs
// g.applying.
func (g *gateway) try(rev, before store.Revision, o web.Order) {
	now := time.Now()
	t := &trial{rev: rev, before: before, author: o.Author, since: now, deadline: now.Add(o.Window)}
	g.mu.Lock()
	g.trial = t
	g.mu.Unlock()
	t.timer = time.AfterFunc(o.Window, func() {
		err := g.endTrial(context.Background(), t, "nobody confirmed it in time")
		if err != nil && !errors.Is(err, errNoTrial) {
			g.log.Error("a revision could not be taken back whole", "revision", rev.ID, "err", err)
		}
	})
	g.file(store.Event{Time: now, Severity: "info", Kind: "apply", Subject: o.Author,
		Message: fmt.Sprintf("Revision %d is on trial for %v.", rev.ID, o.Window)})
}

// errNoTrial says that there is nothing to confirm or to take back.
var errNoTrial = errors.New("no revision is on trial")

// Confirm ends the trial of a revision well.
func (g *gateway) Confirm(ctx context.Context, revision int64, by string) error {
	g.applying.Lock()
	defer g.applying.Unlock()
	t := g.trialNow()
	if t == nil || revision != 0 && t.rev.ID != revision {
		return errNoTrial
	}
	g.dropTrial(t, "")
	return g.settle(ctx, t.rev, t.before, by)
}

// TakeBack ends the trial at once and brings back what was in force before.
func (g *gateway) TakeBack(ctx context.Context, by string) error {
	t := g.trialNow()
	if t == nil {
		return errNoTrial
	}
	return g.endTrial(ctx, t, by+" took it back")
}

// endTrial takes a revision back, unless somebody decided about it meanwhile.
func (g *gateway) endTrial(ctx context.Context, t *trial, why string) error {
	g.applying.Lock()
	defer g.applying.Unlock()
	if g.trialNow() != t {
		return errNoTrial
	}
	outcome := fmt.Sprintf("Revision %d was taken back: %s.", t.rev.ID, why)
	g.dropTrial(t, outcome)
	undo := context.WithoutCancel(ctx)
	err := errors.Join(g.putBack(undo, t.before), g.db.Revert(undo, t.rev.ID))
	g.log.Warn("taken back", "revision", t.rev.ID, "why", why, "in_force", t.before.ID)
	g.file(store.Event{Time: time.Now(), Severity: "warn", Kind: "apply", Subject: t.author, Message: outcome})
	return err
}

// dropTrial forgets the trial; outcome is what the page says afterwards.
func (g *gateway) dropTrial(t *trial, outcome string) {
	t.timer.Stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trial, g.outcome = nil, outcome
}

// Begin applies the draft in a moment, so that the answer to who asked goes
// out first. Trial in the status tells how it goes, and already where the page
// will be: this answer may be the last one from the old address.
func (g *gateway) Begin(ctx context.Context, o web.Order) error {
	if err := checkWindow(o.Window); err != nil {
		return err
	}
	doc, err := g.db.Draft(ctx)
	if err != nil {
		return fmt.Errorf("read the draft: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.beginning != nil || g.trial != nil {
		return errors.New("another change is being applied; wait until it is confirmed or taken back")
	}
	g.beginning = &web.Trial{
		Beginning: true, Author: o.Author, Deadline: time.Now().Add(answerFirst + o.Window), Addresses: g.pageAddresses(doc),
	}
	g.outcome = ""
	time.AfterFunc(answerFirst, func() {
		err := g.Apply(context.WithoutCancel(ctx), o)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.beginning = nil
		if err != nil {
			g.outcome = "Nothing was changed: " + err.Error()
		}
	})
	return nil
}

// trialStatus is what pages say about a trial.
func (g *gateway) trialStatus() web.Trial {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.trial != nil:
		return web.Trial{
			Revision: g.trial.rev.ID, Author: g.trial.author, Since: g.trial.since, Deadline: g.trial.deadline,
			Addresses: g.pageAddresses(g.trial.rev.Document),
		}
	case g.beginning != nil:
		return *g.beginning
	}
	return web.Trial{Outcome: g.outcome}
}

// pageAddresses are where a document has the page, as URLs.
func (g *gateway) pageAddresses(doc store.Document) (out []string) {
	for _, i := range doc.Interfaces {
		if !doc.Manages(i.Zone) {
			continue
		}
		for _, a := range i.Addresses {
			out = append(out, "https://"+netip.AddrPortFrom(a.Addr(), g.adminPort).String()+"/")
		}
	}
	return out
}

// abandon ends what a restart interrupted: an unconfirmed revision does not
// come back.
func (g *gateway) abandon(ctx context.Context) error {
	ended, err := g.db.Abandon(ctx)
	if err != nil {
		return err
	}
	for _, id := range ended {
		g.log.Warn("taken back", "revision", id, "why", "the gateway was restarted before it was confirmed")
		g.file(store.Event{Time: time.Now(), Severity: "warn", Kind: "apply",
			Message: fmt.Sprintf("Revision %d was taken back: the gateway was restarted before it was confirmed.", id)})
	}
	return nil
}

// stopTrial puts the perimeter and the addresses back when the gateway stops
// during a trial: they stay in force while it is stopped.
func (g *gateway) stopTrial() {
	t := g.trialNow()
	if t == nil {
		return
	}
	g.applying.Lock()
	defer g.applying.Unlock()
	g.dropTrial(t, "")
	ctx := context.Background()
	if t.before.ID == 0 {
		if err := g.lockDown(ctx); err != nil {
			g.log.Error("the perimeter could not be shut", "err", err)
		}
		return
	}
	// The tunnels have ended already.
	if _, err := g.carryOutBelow(ctx, t.before.Document); err != nil {
		g.log.Error("a revision on trial could not be taken back", "revision", t.rev.ID, "err", err)
	}
}
