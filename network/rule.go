package network

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// rulePriority is where our rules stand: behind the table of this host's own
// addresses and before the main table.
const rulePriority = 10300

// rules brings our routing rules (RouteProtocol) to want, in both families.
func (a *Applier) rules(h *netlink.Handle, want []Rule) error {
	var errs []error
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		held, err := whole(func() ([]netlink.Rule, error) { return h.RuleList(family) })
		if err != nil {
			errs = append(errs, fmt.Errorf("list routing rules: %w", err))
			continue
		}
		have, gone := map[Rule]netlink.Rule{}, []netlink.Rule(nil)
		for _, r := range held {
			switch {
			case r.Protocol != RouteProtocol:
			case r.Mask != nil && *r.Mask == MarkMask:
				have[Rule{r.Mark, r.Invert, r.Table}] = r
			default:
				gone = append(gone, r) // of an earlier release, which looked at the whole mark
			}
		}
		for _, r := range want {
			if _, ok := have[r]; ok {
				delete(have, r)
				continue
			}
			k := netlink.NewRule()
			mask := uint32(MarkMask)
			k.Mask = &mask
			k.Family, k.Mark, k.Table, k.Priority, k.Protocol = family, r.Mark, r.Table, rulePriority, RouteProtocol
			if r.Not {
				k.Invert, k.Priority = true, rulePriority+1
			}
			if err := h.RuleAdd(k); err != nil && !errors.Is(err, unix.EEXIST) {
				errs = append(errs, fmt.Errorf("routing rule of mark %d: %w", r.Mark, err))
				continue
			}
			a.log.Info("added routing rule", "mark", r.Mark, "table", r.Table)
		}
		for _, k := range append(gone, slices.Collect(maps.Values(have))...) {
			k.Family = family
			if err := h.RuleDel(&k); err != nil && !errors.Is(err, unix.ENOENT) {
				errs = append(errs, fmt.Errorf("remove the routing rule of mark %d: %w", k.Mark, err))
				continue
			}
			a.log.Info("removed routing rule", "mark", k.Mark, "table", k.Table)
		}
	}
	return errors.Join(errs...)
}
