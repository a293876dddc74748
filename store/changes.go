package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
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
			rev.Document = Document{Version: DocumentVersion, System: System{Name: "gatehouse"}}
		} else if err != nil {
			return err
		}
		out = differences(rev.Document, draft)
		return nil
	})
	return out, err
}

func differences(old, new Document) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if old.System != new.System {
		say("The gateway is now called %s (was %s).", new.System.Name, old.System.Name)
	}
	out = append(out, listed("Interface", old.Interfaces, new.Interfaces, func(n Interface) string { return n.Name })...)
	out = append(out, listed("Route to", old.Routes, new.Routes, func(r Route) string { return r.Destination.String() })...)
	if old.Firewall.Masquerade != new.Firewall.Masquerade {
		if new.Firewall.Masquerade {
			say("The office now appears on the internet under the gateway's address.")
		} else {
			say("The office no longer appears under the gateway's address.")
		}
	}
	out = append(out, defaultChanges(old.Firewall.Defaults, new.Firewall.Defaults)...)
	out = append(out, listed("Rule", old.Firewall.Rules, new.Firewall.Rules, func(r Rule) string { return r.Name })...)
	return append(out, listed("Branch", old.Branches, new.Branches, func(b Branch) string { return b.Name })...)
}

// listed compares two lists of named objects. Their order counts too.
func listed[T any](what string, old, new []T, name func(T) string) []string {
	var out []string
	before := map[string]T{}
	for _, o := range old {
		before[name(o)] = o
	}
	after := map[string]bool{}
	for _, n := range new {
		after[name(n)] = true
		o, ok := before[name(n)]
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("%s %s was added.", what, name(n)))
		case !reflect.DeepEqual(o, n):
			out = append(out, fmt.Sprintf("%s %s was changed.", what, name(n)))
		}
	}
	for _, o := range old {
		if !after[name(o)] {
			out = append(out, fmt.Sprintf("%s %s was removed.", what, name(o)))
		}
	}
	if len(out) == 0 && !reflect.DeepEqual(namesOf(old, name), namesOf(new, name)) {
		out = append(out, fmt.Sprintf("The order changed: %s.", what))
	}
	return out
}

func namesOf[T any](all []T, name func(T) string) []string {
	var out []string
	for _, v := range all {
		out = append(out, name(v))
	}
	return out
}

func defaultChanges(old, new []ZoneDefault) []string {
	type pair struct{ from, to Zone }
	before, after := map[pair]Action{}, map[pair]Action{}
	for _, d := range old {
		before[pair{d.From, d.To}] = d.Action
	}
	var out []string
	for _, d := range new {
		p := pair{d.From, d.To}
		after[p] = d.Action
		if was, ok := before[p]; !ok || was != d.Action {
			if !ok {
				was = Drop
			}
			if was != d.Action {
				out = append(out, fmt.Sprintf("From %s to %s: %s (was %s).", d.From, d.To, d.Action, was))
			}
		}
	}
	for _, d := range old {
		if _, ok := after[pair{d.From, d.To}]; !ok && d.Action != Drop {
			out = append(out, fmt.Sprintf("From %s to %s: drop (was %s).", d.From, d.To, d.Action))
		}
	}
	return out
}
