package firewall

import (
	"bytes"
	"slices"
)

// Bounds of grouping.
const (
	// leastRun is how many rules are worth a map: fewer are as fast one by one.
	leastRun = 4
	// mostElements is what one rule may become in a map.
	mostElements = 64
	// mostSingles is how many single keys stand in place of a range, so that a
	// rule with two neighbouring ports joins those with one.
	mostSingles = 16
	// lookBack is how many runs a rule may go back to join one.
	lookBack = 32
)

// run is rules that one look-up decides, as long as there is only one rule of
// them for each packet. A rule that no map can hold is a run of its own.
type run struct {
	shape shape
	keyed bool
	// narrowed: a line here went before a rule that decides some of what it
	// matches, so that it may stand here as elements without these only.
	narrowed bool
	lines    []rule
	index    boxIndex
	// to is what becomes of the packets of each box.
	to []ending
}

// ending is what a rule does with the packets it matches: a verdict, or count
// under an ID and accept.
type ending struct {
	to verdict
	id string
}

func (r rule) ending(rest []statement) (e ending, ok bool) {
	switch len(rest) {
	case 1:
		e.to, ok = rest[0].(verdict)
	case 2:
		n, counts := rest[0].(count)
		v, decides := rest[1].(verdict)
		e, ok = ending{v, n.id}, counts && decides && v == accept
	}
	return e, ok
}

// group makes look-ups in verdict maps of the rules of a chain. What a packet
// meets first stays first: a rule joins rules before it only when no packet
// that it matches is matched by any rule that it passes on the way.
func (c *compiler) group(chain string, rules []rule) []rule {
	if c.linear || len(rules) < leastRun {
		return rules
	}
	var runs []*run
	if c.inSets == nil {
		c.inSets = c.contents()
	}
	for _, line := range rules {
		runs = addLine(runs, line, c.inSets)
	}
	var out []rule
	maps := 0
	for _, r := range runs {
		if !r.keyed || len(r.lines) < leastRun && !r.narrowed {
			out = append(out, r.lines...)
			continue
		}
		maps++
		s := set{name: mapName(chain, maps), key: r.shape.key(), verdicts: true, elements: make([]element, 0, len(r.to))}
		for i, e := range r.to {
			to := e.to
			if e.id != "" {
				to = c.pass(e.id)
			}
			s.elements = append(s.elements, r.shape.element(&r.index.boxes[i], to))
		}
		if s.key.interval && !s.key.concatenated() {
			slices.SortFunc(s.elements, func(a, b element) int { return bytes.Compare(a.key, b.key) })
		}
		out = append(out, when(byKey{r.shape, c.out.addSet(s)}))
	}
	return out
}

// addLine puts a rule into the run that it may join, or into one of its own.
func addLine(runs []*run, line rule, known lookUp) []*run {
	boxes, rest, exact := line.read(known)
	to, decides := line.ending(rest)
	boxes, what := shapeOf(boxes)
	keyed := exact && decides && what.keyable()
	first := max(0, len(runs)-lookBack)
	var decided []box // by earlier rules
	if keyed {
		// They need no elements; a map would not take a key twice.
		boxes = slices.DeleteFunc(boxes, func(b box) bool {
			held := slices.ContainsFunc(runs[first:], func(r *run) bool { return r.keyed && r.index.holder(&b) })
			if held {
				decided = append(decided, b)
			}
			return held
		})
		if len(boxes) == 0 {
			return runs
		}
	}
	for i := len(runs) - 1; i >= first; i-- {
		r := runs[i]
		same := keyed && r.keyed && r.shape == what
		if r.meetsAny(boxes) {
			// What is left of ranges beside those of earlier rules is ranges.
			rest, ok := r.index.rest(boxes)
			if !same || !ok {
				break
			}
			if boxes = rest; len(boxes) == 0 {
				return runs
			}
		}
		if same {
			r.add(line, boxes, to)
			r.narrowed = r.narrowed || slices.ContainsFunc(runs[i+1:], func(r *run) bool { return r.meetsAny(decided) })
			return runs
		}
	}
	r := &run{shape: what, keyed: keyed}
	r.add(line, boxes, to)
	return append(runs, r)
}

func (r *run) meetsAny(boxes []box) bool {
	return slices.ContainsFunc(boxes, func(b box) bool { return r.index.meets(&b) })
}

func (r *run) add(line rule, boxes []box, to ending) {
	r.lines = append(r.lines, line)
	for _, b := range boxes {
		r.index.add(b)
		r.to = append(r.to, to)
	}
}

// shapeOf is the shape that boxes of one rule have in common. Small ranges
// become single keys.
func shapeOf(boxes []box) ([]box, shape) {
	if len(boxes) == 0 {
		return nil, shape{}
	}
	s := shape{has: boxes[0].has, family: boxes[0].family}
	ranges := slices.ContainsFunc(boxes, func(b box) bool { return !b.exact() })
	if !ranges {
		return boxes, s
	}
	var single []box
	for i := range boxes {
		var ok bool
		if single, ok = boxes[i].singles(single, mostSingles); !ok {
			s.ranges = true
			return boxes, s
		}
	}
	return single, s
}

// contents finds the sets whose elements do not change without an apply.
func (c *compiler) contents() lookUp {
	live := map[string]bool{}
	for id := range c.live {
		live[listName(id)+ipv4.digit()], live[listName(id)+ipv6.digit()] = c.live[id], c.live[id]
	}
	byName, have := map[string]int{}, 0
	return func(name string) (*set, bool) {
		for ; have < len(c.out.sets); have++ { // others have come since
			byName[c.out.sets[have].name] = have
		}
		i, ok := byName[name]
		if !ok || live[name] || c.out.sets[i].filled {
			return nil, false
		}
		return &c.out.sets[i], true
	}
}
