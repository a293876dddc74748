package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Invite lets a user fetch a profile once, within a time.
type Invite struct {
	ID               int64
	User             string
	Created, Expires time.Time
	Used             time.Time // zero: not yet
}

// maxInvite is the longest time an invite may be open.
const maxInvite = 7 * 24 * time.Hour

// AddInvite opens an invite and gives the text of its link, which is not kept.
// It acts at once.
func (db *DB) AddInvite(ctx context.Context, user string, open time.Duration, now time.Time) (string, error) {
	if open <= 0 || open > maxInvite {
		return "", ValidationError{{Field: "open", Code: "range", Message: fmt.Sprintf("must be at most %d hours", int(maxInvite.Hours()))}}
	}
	text, hash := newSecret()
	err := db.write(ctx, func(tx *sql.Tx) error {
		if _, err := userKind.readStored(ctx, db, tx, user); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO invites (user, token, created, expires, used) VALUES (?, ?, ?, ?, 0)",
			user, hash, millis(now), millis(now.Add(open)))
		if err != nil {
			return fmt.Errorf("invite of %s: %w", user, err)
		}
		return db.audit(ctx, tx, "edit", fmt.Sprintf("User %s was invited, until %s.", user, now.Add(open).UTC().Format(time.DateTime)))
	})
	return text, err
}

// Invites lists the newest first, also those that were used or are over.
func (db *DB) Invites(ctx context.Context, limit int) ([]Invite, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT id, user, created, expires, used FROM invites ORDER BY id DESC LIMIT ?", limit)
	if err != nil {
		return nil, fmt.Errorf("list invites: %w", err)
	}
	defer rows.Close()
	var out []Invite
	for rows.Next() {
		var i Invite
		var created, expires, used int64
		if err := rows.Scan(&i.ID, &i.User, &created, &expires, &used); err != nil {
			return nil, fmt.Errorf("list invites: %w", err)
		}
		i.Created, i.Expires = fromMillis(created), fromMillis(expires)
		if used != 0 {
			i.Used = fromMillis(used)
		}
		out = append(out, i)
	}
	return out, rows.Err()
}

// RevokeInvite ends an invite at once.
func (db *DB) RevokeInvite(ctx context.Context, id int64) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		var user string
		err := tx.QueryRowContext(ctx, "DELETE FROM invites WHERE id = ? RETURNING user", id).Scan(&user)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("invite %d: %w", id, ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("revoke invite %d: %w", id, err)
		}
		return db.audit(ctx, tx, "edit", fmt.Sprintf("An invite of user %s was revoked.", user))
	})
}
