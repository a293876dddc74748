package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// RuleCounter is how much a rule of the firewall decided so far.
type RuleCounter struct {
	Rule           string
	Packets, Bytes uint64
	// Hit is about when the last packet was counted; zero if none was.
	Hit time.Time
	// Since is when the rule came into force as it is; zero if nobody knows, or
	// for the firewall's own.
	Since time.Time
}

// keepCounters is how long the counter of a rule stays that counts nothing,
// because it is not there or nothing matches it.
const keepCounters = 400 * 24 * time.Hour

// PutRuleCounters writes those that count more than before, in one transaction.
// It says how many it wrote.
func (db *DB) PutRuleCounters(ctx context.Context, all []RuleCounter, now time.Time) (int, error) {
	old, err := db.RuleCounters(ctx)
	if err != nil {
		return 0, err
	}
	var changed []RuleCounter
	for _, c := range all {
		if was, ok := old[c.Rule]; !ok && c.Packets > 0 || ok && was.Packets != c.Packets {
			changed = append(changed, c)
		}
	}
	if len(changed) == 0 {
		return 0, nil
	}
	return len(changed), db.writeAnyway(ctx, func(tx *sql.Tx) error {
		in := db.inserter(ctx, tx)
		for _, c := range changed {
			in.exec("INSERT OR REPLACE INTO rule_counters (rule, packets, bytes, hit) VALUES (?, ?, ?, ?)",
				c.Rule, int64(c.Packets), int64(c.Bytes), millis(now))
		}
		in.exec("DELETE FROM rule_counters WHERE hit < ?", millis(now.Add(-keepCounters)))
		return in.err
	})
}

// RuleCounters reads all, by rule; also those rules that counted nothing yet.
func (db *DB) RuleCounters(ctx context.Context) (map[string]RuleCounter, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT rule, packets, bytes, hit FROM rule_counters")
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	defer rows.Close()
	out := map[string]RuleCounter{}
	for rows.Next() {
		var c RuleCounter
		var packets, bytes, hit int64
		if err := rows.Scan(&c.Rule, &packets, &bytes, &hit); err != nil {
			return nil, fmt.Errorf("read counters: %w", err)
		}
		c.Packets, c.Bytes, c.Hit = uint64(packets), uint64(bytes), fromMillis(hit)
		out[c.Rule] = c
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	since, err := db.rulesSince(ctx)
	if err != nil {
		return nil, err
	}
	for rule, s := range since {
		c := out[rule]
		c.Rule, c.Since = rule, s.since
		out[rule] = c
	}
	return out, nil
}
