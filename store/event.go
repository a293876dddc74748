package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Event is something that a person may want to read later. It never holds a
// secret.
type Event struct {
	ID   int64
	Time time.Time
	// Severity is info, warn or error.
	Severity string
	// Kind is tunnel, apply, login, firewall or system.
	Kind string
	// Subject is what it is about: a branch, an admin; may be empty.
	Subject string
	Message string
}

// keepEvents bounds the table.
const keepEvents = 10_000

// AppendEvents adds events in one transaction; the oldest go when there are
// too many.
func (db *DB) AppendEvents(ctx context.Context, all ...Event) error {
	return db.writeAnyway(ctx, func(tx *sql.Tx) error {
		var id int64
		for _, e := range all {
			res, err := tx.ExecContext(ctx, "INSERT INTO events (time, severity, kind, subject, message) VALUES (?, ?, ?, ?, ?)",
				millis(e.Time), e.Severity, e.Kind, e.Subject, e.Message)
			if err != nil {
				return fmt.Errorf("store an event: %w", err)
			}
			if id, err = res.LastInsertId(); err != nil {
				return fmt.Errorf("store an event: %w", err)
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM events WHERE id <= ?", id-keepEvents); err != nil {
			return fmt.Errorf("drop old events: %w", err)
		}
		return nil
	})
}

// Events lists the newest first. They are written together, so their numbers
// do not tell which was first.
func (db *DB) Events(ctx context.Context, limit int) ([]Event, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT id, time, severity, kind, subject, message FROM events ORDER BY time DESC, id DESC LIMIT ?", limit)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	defer rows.Close()
	var out []Event
	for rows.Next() {
		var e Event
		var at int64
		if err := rows.Scan(&e.ID, &at, &e.Severity, &e.Kind, &e.Subject, &e.Message); err != nil {
			return nil, fmt.Errorf("list events: %w", err)
		}
		e.Time = fromMillis(at)
		out = append(out, e)
	}
	return out, rows.Err()
}
