package main

import (
	"context"
	"fmt"
	"time"

	"gatehouse/store"
)

// eventDelay is how long events are gathered before they are written: however
// much happens, an SD card sees one write in this time.
const eventDelay = 5 * time.Second

// file puts an event among those to be written. It must not block who reports,
// so a full queue loses the line and counts it.
func (g *gateway) file(ev store.Event) {
	select {
	case g.events <- ev:
	default:
		g.lost.Add(1)
	}
}

// writeEvents writes filed events together, once in a delay, until ctx ends,
// and then what is left.
func (g *gateway) writeEvents(ctx context.Context, delay time.Duration) error {
	for {
		var batch []store.Event
		select {
		case <-ctx.Done():
			g.store(context.WithoutCancel(ctx), g.gathered(nil))
			return nil
		case ev := <-g.events:
			batch = append(batch, ev)
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		g.store(context.WithoutCancel(ctx), g.gathered(batch))
	}
}

// gathered adds all that is queued, and a line about what found no room.
func (g *gateway) gathered(batch []store.Event) []store.Event {
	for {
		select {
		case ev := <-g.events:
			batch = append(batch, ev)
			continue
		default:
		}
		if n := g.lost.Swap(0); n > 0 {
			batch = append(batch, store.Event{Time: time.Now(), Severity: "warn", Kind: "system",
				Message: fmt.Sprintf("%d events were left out: more happened than can be kept.", n)})
		}
		return batch
	}
}

func (g *gateway) store(ctx context.Context, batch []store.Event) {
	if len(batch) == 0 {
		return
	}
	if err := g.db.AppendEvents(ctx, batch...); err != nil {
		g.log.Error("events cannot be stored", "count", len(batch), "err", err)
	}
}
