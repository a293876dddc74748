package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Token lets a program use the API as an account, for a time and with at most
// a role.
type Token struct {
	Name, Admin      string
	Role             Role
	Created, Expires time.Time
}

// tokenPrefix lets people and scanners of leaked secrets recognise a token.
const tokenPrefix = "gatehouse_"

// newSecret is 256 random bits as a text, and the hash that is kept of it. The
// text cannot be guessed, so the hash needs neither salt nor time.
func newSecret() (text string, hash []byte) {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	text = tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
	return text, hashOf(text)
}

func hashOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// AddToken makes a token and gives the text that stands for it, which is not
// kept.
func (db *DB) AddToken(ctx context.Context, t Token) (string, error) {
	c := &checker{}
	if !namePattern.MatchString(t.Name) {
		c.bad("name", "format", "must be lower case letters, digits and hyphens, at most 40")
	}
	if !slices.Contains(Roles(), t.Role) {
		c.bad("role", "choice", "must be owner, admin, operator or viewer")
	}
	if !t.Expires.After(t.Created) {
		c.bad("expires", "range", "must be in the future")
	}
	if len(c.found) > 0 {
		return "", c.found
	}
	text, hash := newSecret()
	err := db.write(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM tokens WHERE name = ?", t.Name).Scan(&n); err != nil || n > 0 {
			return errors.Join(err, ValidationError{{Field: "name", Code: "repeated", Message: fmt.Sprintf("%q is used twice", t.Name)}})
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO tokens (name, admin, token, role, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
			t.Name, t.Admin, hash, t.Role, millis(t.Created), millis(t.Expires))
		if err != nil {
			return fmt.Errorf("token %s: %w", t.Name, err)
		}
		return db.audit(ctx, tx, "account", fmt.Sprintf("Token %s of account %s (%s) was made; it ends on %s.",
			t.Name, t.Admin, t.Role, t.Expires.UTC().Format(time.DateOnly)))
	})
	return text, err
}

// Bearer gives the account that a token stands for, with the lesser of both
// roles; ErrNotFound if there is no such token or its time is over.
func (db *DB) Bearer(ctx context.Context, text string, now time.Time) (Admin, error) {
	var name string
	var role Role
	var expires int64
	err := db.reader.QueryRowContext(ctx, "SELECT admin, role, expires FROM tokens WHERE token = ?", hashOf(text)).Scan(&name, &role, &expires)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !now.Before(fromMillis(expires)) {
		return Admin{}, fmt.Errorf("token: %w", ErrNotFound)
	}
	if err != nil {
		return Admin{}, fmt.Errorf("token: %w", err)
	}
	a, err := db.Admin(ctx, name)
	if err == nil && a.Role.May(role) {
		a.Role = role
	}
	return a, err
}

// Tokens lists all tokens by name.
func (db *DB) Tokens(ctx context.Context) ([]Token, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT name, admin, role, created, expires FROM tokens ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	defer rows.Close()
	var out []Token
	for rows.Next() {
		var t Token
		var created, expires int64
		if err := rows.Scan(&t.Name, &t.Admin, &t.Role, &created, &expires); err != nil {
			return nil, fmt.Errorf("list tokens: %w", err)
		}
		t.Created, t.Expires = fromMillis(created), fromMillis(expires)
		out = append(out, t)
	}
	return out, rows.Err()
}

// DeleteToken ends a token at once.
func (db *DB) DeleteToken(ctx context.Context, name string) error {
	return db.changeAccounts(ctx, "token "+name, fmt.Sprintf("Token %s was deleted.", name), "DELETE FROM tokens WHERE name = ?", name)
}
