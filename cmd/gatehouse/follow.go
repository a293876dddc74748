package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"gatehouse/firewall"
	"gatehouse/store"
)

// lookAround is how long a change of users or the end of a schedule may go
// unnoticed. Users are also changed by other processes, so the database is
// asked; the answer is in memory.
const lookAround = time.Second

// followWorld lets the perimeter follow users, devices and the clock.
func (g *gateway) followWorld(ctx context.Context) error {
	tick := time.NewTicker(lookAround)
	defer tick.Stop()
	var seen int64
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		version, err := g.db.PeopleVersion(ctx)
		if err != nil {
			g.log.Error("changes of users cannot be followed", "err", err)
			continue
		}
		now := time.Now()
		// Schedules, offsets of time zones and the last days of users change
		// with a minute.
		minute := now.Unix()/60 != last.Unix()/60
		if version != seen || minute {
			g.refresh(ctx)
			seen = version
		}
		if minute {
			g.endWindows(ctx, last, now)
			last = now
		}
	}
}

// refresh makes the perimeter what the document in force means now. What only
// changes the members of lists replaces those in the running rules; and who has
// left a list loses the connections that it allowed.
func (g *gateway) refresh(ctx context.Context) {
	g.applying.Lock()
	defer g.applying.Unlock()
	if err := g.refreshHeld(ctx); err != nil {
		g.log.Error("the perimeter could not follow a change of users, names or the time", "err", err)
		g.file(store.Event{Time: time.Now(), Severity: "error", Kind: "firewall",
			Message: "The perimeter could not follow a change of users, names or the time: " + err.Error()})
	}
}

// refreshHeld needs g.applying.
func (g *gateway) refreshHeld(ctx context.Context) error {
	before := g.enforced
	if g.current().ID == 0 || before == nil {
		return nil
	}
	// A revision changes when somebody whom it names gets another name.
	rev, err := g.db.Revision(ctx, g.current().ID)
	if err != nil {
		return err
	}
	g.inForce(rev)
	now, err := g.known(ctx, rev.Document)
	if err != nil {
		return err
	}
	after := perimeter(rev.Document, now, g.adminPort)
	if reflect.DeepEqual(*before, after) {
		return nil
	}
	if sameButMembers(*before, after) {
		for i, l := range after.Lists {
			if slices.Equal(before.Lists[i].Ranges, l.Ranges) {
				continue
			}
			if err := g.perimeter.Refill(ctx, l.ID, l.Ranges); err != nil {
				return fmt.Errorf("list %s: %w", l.ID, err)
			}
			g.log.Info("members of a list changed", "list", l.ID, "count", len(l.Ranges))
		}
		g.cut(ctx, after)
		return nil
	}
	ruleset, err := firewall.Compile(after)
	if err != nil {
		return err
	}
	if err := g.perimeter.Apply(ctx, ruleset); err != nil {
		return err
	}
	// Nothing more is cut: a tunnel may still use its peer's address before.
	members := *before
	members.Lists = after.Lists
	if slices.EqualFunc(before.Lists, after.Lists, func(a, b firewall.List) bool { return a.ID == b.ID }) {
		g.cut(ctx, members)
	}
	g.enforced = &after
	return nil
}

// sameButMembers says whether two policies differ in the members of live lists
// only.
func sameButMembers(a, b firewall.Policy) bool {
	if len(a.Lists) != len(b.Lists) {
		return false
	}
	bare := func(p firewall.Policy) firewall.Policy {
		p.Lists = slices.Clone(p.Lists)
		for i := range p.Lists {
			if p.Lists[i].Live {
				p.Lists[i].Ranges = nil
			}
		}
		return p
	}
	return reflect.DeepEqual(bare(a), bare(b))
}

// endWindows ends the connections that a rule allowed until its schedule was
// over, or that a rule denies whose schedule has begun.
func (g *gateway) endWindows(ctx context.Context, before, now time.Time) {
	g.applying.Lock()
	defer g.applying.Unlock()
	if g.enforced == nil {
		return
	}
	was, is := holding(*g.enforced, before), holding(*g.enforced, now)
	if len(was.Rules) == len(is.Rules) && slices.EqualFunc(was.Rules, is.Rules, func(a, b firewall.Rule) bool { return a.ID == b.ID }) {
		return
	}
	n, err := g.perimeter.Cut(ctx, was, is)
	if err != nil {
		g.log.Error("connections whose time is over may go on", "err", err)
		g.file(store.Event{Time: time.Now(), Severity: "error", Kind: "firewall",
			Message: "Connections whose time is over may go on: " + err.Error()})
	}
	if n > 0 {
		g.log.Info("connections ended with their schedule", "count", n)
	}
}

// holding is a policy with the rules that hold at a time, for good.
func holding(p firewall.Policy, at time.Time) firewall.Policy {
	rules := p.Rules
	p.Rules = nil
	for _, r := range rules {
		if len(r.Times) > 0 && !during(r.Times, at) {
			continue
		}
		r.Times = nil
		p.Rules = append(p.Rules, r)
	}
	return p
}

func during(times []firewall.TimeSpan, at time.Time) bool {
	at = at.UTC()
	second := at.Hour()*3600 + at.Minute()*60 + at.Second()
	return slices.ContainsFunc(times, func(s firewall.TimeSpan) bool {
		return s.Day == at.Weekday() && s.From <= second && second <= s.To
	})
}
