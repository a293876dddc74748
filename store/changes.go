package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// Changes says in sentences how the draft differs from the confirmed
// revision; empty if it does not.
func (db *DB) Changes(ctx context.Context) ([]string, error) {
	var out []string
	err := db.read(ctx, func(tx *sql.Tx) error {
		draft, err := db.readDraft(ctx, tx)
		if err != nil {
			return err
		}
		rev, err := db.readConfirmed(ctx, tx)
		if errors.Is(err, ErrNotFound) {
			rev.Document = Empty()
		} else if err != nil {
			return err
		}
		out = Differences(rev.Document, draft)
		return nil
	})
	return out, err
}

// Empty is the document of a gateway that nobody has configured.
func Empty() Document {
	return Document{Version: DocumentVersion, System: System{Name: "gatehouse"}}
}

// Differences says in sentences what happens when new takes the place of old.
// It shows no secret, only that one changed.
func Differences(old, new Document) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if old.System != new.System {
		say("The gateway is now called %s (was %s).", new.System.Name, old.System.Name)
	}
	out = append(out, listed("Interface", old.Interfaces, new.Interfaces, Interface.facts)...)
	out = append(out, listed("Route to", old.Routes, new.Routes, Route.facts)...)
	if old.Firewall.Masquerade != new.Firewall.Masquerade {
		if new.Firewall.Masquerade {
			say("The office now appears on the internet under the gateway's address.")
		} else {
			say("The office no longer appears under the gateway's address.")
		}
	}
	out = append(out, defaultChanges(old.Firewall.Defaults, new.Firewall.Defaults)...)
	out = append(out, listed("Rule", old.Firewall.Rules, new.Firewall.Rules, Rule.facts)...)
	return append(out, listed("Branch", old.Branches, new.Branches, Branch.facts)...)
}

// BranchDifferences says how one branch changed.
func BranchDifferences(old, new Branch) []string {
	o, n := old.facts(), new.facts()
	out := o.changedTo("Branch", n)
	if o.name != n.name {
		out = append(out, fmt.Sprintf("Branch %s is now called %s.", o.name, n.name))
	}
	return out
}

// listed compares two lists of named objects: what was added, changed fact by
// fact, removed, or moved.
func listed[T any](what string, old, new []T, factsOf func(T) facts) []string {
	var out []string
	before := map[string]facts{}
	var oldNames, newNames []string
	for _, o := range old {
		f := factsOf(o)
		before[f.name] = f
		oldNames = append(oldNames, f.name)
	}
	for _, n := range new {
		f := factsOf(n)
		newNames = append(newNames, f.name)
		if was, ok := before[f.name]; ok {
			out = append(out, was.changedTo(what, f)...)
		} else {
			out = append(out, fmt.Sprintf("%s %s was added%s.", what, f.name, f.summary))
		}
	}
	for _, name := range oldNames {
		if !slices.Contains(newNames, name) {
			out = append(out, fmt.Sprintf("%s %s was removed.", what, name))
		}
	}
	if !slices.Equal(common(oldNames, newNames), common(newNames, oldNames)) {
		out = append(out, fmt.Sprintf("The order changed: %s.", what))
	}
	return out
}

// common are those of a that are in b too, in the order of a.
func common(a, b []string) (out []string) {
	in := map[string]bool{}
	for _, s := range b {
		in[s] = true
	}
	for _, s := range a {
		if in[s] {
			out = append(out, s)
		}
	}
	return out
}

// zoneWords are the zones as an admin thinks of them.
var zoneWords = map[Zone]string{ZoneWAN: "the internet", ZoneLAN: "the office", ZoneVPN: "the branches", ZoneGateway: "this gateway"}

func defaultChanges(old, new []ZoneDefault) []string {
	type pair struct{ from, to Zone }
	read := func(all []ZoneDefault) (map[pair]Action, []pair) {
		actions, order := map[pair]Action{}, []pair{}
		for _, d := range all {
			p := pair{d.From, d.To}
			actions[p], order = d.Action, append(order, p)
		}
		return actions, order
	}
	before, oldPairs := read(old)
	after, newPairs := read(new)
	// What nobody names is dropped.
	action := func(m map[pair]Action, p pair) Action {
		if a, ok := m[p]; ok {
			return a
		}
		return Drop
	}
	var out []string
	seen := map[pair]bool{}
	for _, p := range append(newPairs, oldPairs...) {
		was, is := action(before, p), action(after, p)
		if seen[p] || was == is {
			continue
		}
		seen[p] = true
		from, to := sentenceCase(zoneWords[p.from]), zoneWords[p.to]
		switch {
		case is == Allow:
			out = append(out, fmt.Sprintf("%s may now reach %s.", from, to))
		case was == Allow:
			out = append(out, fmt.Sprintf("%s may no longer reach %s (%s).", from, to, is))
		default:
			out = append(out, fmt.Sprintf("What %s sends to %s is now answered with %s (was %s).", zoneWords[p.from], to, is, was))
		}
	}
	return out
}

func sentenceCase(s string) string {
	if s == "" {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
