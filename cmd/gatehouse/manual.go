package main

import (
	"context"
	"fmt"

	"gatehouse/ipsec"
	"gatehouse/ipsec/sad"
	"gatehouse/store"
)

// rememberKeys gives the tunnels what is known of keys that were used before.
func (g *gateway) rememberKeys(ctx context.Context) error {
	held, err := g.db.SACounters(ctx)
	if err != nil {
		return err
	}
	var all []ipsec.Kept
	for _, c := range held {
		all = append(all, ipsec.Kept(c))
	}
	g.ipsec.Remember(all)
	return nil
}

// keepKeys writes what must be known of keys after a crash.
func (g *gateway) keepKeys(all []ipsec.Kept) error {
	var out []store.SACounter
	for _, k := range all {
		out = append(out, store.SACounter(k))
	}
	return g.db.PutSACounters(context.Background(), out)
}

// manualEvent is the sentence about an SA keyed by hand.
func manualEvent(e ipsec.Event) store.Event {
	then := "Nothing takes its place: its traffic stops."
	if e.Replaced {
		then = "The next one has taken over."
	}
	ev := store.Event{Time: e.Time, Severity: "warn", Kind: "tunnel", Subject: e.SA}
	switch e.What {
	case sad.SoftExpired:
		ev.Message = "New keys are due for this manual SA: it reached the soft bound of its lifetime."
		if e.Replaced {
			ev.Message += " " + then
		}
	case sad.HardExpired:
		ev.Message = "This manual SA reached the end of its lifetime. " + then
	case sad.Overflowed:
		ev.Message = "This manual SA has used up its sequence numbers. " + then
	case sad.Exhausted:
		ev.Message = "This manual SA has used three quarters of its sequence numbers: new keys are due."
	default:
		ev.Message = fmt.Sprintf("Manual SA: event %d.", e.What)
	}
	return ev
}
