package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Admin is an account of the page.
type Admin struct {
	Name string
	// Hash is an argon2id hash in PHC form.
	Hash string
	// OneTime says that the password is good for one login, which must set a
	// new one.
	OneTime bool
	Changed time.Time
}

// Admin reads one account; ErrNotFound if there is none of that name.
func (db *DB) Admin(ctx context.Context, name string) (Admin, error) {
	var a Admin
	var changed int64
	err := db.reader.QueryRowContext(ctx, "SELECT name, hash, one_time, changed FROM admins WHERE name = ?", name).
		Scan(&a.Name, &a.Hash, &a.OneTime, &changed)
	if errors.Is(err, sql.ErrNoRows) {
		return a, fmt.Errorf("admin: %w", ErrNotFound)
	}
	a.Changed = fromMillis(changed)
	return a, err
}

// Admins lists all accounts by name.
func (db *DB) Admins(ctx context.Context) ([]Admin, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT name, hash, one_time, changed FROM admins ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list admins: %w", err)
	}
	defer rows.Close()
	var out []Admin
	for rows.Next() {
		var a Admin
		var changed int64
		if err := rows.Scan(&a.Name, &a.Hash, &a.OneTime, &changed); err != nil {
			return nil, fmt.Errorf("list admins: %w", err)
		}
		a.Changed = fromMillis(changed)
		out = append(out, a)
	}
	return out, rows.Err()
}

// PutAdmin adds or replaces an account.
func (db *DB) PutAdmin(ctx context.Context, a Admin) error {
	if !namePattern.MatchString(a.Name) || a.Hash == "" {
		return fmt.Errorf("admin %q: needs a name of lower case letters and digits, and a password", a.Name)
	}
	return db.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO admins (name, hash, one_time, changed) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, one_time = excluded.one_time, changed = excluded.changed`,
			a.Name, a.Hash, a.OneTime, millis(a.Changed))
		if err != nil {
			return fmt.Errorf("admin %s: %w", a.Name, err)
		}
		kind := "a new password"
		if a.OneTime {
			kind = "a password for one login"
		}
		return db.audit(ctx, tx, "password", fmt.Sprintf("Account %s has %s.", a.Name, kind))
	})
}
