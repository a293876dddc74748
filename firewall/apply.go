package firewall

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Applier writes rulesets into the kernel of the network namespace that the
// calling thread is in. It needs CAP_NET_ADMIN there.
//
// Apply leaves connections alone that were established before, also those that
// the new rules would deny: Cut ends these.
type Applier struct {
	log *slog.Logger
	// One batch at a time: the library numbers sets by an unguarded counter.
	mu sync.Mutex
	// fastPath is what the probe for it said; nil before.
	fastPath   *error
	offloading Offloading
	// remembered is where the counters of rules begin that the kernel does not
	// have.
	remembered map[string]Counter
	// limits are what the sources that the kernel knows are limited by.
	limits [3]uint32
}

// Remember says what was counted before the kernel forgot it, as in a power
// cut. A rule that the kernel counts goes on from there and not from here.
func (a *Applier) Remember(counters []Counter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remembered = map[string]Counter{}
	for _, c := range counters {
		a.remembered[c.Rule] = c
	}
}

// NewApplier makes an Applier that says what it did in log.
func NewApplier(log *slog.Logger) *Applier { return &Applier{log: log} }

// Apply replaces what is in the table gatehouse, in one batch: every packet is
// decided by the old or by the new ruleset, and by one of them whole. Then it reads back that the
// kernel holds what was meant. Counters go on from where the rule of the same
// ID was. On an error the previous table is in force unless the error says
// otherwise; an error from the kernel names the rule, set or chain it refused.
func (a *Applier) Apply(ctx context.Context, r Ruleset) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("firewall not applied: %w", err)
	}
	if len(r.chains) == 0 {
		return errors.New("firewall not applied: the ruleset is empty, not a compiled one")
	}
	if r.weekly {
		if err := keepUTC(); err != nil {
			return fmt.Errorf("firewall not applied: %w", err)
		}
	}
	began := time.Now()
	before, err := lookAtTable()
	if err != nil {
		// No reason to leave the perimeter as it was.
		a.log.Warn("the firewall in force is replaced unseen", "err", err)
		before = nil
	}
	counted, err := readCounters(tableName, dynamicTable)
	if err != nil {
		// Statistics are no reason to leave the perimeter as it was.
		a.log.Warn("counters start again from zero", "err", err)
	}
	start := maps.Clone(a.remembered)
	if start == nil {
		start = map[string]Counter{}
	}
	for _, c := range counted {
		start[c.Rule] = c
	}
	r, offloading := a.fit(r)
	if before != nil && !before.fits(r) {
		before = nil
	}
	generation, unchanged, err := r.replace(start, before)
	if unchanged && r.flows != nil {
		// The fast path is no reason to leave the perimeter as it was. If
		// something else was refused, it is again, and that is what to say.
		slow, given := r.refuse(offloading, err)
		if generation, unchanged, err = slow.replace(start, before); err == nil {
			r, offloading = slow, given
		}
	}
	switch {
	case unchanged:
		return fmt.Errorf("firewall not applied: %w", r.blame(err))
	case err != nil:
		return fmt.Errorf("firewall: result unknown: %w", err)
	}
	if err := r.verify(generation); err != nil {
		return fmt.Errorf("firewall applied, but the kernel holds something else: %w", err)
	}
	if err := a.forgetSources(r); err != nil {
		a.log.Warn("sources that are known keep the limits they had", "err", err)
	}
	if said := offloading.String(); said != a.offloading.String() {
		a.log.Info("flow offload", "state", said)
	}
	a.offloading = offloading
	a.log.Info("firewall applied", "generation", generation, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// replace puts the ruleset in place of what is held. On an error unchanged says
// that what was in force before is so still; otherwise nobody knows.
func (r Ruleset) replace(start map[string]Counter, held *heldTable) (generation string, unchanged bool, err error) {
	// A digest of the whole text, so once: a list may be long.
	generation = r.generation()
	if err = r.put(start, generation, held); err == nil {
		return generation, false, nil
	}
	// The kernel may have committed and only failed to say so.
	is, lookErr := heldGeneration()
	if lookErr != nil {
		return generation, false, errors.Join(err, lookErr)
	}
	if is != generation {
		return generation, true, err
	}
	return generation, false, nil
}

// put sends the ruleset: into the table in force, or in place of it.
func (r Ruleset) put(start map[string]Counter, generation string, held *heldTable) error {
	if held == nil {
		return send(r.steps(start, generation))
	}
	prepare, swap, undo := r.inPlace(start, generation, held)
	if len(prepare) == 0 || send(prepare) == nil {
		if send(swap) == nil {
			return nil
		}
		defer send(undo) // which fails, and rightly, if all is new by then
	}
	// Somebody else changed the table, or the rules are refused this way, too.
	return send(r.steps(start, generation))
}
