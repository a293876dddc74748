package main

import (
	"context"
	"errors"
	"time"

	"gatehouse/firewall"
	"gatehouse/store"
)

// counterDelay is how long counters are only in the kernel: a power cut loses
// as much, and an SD card is written as seldom.
const counterDelay = 10 * time.Minute

// rememberCounters makes rules go on counting where they were when the power
// failed.
func (g *gateway) rememberCounters(ctx context.Context) error {
	kept, err := g.db.RuleCounters(ctx)
	if err != nil {
		return err
	}
	var all []firewall.Counter
	for _, c := range kept {
		all = append(all, firewall.Counter{Rule: c.Rule, Packets: c.Packets, Bytes: c.Bytes})
	}
	g.perimeter.Remember(all)
	return nil
}

// keepCounters writes what rules counted now and then, and once at the end.
func (g *gateway) keepCounters(ctx context.Context) error {
	tick := time.NewTicker(counterDelay)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			g.writeCounters(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
			g.writeCounters(ctx)
		}
	}
}

func (g *gateway) writeCounters(ctx context.Context) {
	held, err := g.perimeter.Counters(ctx)
	if err == nil {
		var all []store.RuleCounter
		for _, c := range held {
			all = append(all, store.RuleCounter{Rule: c.Rule, Packets: c.Packets, Bytes: c.Bytes})
		}
		_, err = g.db.PutRuleCounters(ctx, all, time.Now())
	}
	if err != nil {
		g.log.Error("counters cannot be kept", "err", err)
	}
}

// Counted is what the kernel counts, with about when each rule was hit last.
func (g *gateway) Counted(ctx context.Context) (map[string]store.RuleCounter, error) {
	kept, err := g.db.RuleCounters(ctx)
	if err != nil {
		return nil, err
	}
	held, err := g.perimeter.Counters(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range held {
		was := kept[c.Rule]
		if c.Packets > was.Packets {
			was.Hit = time.Now()
		}
		was.Rule, was.Packets, was.Bytes = c.Rule, c.Packets, c.Bytes
		kept[c.Rule] = was
	}
	return kept, nil
}

// noteRules keeps since when each rule is as it is, for those that nothing
// matches.
func (g *gateway) noteRules(ctx context.Context) {
	rev, err := g.db.Confirmed(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return // nothing is in force yet
	}
	if err == nil {
		err = g.db.NoteRules(ctx, rev.Document, time.Now())
	}
	if err != nil {
		g.log.Error("the age of rules cannot be kept", "err", err)
	}
}
