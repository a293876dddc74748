package store

import (
	"fmt"
	"strings"
)

// facts are what a person compares of one object.
type facts struct {
	name, summary string
	all           []fact
}

// fact is one field in words. A hidden one says only that it changed; of
// entries, of which there may be very many, those that came and went.
type fact struct {
	label, value string
	hidden       bool
	entries      []AddressRange
}

// changedTo says how the same object is otherwise in another document.
func (f facts) changedTo(what string, new facts) []string {
	var out []string
	for i, n := range new.all {
		o := f.all[i]
		switch {
		case o.entries != nil || n.entries != nil:
			out = append(out, entryChanges(what+" "+f.name, o.entries, n.entries)...)
		case o.value == n.value:
		case n.hidden:
			out = append(out, fmt.Sprintf("%s %s: %s was changed.", what, f.name, n.label))
		default:
			out = append(out, fmt.Sprintf("%s %s: %s is now %s (was %s).", what, f.name, n.label, orNothing(n.value), orNothing(o.value)))
		}
	}
	return out
}

// namedEntries is how many entries a sentence names.
const namedEntries = 5

// entryChanges compares two lists of entries, both in order.
func entryChanges(what string, old, new []AddressRange) []string {
	var added, removed []string
	more, fewer := 0, 0
	note := func(list *[]string, n *int, r AddressRange) {
		if *n++; *n <= namedEntries {
			*list = append(*list, r.String())
		}
	}
	compareEntries(old, new, func(r AddressRange) { note(&added, &more, r) }, func(r AddressRange) { note(&removed, &fewer, r) })
	var out []string
	say := func(n int, names []string, verb string) {
		if n == 0 {
			return
		}
		rest := ""
		if n > len(names) {
			rest = fmt.Sprintf(" and %d more", n-len(names))
		}
		out = append(out, fmt.Sprintf("%s: %s (%s%s).", what, counted(n, "entry was "+verb, "entries were "+verb), strings.Join(names, ", "), rest))
	}
	say(more, added, "added")
	say(fewer, removed, "removed")
	return out
}

func orNothing(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}

func list[T fmt.Stringer](all []T) string {
	var out []string
	for _, v := range all {
		out = append(out, v.String())
	}
	return strings.Join(out, ", ")
}
