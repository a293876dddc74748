package firewall

import (
	"context"
	"fmt"
	"time"

	"github.com/google/nftables"
)

// NoLiveListError says that the table in force has no Live list of that ID.
type NoLiveListError struct{ List string }

func (e NoLiveListError) Error() string {
	return fmt.Sprintf("list %s: the firewall in force has no list of that name that can be refilled", e.List)
}

// liveSets are the sets of a list for both families, which a Live list always
// has.
func liveSets(id string, p pool) []set {
	return []set{
		{name: listName(id) + ipv4.digit(), key: keyIPv4(), spans: p.v4},
		{name: listName(id) + ipv6.digit(), key: keyIPv6(), spans: p.v6},
	}
}

func listName(id string) string { return "list_" + id + "_" }

// Refill replaces what is in a Live list by ranges, in the table in force, in
// one batch: at every moment the list is the old or the new one. It reads back
// how many elements the kernel holds. The next Apply puts in what its policy says.
// On an error the list is as it was unless the error says otherwise.
func (a *Applier) Refill(ctx context.Context, id string, ranges []Range) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("list %s not refilled: %w", id, err)
	}
	l := List{ID: id, Ranges: ranges}
	if err := l.validate(); err != nil {
		return fmt.Errorf("not refilled: %w", err)
	}
	began := time.Now()
	var steps []step
	r := Ruleset{sets: liveSets(id, listPool(ranges))}
	there, err := heldSets()
	if err != nil {
		return fmt.Errorf("list %s not refilled: %w", id, err)
	}
	for i, s := range r.sets {
		s.name = nameInKernel(s.name, there)
		r.sets[i] = s
		if _, ok := there[s.name]; !ok {
			return NoLiveListError{id}
		}
		steps = append(steps, s.refill()...)
	}
	if err := send(steps); err != nil {
		return fmt.Errorf("list %s not refilled: %w", id, err)
	}
	if err := r.verifySets(); err != nil {
		return fmt.Errorf("list %s refilled, but the kernel holds something else: %w", id, err)
	}
	a.log.Debug("list refilled", "list", id, "ranges", len(ranges), "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// refill empties a set that is there and fills it anew.
func (s set) refill() []step {
	k := s.kernel(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet})
	first := step{what: "set " + s.name, add: func(c *nftables.Conn) error {
		c.FlushSet(k)
		return nil
	}}
	return append([]step{first}, s.fill(k)...)
}
