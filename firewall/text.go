package firewall

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// String is the ruleset in nft syntax; `nft -f` loads it as a whole and
// replaces the table. Sorted by the order of compilation, so that the same
// policy always gives the same text.
func (r Ruleset) String() string {
	var b strings.Builder
	r.write(&b, nil)
	return b.String()
}

// Differing is both rulesets as text, for a comparison by a person: a long set
// that is the same in both is only named.
func Differing(old, new Ruleset) (oldText, newText string) {
	sets := map[string]set{}
	for _, s := range old.sets {
		sets[s.name] = s
	}
	same := map[string]bool{}
	for _, s := range new.sets {
		if len(s.spans) > longSet && slices.Equal(s.spans, sets[s.name].spans) {
			same[s.name] = true
		}
	}
	var a, b strings.Builder
	old.write(&a, same)
	new.write(&b, same)
	return a.String(), b.String()
}

// longSet is how many addresses of an unchanged set nobody wants to read.
const longSet = 100

// write writes the text, without the elements of some sets.
func (r Ruleset) write(w io.Writer, unsaid map[string]bool) {
	if r.weekly {
		io.WriteString(w, "# Hours are UTC: load with TZ=UTC.\n")
	}
	fmt.Fprintf(w, "add table inet %[1]s\ndelete table inet %[1]s\ntable inet %[1]s {\n", tableName)
	generation := ""
	if len(unsaid) == 0 { // the same text, so once
		sum := newDigest()
		r.body(io.MultiWriter(w, sum), nil)
		generation = sum.generation()
	} else {
		r.body(w, unsaid)
		generation = r.generation()
	}
	fmt.Fprintf(w, "\n\tchain %s {\n\t}\n}\n", generation)
	if r.dynamic != nil {
		r.dynamic.writeDynamic(w)
	}
}

const generationPrefix = "generation_"

// generation is the name of an empty chain that tells which ruleset the
// kernel holds.
func (r Ruleset) generation() string {
	sum := newDigest()
	r.body(sum, nil)
	return sum.generation()
}

// digest is of text that comes in many small pieces.
type digest struct {
	*bufio.Writer
	sum hash.Hash
}

func newDigest() digest {
	sum := sha256.New()
	return digest{bufio.NewWriterSize(sum, 64<<10), sum}
}

func (d digest) generation() string {
	d.Flush()
	return generationPrefix + hex.EncodeToString(d.sum.Sum(nil)[:8])
}

// body writes all objects with empty lines between them.
func (r Ruleset) body(w io.Writer, unsaid map[string]bool) {
	empty := true
	between := func() {
		if !empty {
			io.WriteString(w, "\n")
		}
		empty = false
	}
	if len(r.counters) > 0 {
		between()
	}
	for _, id := range r.counters {
		io.WriteString(w, "\tcounter "+counterName(id)+" {\n\t}\n")
	}
	for _, s := range r.sets {
		between()
		s.write(w, unsaid[s.name])
	}
	if r.flows != nil {
		between()
		r.flows.write(w)
	}
	for _, c := range r.chains {
		between()
		c.write(w)
	}
}

func (s set) write(w io.Writer, unsaid bool) {
	kind, types := "set", s.key.name
	if s.verdicts {
		kind, types = "map", types+" : verdict"
	}
	if s.values != "" {
		kind, types = "map", types+" : "+s.values
	}
	fmt.Fprintf(w, "\t%s %s {\n\t\ttype %s\n", kind, s.name, types)
	if s.key.interval {
		io.WriteString(w, "\t\tflags interval\n")
	}
	if s.timed {
		flags := "timeout"
		if s.key.interval {
			flags = "interval,timeout"
		}
		fmt.Fprintf(w, "\t\tsize %d\n\t\tflags %s\n\t\tcounter\n\t}\n", maxBans, flags)
		return
	}
	if s.filled {
		fmt.Fprintf(w, "\t\tsize %d\n", mostSources)
	}
	if s.filled && s.forget > 0 {
		fmt.Fprintf(w, "\t\tflags dynamic,timeout\n\t\ttimeout %ds\n", s.forget/time.Second)
	} else if s.filled {
		io.WriteString(w, "\t\tflags dynamic\n")
	}
	switch {
	case unsaid:
		fmt.Fprintf(w, "\t\t# %d elements\n", s.size())
	case s.size() > 0:
		io.WriteString(w, "\t\telements = {\n")
		for e := range s.part(0, s.size()) {
			line := "\t\t\t" + e.label
			if s.verdicts {
				line += " : " + e.verdict.text()
			}
			if s.values != "" {
				line += " : " + e.valueLabel
			}
			io.WriteString(w, line+",\n")
		}
		io.WriteString(w, "\t\t}\n")
	}
	io.WriteString(w, "\t}\n")
}

func (c chain) write(w io.Writer) {
	io.WriteString(w, "\tchain "+c.name+" {\n")
	if h := c.hook; h != nil {
		policy := "accept"
		if h.drop {
			policy = "drop"
		}
		fmt.Fprintf(w, "\t\ttype %s hook %s priority %s; policy %s;\n", h.kind, h.point, h.priority, policy)
	}
	for _, r := range c.rules {
		io.WriteString(w, "\t\t"+r.text()+"\n")
	}
	io.WriteString(w, "\t}\n")
}

func (r rule) text() string {
	words := make([]string, 0, len(r.statements)+1)
	for _, s := range r.statements {
		words = append(words, s.text())
	}
	if r.comment != "" {
		words = append(words, "comment "+strconv.Quote(r.comment))
	}
	return strings.Join(words, " ")
}
