package firewall

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// String is the ruleset in nft syntax; `nft -f` loads it as a whole and
// replaces the table. Sorted by the order of compilation, so that the same
// policy always gives the same text.
func (r Ruleset) String() string {
	body := r.body()
	return fmt.Sprintf("add table inet %[1]s\ndelete table inet %[1]s\ntable inet %[1]s {\n%[2]s\n\tchain %[3]s {\n\t}\n}\n",
		tableName, body, generationOf(body))
}

const generationPrefix = "generation_"

// generation is the name of an empty chain that tells which ruleset the
// kernel holds.
func (r Ruleset) generation() string { return generationOf(r.body()) }

func generationOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return generationPrefix + hex.EncodeToString(sum[:8])
}

func (r Ruleset) body() string {
	var parts []string
	var counters strings.Builder
	for _, id := range r.counters {
		fmt.Fprintf(&counters, "\tcounter %s {\n\t}\n", counterName(id))
	}
	if len(r.counters) > 0 {
		parts = append(parts, counters.String())
	}
	for _, s := range r.sets {
		parts = append(parts, s.text())
	}
	for _, c := range r.chains {
		parts = append(parts, c.text())
	}
	return strings.Join(parts, "\n")
}

func (s set) text() string {
	var b strings.Builder
	kind, types := "set", s.key.name
	if s.verdicts {
		kind, types = "map", types+" : verdict"
	}
	fmt.Fprintf(&b, "\t%s %s {\n\t\ttype %s\n", kind, s.name, types)
	if s.key.interval {
		b.WriteString("\t\tflags interval\n")
	}
	if len(s.elements) > 0 {
		b.WriteString("\t\telements = {\n")
		for _, e := range s.elements {
			b.WriteString("\t\t\t" + e.label)
			if s.verdicts {
				b.WriteString(" : " + e.verdict.text())
			}
			b.WriteString(",\n")
		}
		b.WriteString("\t\t}\n")
	}
	b.WriteString("\t}\n")
	return b.String()
}

func (c chain) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\tchain %s {\n", c.name)
	if h := c.hook; h != nil {
		policy := "accept"
		if h.drop {
			policy = "drop"
		}
		fmt.Fprintf(&b, "\t\ttype %s hook %s priority %s; policy %s;\n", h.kind, h.point, h.priority, policy)
	}
	for _, r := range c.rules {
		b.WriteString("\t\t" + r.text() + "\n")
	}
	b.WriteString("\t}\n")
	return b.String()
}

func (r rule) text() string {
	words := make([]string, 0, len(r.statements)+1)
	for _, s := range r.statements {
		words = append(words, s.text())
	}
	if r.comment != "" {
		words = append(words, fmt.Sprintf("comment %q", r.comment))
	}
	return strings.Join(words, " ")
}
