package firewall

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/nftables"
)

// heldGeneration is the marker of the ruleset the kernel holds; empty without
// a table of ours.
func heldGeneration() (string, error) {
	c, err := dial(leastBuffer)
	if err != nil {
		return "", err
	}
	defer c.CloseLasting()
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return "", fmt.Errorf("list chains: %w", err)
	}
	for _, ch := range chains {
		if ch.Table.Name == tableName && strings.HasPrefix(ch.Name, generationPrefix) {
			return ch.Name, nil
		}
	}
	return "", nil
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
	c, err := dial(r.bufferFor(len(r.chains)))
	if err != nil {
		return err
	}
	defer c.CloseLasting()
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	var errs []error
	for _, ch := range r.chains {
		rules, err := c.GetRules(table, &nftables.Chain{Name: ch.name, Table: table})
		if err != nil {
			return fmt.Errorf("read chain %s: %w", ch.name, err)
		}
		if len(rules) != len(ch.rules) {
			errs = append(errs, fmt.Errorf("chain %s has %d rules instead of %d", ch.name, len(rules), len(ch.rules)))
		}
	}
	for _, s := range r.sets {
		if s.filled {
			continue // by packets, as they come
		}
		held, err := heldElements(s.name)
		if err != nil {
			return fmt.Errorf("read set %s: %w", s.name, err)
		}
		if want := s.kernelSize(); held != want {
			errs = append(errs, fmt.Errorf("set %s has %d keys instead of %d", s.name, held, want))
		}
	}
	return errors.Join(errs...)
}
