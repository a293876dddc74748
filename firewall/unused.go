package firewall

import (
	"slices"
	"strings"
)

// dropUnused removes the sets of rules and lists whose rules all became
// elements of maps. Those of live lists are always there.
func (r *Ruleset) dropUnused(live map[string]bool) {
	used := map[string]bool{}
	for _, c := range r.chains {
		for _, line := range c.rules {
			for _, s := range line.statements {
				for _, name := range setsOf(s) {
					used[name] = true
				}
			}
		}
	}
	r.sets = slices.DeleteFunc(r.sets, func(s set) bool {
		if id, ok := strings.CutPrefix(s.name, "list_"); ok && live[id[:strings.LastIndexByte(id, '_')]] {
			return false
		}
		ofRules := strings.HasPrefix(s.name, "rule_") || strings.HasPrefix(s.name, "list_")
		return ofRules && !used[s.name]
	})
}

// setsOf are the sets that a statement names. The many that name none, and the
// few kinds that are in nearly every rule, are told apart without their text.
func setsOf(s statement) []string {
	switch m := s.(type) {
	case addressIn:
		return []string{m.set}
	case portIn:
		return []string{m.set}
	case count, verdict, family, address, transport, port, report, byKey:
		return nil
	}
	var out []string
	for _, word := range strings.Fields(s.text()) {
		if name, ok := strings.CutPrefix(word, "@"); ok {
			out = append(out, name)
		}
	}
	return out
}
