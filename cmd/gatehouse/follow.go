package main

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"gatehouse/firewall"
	"gatehouse/ipsec"
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
	if err := errors.Join(g.refreshHeld(ctx), g.renewHeld(ctx)); err != nil {
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
	if err := g.followPolicies(ctx, rev.Document, now); err != nil {
		return err
	}
	after := perimeter(rev.Document, now, g.adminPort)
	changed, more := differing(*before, after)
	if !more && len(changed) == 0 {
		return nil
	}
	if more || g.refill(ctx, changed) != nil {
		ruleset, err := firewall.Compile(after)
		if err != nil {
			return err
		}
		if err := g.perimeter.Apply(ctx, ruleset); err != nil {
			return err
		}
	}
	// Nothing more is cut: a tunnel may still use its peer's address before.
	members := *before
	members.Lists = lasting(rev.Document, before.Lists, after.Lists)
	if slices.EqualFunc(before.Lists, after.Lists, func(a, b firewall.List) bool { return a.ID == b.ID }) {
		g.cut(ctx, members)
	}
	g.enforce(&after)
	return nil
}

// renewHeld gives the tunnels the certificates that there are now. Those whose
// own did not change stay up. It needs g.applying.
func (g *gateway) renewHeld(ctx context.Context) error {
	if g.current().ID == 0 {
		return nil
	}
	doc := g.current().Document
	now, err := g.known(ctx, doc)
	if err != nil {
		return err
	}
	conns, err := connections(doc, now.keyring)
	if err != nil || reflect.DeepEqual(conns, g.connections) {
		return err
	}
	manual, err := byHand(doc, now)
	if err != nil {
		return err
	}
	return g.joinUp(conns, manual)
}

// joinUp makes the tunnels what they should be. Called with applying held.
func (g *gateway) joinUp(conns []ipsec.Connection, manual ipsec.Manual) error {
	g.connections, g.manual = conns, manual
	return g.ipsec.Apply(conns, manual)
}

// followPolicies makes policies that are for users and groups what these are now,
// with the routes into the tunnel that follow from it. Needs g.applying.
func (g *gateway) followPolicies(ctx context.Context, doc store.Document, now world) error {
	if !namesPeople(doc) {
		return nil
	}
	manual, err := byHand(doc, now)
	if err != nil || reflect.DeepEqual(manual, g.manual) {
		return err
	}
	conns, err := connections(doc, now.keyring)
	if err != nil {
		return err
	}
	if err := g.links.Apply(ctx, links(doc, now)); err != nil {
		return err
	}
	if err := g.joinUp(conns, manual); err != nil {
		return err
	}
	g.log.Info("policies follow their users")
	return nil
}

// differing are the live lists whose members are others; more says that
// anything else is different.
func differing(before, after firewall.Policy) (changed []firewall.List, more bool) {
	was, is := before.Lists, after.Lists
	before.Lists, after.Lists = nil, nil
	if len(was) != len(is) || !reflect.DeepEqual(before, after) {
		return nil, true
	}
	for i, l := range is {
		same := slices.Equal(was[i].Ranges, l.Ranges)
		if was[i].ID != l.ID || was[i].Live != l.Live || !same && !l.Live {
			return nil, true
		}
		if !same {
			changed = append(changed, l)
		}
	}
	return changed, false
}

// refill puts other members into lists of the rules in force. If it cannot, the
// rules are applied whole, which says what is wrong.
func (g *gateway) refill(ctx context.Context, changed []firewall.List) error {
	for _, l := range changed {
		if err := g.perimeter.Refill(ctx, l.ID, l.Ranges); err != nil {
			g.log.Warn("the firewall is applied whole", "err", err)
			return err
		}
		g.log.Info("members of a list changed", "list", l.ID, "count", len(l.Ranges))
	}
	return nil
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
