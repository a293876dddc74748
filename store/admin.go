package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Role is what an account may do on the page and by the API.
type Role string

// The roles; each may do what those below it may.
const (
	RoleOwner    Role = "owner"    // accounts too
	RoleAdmin    Role = "admin"    // changes
	RoleOperator Role = "operator" // reconnect, and enrol devices
	RoleViewer   Role = "viewer"   // look
)

// Roles are all of them, the mightiest first.
func Roles() []Role { return []Role{RoleOwner, RoleAdmin, RoleOperator, RoleViewer} }

// May says whether the role includes another one. A role that does not exist
// includes none.
func (r Role) May(other Role) bool {
	mine := slices.Index(Roles(), r)
	return mine >= 0 && mine <= slices.Index(Roles(), other)
}

// Admin is an account of the page.
type Admin struct {
	Name string
	Role Role
	// Hash is an argon2id hash in PHC form.
	Hash string
	// OneTime says that the password is good for one login, which must set a
	// new one.
	OneTime bool
	Changed time.Time
}

// ErrLastOwner refuses to leave the gateway without an owner.
var ErrLastOwner = errors.New("this is the last owner: make another account an owner first")

// Admin reads one account; ErrNotFound if there is none of that name.
func (db *DB) Admin(ctx context.Context, name string) (Admin, error) {
	all, err := db.admins(ctx, "WHERE name = ?", name)
	if err != nil {
		return Admin{}, err
	}
	if len(all) == 0 {
		return Admin{}, fmt.Errorf("account %s: %w", name, ErrNotFound)
	}
	return all[0], nil
}

// Admins lists all accounts by name.
func (db *DB) Admins(ctx context.Context) ([]Admin, error) { return db.admins(ctx, "ORDER BY name") }

func (db *DB) admins(ctx context.Context, tail string, args ...any) ([]Admin, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT name, role, hash, one_time, changed FROM admins "+tail, args...)
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	defer rows.Close()
	var out []Admin
	for rows.Next() {
		var a Admin
		var changed int64
		if err := rows.Scan(&a.Name, &a.Role, &a.Hash, &a.OneTime, &changed); err != nil {
			return nil, fmt.Errorf("read accounts: %w", err)
		}
		a.Changed = fromMillis(changed)
		out = append(out, a)
	}
	return out, rows.Err()
}

// PutAdmin adds or replaces an account.
func (db *DB) PutAdmin(ctx context.Context, a Admin) error {
	if !namePattern.MatchString(a.Name) || a.Hash == "" || !slices.Contains(Roles(), a.Role) {
		return fmt.Errorf("account %q: needs a name of lower case letters and digits, a password, and a role: owner, admin, operator or viewer", a.Name)
	}
	return db.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO admins (name, role, hash, one_time, changed) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET role = excluded.role, hash = excluded.hash, one_time = excluded.one_time, changed = excluded.changed`,
			a.Name, a.Role, a.Hash, a.OneTime, millis(a.Changed))
		if err != nil {
			return fmt.Errorf("account %s: %w", a.Name, err)
		}
		if err := ownerIsLeft(ctx, tx); err != nil {
			return err
		}
		kind := "a new password"
		if a.OneTime {
			kind = "a password for one login"
		}
		return db.audit(ctx, tx, "password", fmt.Sprintf("Account %s (%s) has %s.", a.Name, a.Role, kind))
	})
}

// SetRole changes what an account may do.
func (db *DB) SetRole(ctx context.Context, name string, role Role) error {
	if !slices.Contains(Roles(), role) {
		return fmt.Errorf("%q is no role; take owner, admin, operator or viewer", role)
	}
	return db.changeAccounts(ctx, "account "+name, fmt.Sprintf("Account %s is now %s.", name, role), "UPDATE admins SET role = ? WHERE name = ?", role, name)
}

// DeleteAdmin deletes an account and its tokens.
func (db *DB) DeleteAdmin(ctx context.Context, name string) error {
	return db.changeAccounts(ctx, "account "+name, fmt.Sprintf("Account %s was deleted.", name), "DELETE FROM admins WHERE name = ?", name)
}

// changeAccounts runs a statement that must find what it is about.
func (db *DB) changeAccounts(ctx context.Context, what, said, statement string, args ...any) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%s: %w", what, ErrNotFound))
		}
		if err := ownerIsLeft(ctx, tx); err != nil {
			return err
		}
		return db.audit(ctx, tx, "account", said)
	})
}

func ownerIsLeft(ctx context.Context, tx *sql.Tx) error {
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM admins WHERE role = 'owner'").Scan(&n); err != nil {
		return fmt.Errorf("count the owners: %w", err)
	}
	if n == 0 {
		return ErrLastOwner
	}
	return nil
}
