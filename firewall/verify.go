package firewall

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// verify compares what the kernel holds with the ruleset: the marker, every
// chain with its number of rules, every set with its number of elements.
// Rules are counted and not compared, because the library drops expressions
// that it does not know when it reads.
func (r Ruleset) verify(generation string) error {
	held, err := heldGeneration()
	if err != nil {
		return err
	}
	if held != generation {
		return fmt.Errorf("generation %q instead of %q", held, generation)
	}
	errs := []error{r.verifyRules(tableName), r.verifySets()}
	if there, err := heldSets(); err == nil && len(there) != len(r.sets) {
		errs = append(errs, fmt.Errorf("there are %d sets instead of %d", len(there), len(r.sets)))
	}
	if r.dynamic != nil {
		errs = append(errs, r.dynamic.verifyRules(dynamicTable), r.dynamic.verifySmallSets(dynamicTable))
	}
	return errors.Join(errs...)
}

// verifyRules compares the numbers of rules in each chain of a table.
func (r Ruleset) verifyRules(table string) error {
	rules, err := heldRules(table)
	if err != nil {
		return err
	}
	var errs []error
	for _, ch := range r.chains {
		if n := rules[ch.name]; n != len(ch.rules) {
			errs = append(errs, fmt.Errorf("chain %s has %d rules instead of %d", ch.name, n, len(ch.rules)))
		}
		delete(rules, ch.name)
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		errs = append(errs, fmt.Errorf("chain %s has %d rules and should not be there", name, rules[name]))
	}
	return errors.Join(errs...)
}

// verifySets compares how many elements the sets have.
func (r Ruleset) verifySets() error {
	there, err := heldSets()
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range r.sets {
		if s.filled {
			continue // by packets, as they come
		}
		s.name = nameInKernel(s.name, there)
		held, ok := there[s.name]
		if !ok {
			errs = append(errs, fmt.Errorf("set %s is not there", s.name))
			continue
		}
		missing, err := s.missingFrom(held)
		if err != nil {
			return fmt.Errorf("read set %s: %w", s.name, err)
		}
		if missing != "" {
			errs = append(errs, errors.New(missing))
		}
	}
	return errors.Join(errs...)
}

// verifySmallSets is verifySets for sets of which each element can be read.
func (r Ruleset) verifySmallSets(table string) error {
	var errs []error
	for _, s := range r.sets {
		if s.keeps() {
			continue // by packets and bans, as they come
		}
		held, err := heldIn(table, s.name)
		if err != nil {
			return fmt.Errorf("read set %s of %s: %w", s.name, table, err)
		}
		if want := s.kernelSize(); held != want {
			errs = append(errs, fmt.Errorf("set %s of %s has %d keys instead of %d", s.name, table, held, want))
		}
	}
	return errors.Join(errs...)
}
