package firewall

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// heldGeneration is the marker of the ruleset the kernel holds; empty without
// a table of ours.
func heldGeneration() (string, error) {
	generation := ""
	err := heldChains(func(name string) {
		if strings.HasPrefix(name, generationPrefix) {
			generation = name
		}
	})
	return generation, err
}

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
	rules, err := heldRules()
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
	return errors.Join(append(errs, r.verifySets())...)
}

// verifySets compares how many elements the sets have.
func (r Ruleset) verifySets() error {
	var errs []error
	for _, s := range r.sets {
		if s.filled {
			continue // by packets, as they come
		}
		held, err := heldSet(s.name)
		if err != nil {
			return fmt.Errorf("read set %s: %w", s.name, err)
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
