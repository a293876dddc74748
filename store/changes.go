package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Changes says in sentences how the draft differs from the confirmed
// revision; empty if it does not.
func (db *DB) Changes(ctx context.Context) ([]string, error) {
	var out []string
	err := db.read(ctx, func(tx *sql.Tx) error {
		draft, version, err := db.readDraft(ctx, tx)
		if err != nil {
			return err
		}
		rev, err := db.readConfirmed(ctx, tx)
		if errors.Is(err, ErrNotFound) {
			rev.Document = Empty()
		} else if err != nil {
			return err
		}
		out = db.changes.between(rev, version, func() []string { return Differences(rev.Document, draft) })
		return nil
	})
	return out, err
}

// changesCache holds the sentences that every page counts.
type changesCache struct {
	mu                         sync.Mutex
	revision, renamed, version int64
	sentences                  []string
}

func (c *changesCache) between(rev Revision, version int64, compute func() []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.revision != rev.ID || c.renamed != rev.renamed || c.version != version {
		c.revision, c.renamed, c.version, c.sentences = rev.ID, rev.renamed, version, compute()
	}
	return slices.Clone(c.sentences)
}

// Empty is the document of a gateway that nobody has configured.
func Empty() Document {
	return Document{Version: DocumentVersion, System: System{Name: "gatehouse"}}
}

// Differences says in sentences what happens when new takes the place of old.
// It shows no secret, only that one changed.
func Differences(old, new Document) []string {
	var out []string
	for _, s := range sections {
		out = append(out, s.differences(old, new)...)
	}
	return out
}

// listed compares two lists of named objects: what was added, changed fact by
// fact, removed, or moved.
func listed[T any](what string, old, new []T, key func(*T) string, same func(a, b *T) bool, factsOf func(T) facts) []string {
	var out []string
	before := make(map[string]int, len(old))
	var oldNames, newNames []string
	for i := range old {
		name := key(&old[i])
		before[name] = i
		oldNames = append(oldNames, name)
	}
	after := make(map[string]bool, len(new))
	for i := range new {
		name := key(&new[i])
		after[name] = true
		newNames = append(newNames, name)
		if j, ok := before[name]; !ok {
			out = append(out, fmt.Sprintf("%s %s was added%s.", what, name, factsOf(new[i]).summary))
		} else if !same(&old[j], &new[i]) {
			out = append(out, factsOf(old[j]).changedTo(what, factsOf(new[i]))...)
		}
	}
	for _, name := range oldNames {
		if !after[name] {
			out = append(out, fmt.Sprintf("%s %s was removed.", what, name))
		}
	}
	return append(out, moved(what, common(oldNames, newNames), common(newNames, oldNames))...)
}

// moved says how the order of the same names changed: which one moved where,
// if it was one.
func moved(what string, old, new []string) []string {
	i := 0
	for i < len(old) && old[i] == new[i] {
		i++
	}
	if i == len(old) {
		return nil
	}
	for _, name := range []string{new[i], old[i]} {
		at := slices.Index(new, name)
		without := func(all []string) []string {
			return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == name })
		}
		switch {
		case !slices.Equal(without(old), without(new)):
		case at == 0:
			return []string{fmt.Sprintf("%s %s now comes first.", what, name)}
		default:
			return []string{fmt.Sprintf("%s %s now comes after %s.", what, name, new[at-1])}
		}
	}
	return []string{fmt.Sprintf("The order changed: %s.", what)}
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

// zoneWords are the zones that always exist, as an admin thinks of them.
var zoneWords = map[Zone]string{ZoneWAN: "the internet", ZoneLAN: "the office", ZoneVPN: "the branches", ZoneGateway: "this gateway"}

func zoneWord(z Zone) string {
	return cmp.Or(zoneWords[z], string(z))
}

// Words are how sentences call a zone: "the office", or its name.
func (z Zone) Words() string { return zoneWord(z) }

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
		from, to := sentenceCase(zoneWord(p.from)), zoneWord(p.to)
		switch {
		case is == Allow:
			out = append(out, fmt.Sprintf("%s may now reach %s.", from, to))
		case was == Allow:
			out = append(out, fmt.Sprintf("%s may no longer reach %s (%s).", from, to, is))
		default:
			out = append(out, fmt.Sprintf("What %s sends to %s is now answered with %s (was %s).", zoneWord(p.from), to, is, was))
		}
	}
	return out
}

func sentenceCase(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
