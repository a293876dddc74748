package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"time"
)

// Ban is a source on the internet that is or was refused.
type Ban struct {
	Source       netip.Prefix
	Reason       string
	Since, Until time.Time
	// Times is how often it was banned by itself.
	Times int
}

// rememberBans is how long a ban that is over makes the next one longer.
const rememberBans = 30 * 24 * time.Hour

// Bans are all that are remembered, also those that are over.
func (db *DB) Bans(ctx context.Context) ([]Ban, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT source, reason, since, until, times FROM bans ORDER BY source")
	if err != nil {
		return nil, fmt.Errorf("read bans: %w", err)
	}
	defer rows.Close()
	var out []Ban
	for rows.Next() {
		var b Ban
		var source string
		var since, until int64
		if err := rows.Scan(&source, &b.Reason, &since, &until, &b.Times); err != nil {
			return nil, fmt.Errorf("read bans: %w", err)
		}
		if b.Source, err = netip.ParsePrefix(source); err != nil {
			return nil, fmt.Errorf("read bans: %w", err)
		}
		b.Since, b.Until = fromMillis(since), fromMillis(until)
		out = append(out, b)
	}
	return out, rows.Err()
}

// PutBans writes bans in one transaction and forgets what is over for long.
func (db *DB) PutBans(ctx context.Context, changed []Ban, now time.Time) error {
	return db.writeAnyway(ctx, func(tx *sql.Tx) error {
		in := db.inserter(ctx, tx)
		for _, b := range changed {
			in.exec("INSERT OR REPLACE INTO bans (source, reason, since, until, times) VALUES (?, ?, ?, ?, ?)",
				b.Source.String(), b.Reason, millis(b.Since), millis(b.Until), b.Times)
		}
		in.exec("DELETE FROM bans WHERE until < ?", millis(now.Add(-rememberBans)))
		return in.err
	})
}
