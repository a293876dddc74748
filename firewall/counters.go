package firewall

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
)

// Counter is how much one rule decided since it exists: an admin's, by its
// ID, or one of the firewall's own ("spoof-lan", "wan-default", "leak").
// Packets of a connection after its first are not counted for an allow rule.
type Counter struct {
	Rule           string
	Packets, Bytes uint64
}

// Allows says whether packets counted under one of the firewall's own IDs were
// let in; all others of its own were refused.
func Allows(id string) bool {
	return id == idAdmin || id == idIKE || id == idDHCP || strings.HasPrefix(id, idAllowed)
}

// Counters reads them from the kernel, sorted by rule. Without a table of ours
// there are none and no error.
func (a *Applier) Counters(ctx context.Context) ([]Counter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return a.counters()
}

func (a *Applier) counters() ([]Counter, error) {
	held, err := heldGeneration()
	if err != nil || held == "" {
		return nil, err
	}
	c, err := dial(leastBuffer)
	if err != nil {
		return nil, err
	}
	defer c.CloseLasting()
	objects, err := c.GetNamedObjects(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet})
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	var out []Counter
	for _, o := range objects {
		name, packets, bytes, ok := isCounter(o)
		if id, ours := strings.CutPrefix(name, counterName("")); ok && ours {
			out = append(out, Counter{Rule: id, Packets: packets, Bytes: bytes})
		}
	}
	slices.SortFunc(out, func(a, b Counter) int { return cmp.Compare(a.Rule, b.Rule) })
	return out, nil
}
