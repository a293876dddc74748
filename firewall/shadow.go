package firewall

import "slices"

// Shadow is a rule that can never match.
type Shadow struct {
	Rule string
	// By are the rules before it that decide everything it is for; none: the
	// lists that it names are empty.
	By []string
}

// Bounds of the search: beyond them a rule counts as one that may match.
const (
	mostPieces  = 64  // what is left of a rule's packets may fall into
	mostCovers  = 512 // rules before that decide a part of it
	coverLength = 16  // rules that are named
)

// Shadowed finds the rules that can never match, because of rules before them or
// because their lists are empty. It finds most and is never wrong: of lists that
// change without an apply, of hours and of hardware addresses it takes nothing
// for granted.
func (p Policy) Shadowed() []Shadow {
	c := &compiler{policy: p, counted: map[string]bool{}, ends: map[string]bool{}}
	c.gather()
	if c.place() != nil {
		return nil // Compile says why
	}
	s := shadows{c: c, between: map[[2]string]*before{}, known: c.contents()}
	var out []Shadow
	for _, r := range p.Rules {
		if by, never := s.look(r); never {
			out = append(out, Shadow{r.ID, by})
		}
	}
	return out
}

// shadows is what is decided by the rules so far.
type shadows struct {
	c       *compiler
	known   lookUp
	between map[[2]string]*before // of both zones; "" is any
}

// before is what rules between two zones decide whole.
type before struct {
	index boxIndex
	rules []string // whose the boxes are
}

// look judges one rule and adds it to what is decided.
func (s *shadows) look(r Rule) (by []string, never bool) {
	lines, err := s.c.translate(r)
	if err != nil {
		return nil, false
	}
	never = true
	var whole []box
	for _, line := range lines {
		boxes, rest, exact := line.read(s.known)
		if _, decides := line.ending(rest); exact && decides {
			whole = append(whole, boxes...)
		}
		for i := range boxes {
			if !never {
				break
			}
			var rules []string
			rules, never = s.covers(r, boxes[i])
			for _, id := range rules {
				if !slices.Contains(by, id) {
					by = append(by, id)
				}
			}
		}
	}
	if never {
		return by[:min(len(by), coverLength)], true
	}
	zones := [2]string{r.From, r.To}
	b := s.between[zones]
	if b == nil {
		b = &before{}
		s.between[zones] = b
	}
	for _, one := range whole {
		b.index.add(one)
		b.rules = append(b.rules, r.ID)
	}
	return nil, false
}

// covers gives the rules that decide a box, if they decide all of it: one, if
// one does.
func (s *shadows) covers(r Rule, b box) (rules []string, all bool) {
	type cover struct {
		rule string
		box  box
	}
	var parts []cover
	zones := [][2]string{{r.From, r.To}, {r.From, ""}, {"", r.To}, {"", ""}}
	for i, z := range zones {
		decided := s.between[z]
		if decided == nil || slices.Contains(zones[:i], z) {
			continue
		}
		holder := ""
		decided.index.near(&b, func(n int, o *box) bool {
			switch {
			case o.holds(&b):
				holder = decided.rules[n]
			case !o.apart(&b) && len(parts) < mostCovers:
				parts = append(parts, cover{decided.rules[n], *o})
			}
			return holder == ""
		})
		if holder != "" {
			return []string{holder}, true
		}
	}
	left := []box{b}
	for _, part := range parts {
		var next []box
		used := false
		for i := range left {
			if left[i].apart(&part.box) {
				next = append(next, left[i])
				continue
			}
			pieces, ok := left[i].without(&part.box)
			if !ok {
				next = append(next, left[i])
				continue
			}
			used = true
			next = append(next, pieces...)
		}
		if used {
			rules = append(rules, part.rule)
		}
		if left = next; len(left) == 0 {
			return rules, true
		}
		if len(left) > mostPieces {
			return nil, false
		}
	}
	return nil, false
}
