package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// Idle is how long nothing matched a rule: since it was hit last, or since it is
// as it is, if that is later. Zero if nobody knows.
func (c RuleCounter) Idle(now time.Time) time.Duration {
	last := c.Since
	if last.IsZero() {
		return 0
	}
	if c.Hit.After(last) {
		last = c.Hit
	}
	return max(0, now.Sub(last))
}

// ruleSince is one row of rule_since.
type ruleSince struct {
	since   time.Time
	content []byte
}

// NoteRules notes since when each rule and forward of a document is as it is,
// and forgets those that it does not have. It must be the confirmed one, for
// what is taken back must not begin anew.
func (db *DB) NoteRules(ctx context.Context, doc Document, now time.Time) error {
	old, err := db.rulesSince(ctx)
	if err != nil {
		return err
	}
	present, err := contents(doc)
	if err != nil {
		return err
	}
	var begun, gone []string
	for rule, content := range present {
		if was, ok := old[rule]; !ok || !bytes.Equal(was.content, content) {
			begun = append(begun, rule)
		}
	}
	for rule := range old {
		if _, ok := present[rule]; !ok {
			gone = append(gone, rule)
		}
	}
	if len(begun)+len(gone) == 0 {
		return nil
	}
	return db.writeAnyway(ctx, func(tx *sql.Tx) error {
		in := db.inserter(ctx, tx)
		for _, rule := range gone {
			in.exec("DELETE FROM rule_since WHERE rule = ?", rule)
		}
		for _, rule := range begun {
			in.exec("INSERT OR REPLACE INTO rule_since (rule, since, content) VALUES (?, ?, ?)", rule, millis(now), present[rule])
		}
		return in.err
	})
}

// contents are what rules and forwards match and do, by name and in short. A
// note or the wish for a log changes neither.
func contents(doc Document) (map[string][]byte, error) {
	out := map[string][]byte{}
	add := func(name string, v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("rule %s: %w", name, err)
		}
		sum := sha256.Sum256(text)
		out[name] = sum[:]
		return nil
	}
	for _, r := range doc.Firewall.Rules {
		r.Note, r.Log = "", false
		if err := add(r.Name, r); err != nil {
			return nil, err
		}
	}
	for _, f := range doc.Firewall.Forwards {
		f.Note, f.Log = "", false
		if err := add(f.Name, f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (db *DB) rulesSince(ctx context.Context) (map[string]ruleSince, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT rule, since, content FROM rule_since")
	if err != nil {
		return nil, fmt.Errorf("read the age of rules: %w", err)
	}
	defer rows.Close()
	out := map[string]ruleSince{}
	for rows.Next() {
		var rule string
		var since int64
		var r ruleSince
		if err := rows.Scan(&rule, &since, &r.content); err != nil {
			return nil, fmt.Errorf("read the age of rules: %w", err)
		}
		r.since = fromMillis(since)
		out[rule] = r
	}
	return out, rows.Err()
}
