package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// SACounter is what must be known of a ManualSA's keys after a restart.
type SACounter struct {
	// Keys is a digest of them, SA the name they had last.
	Keys, SA string
	Since    time.Time
	// Sequence is how far it may have counted.
	Sequence       uint64
	Packets, Bytes uint64
	Ended          bool
}

// PutSACounters writes them in one transaction. Those of SAs that are gone stay:
// a revision that has their keys may come back.
func (db *DB) PutSACounters(ctx context.Context, all []SACounter) error {
	return db.writeAnyway(ctx, func(tx *sql.Tx) error {
		in := db.inserter(ctx, tx)
		for _, c := range all {
			in.exec("INSERT OR REPLACE INTO sa_counters (keys, sa, since, sequence, packets, bytes, ended) VALUES (?, ?, ?, ?, ?, ?, ?)",
				c.Keys, c.SA, millis(c.Since), int64(c.Sequence), int64(c.Packets), int64(c.Bytes), c.Ended)
		}
		return in.err
	})
}

// SACounters reads all.
func (db *DB) SACounters(ctx context.Context) ([]SACounter, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT keys, sa, since, sequence, packets, bytes, ended FROM sa_counters ORDER BY keys")
	if err != nil {
		return nil, fmt.Errorf("read the counters of SAs: %w", err)
	}
	defer rows.Close()
	var out []SACounter
	for rows.Next() {
		var c SACounter
		var since, sequence, packets, bytes int64
		if err := rows.Scan(&c.Keys, &c.SA, &since, &sequence, &packets, &bytes, &c.Ended); err != nil {
			return nil, fmt.Errorf("read the counters of SAs: %w", err)
		}
		c.Since, c.Sequence, c.Packets, c.Bytes = fromMillis(since), uint64(sequence), uint64(packets), uint64(bytes)
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the counters of SAs: %w", err)
	}
	return out, nil
}
