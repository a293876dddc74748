package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// AuditEntry is one line of the audit log: who did what, when and from where.
// It never holds a secret. Each entry is chained to the one before by a MAC
// under the device key, so that one who changes the database without the key
// cannot change, insert or remove an entry unnoticed, save the last ones.
type AuditEntry struct {
	ID   int64
	Time time.Time
	Who  string
	From string // an address; empty for this machine itself
	// Action is one word: edit, import, discard, restore, apply, confirm,
	// revert, password, login or login-failed.
	Action string
	// Detail are sentences with the values before and after, one a line.
	Detail string
}

// Actor is who does something.
type Actor struct{ Name, From string }

type actorKey struct{}

// WithActor says on whose behalf a context's changes are made.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// Itself is the actor of what nobody asked for.
const Itself = "gatehouse"

func actorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Name: Itself}
}

// keepAudit bounds the log; the oldest entries go first.
const keepAudit = 100_000

// maxAuditDetail bounds one entry in bytes.
const maxAuditDetail = 16 << 10

// Record writes an entry that belongs to no other change.
func (db *DB) Record(ctx context.Context, action, detail string) error {
	return db.writeAnyway(ctx, func(tx *sql.Tx) error { return db.audit(ctx, tx, action, detail) })
}

// audit writes an entry in the transaction of what it tells.
func (db *DB) audit(ctx context.Context, tx *sql.Tx, action, detail string) error {
	who := actorOf(ctx)
	if len(detail) > maxAuditDetail {
		detail = strings.ToValidUTF8(detail[:maxAuditDetail], "") + " ..."
	}
	var id int64
	prev := []byte{}
	err := tx.QueryRowContext(ctx, "SELECT id, mac FROM audit ORDER BY id DESC LIMIT 1").Scan(&id, &prev)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("audit log: %w", err)
	}
	e := AuditEntry{ID: id + 1, Time: fromMillis(millis(time.Now())), Who: who.Name, From: who.From, Action: action, Detail: detail}
	_, err = tx.ExecContext(ctx, "INSERT INTO audit (id, time, who, origin, action, detail, prev, mac) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		e.ID, millis(e.Time), e.Who, e.From, e.Action, e.Detail, prev, db.seal.chain(prev, e))
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM audit WHERE id <= ?", e.ID-keepAudit); err != nil {
		return fmt.Errorf("audit log: drop old entries: %w", err)
	}
	return nil
}

// chain is the MAC of an entry. Every part is preceded by its length, so that
// no two entries have the same bytes.
func (s *sealer) chain(prev []byte, e AuditEntry) []byte {
	mac := hmac.New(sha256.New, s.chains)
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		mac.Write(n[:])
		mac.Write(b)
	}
	var numbers [16]byte
	binary.BigEndian.PutUint64(numbers[:], uint64(e.ID))
	binary.BigEndian.PutUint64(numbers[8:], uint64(millis(e.Time)))
	part(prev)
	part(numbers[:])
	for _, text := range []string{e.Who, e.From, e.Action, e.Detail} {
		part([]byte(text))
	}
	return mac.Sum(nil)
}

// Audit lists the newest first; before, if not 0, leaves out that entry and all
// newer ones, for paging.
func (db *DB) Audit(ctx context.Context, before int64, limit int) ([]AuditEntry, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := db.reader.QueryContext(ctx,
		"SELECT id, time, who, origin, action, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?", before, limit)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	defer rows.Close()
	var out []AuditEntry
	for rows.Next() {
		var e AuditEntry
		var at int64
		if err := rows.Scan(&e.ID, &at, &e.Who, &e.From, &e.Action, &e.Detail); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		e.Time = fromMillis(at)
		out = append(out, e)
	}
	return out, rows.Err()
}

// ErrTampered says that the audit log is not as it was written.
var ErrTampered = errors.New("the audit log was changed")

// VerifyAudit checks the whole chain and gives the number of entries.
func (db *DB) VerifyAudit(ctx context.Context) (int, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT id, time, who, origin, action, detail, prev, mac FROM audit ORDER BY id")
	if err != nil {
		return 0, fmt.Errorf("audit log: %w", err)
	}
	defer rows.Close()
	n := 0
	var last AuditEntry
	var lastMAC []byte
	for rows.Next() {
		var e AuditEntry
		var at int64
		var prev, mac []byte
		if err := rows.Scan(&e.ID, &at, &e.Who, &e.From, &e.Action, &e.Detail, &prev, &mac); err != nil {
			return n, fmt.Errorf("audit log: %w", err)
		}
		e.Time = fromMillis(at)
		// The first may follow on entries that were dropped for their age.
		if n > 0 && (e.ID != last.ID+1 || !hmac.Equal(prev, lastMAC)) {
			return n, fmt.Errorf("%w: something is missing between entries %d and %d", ErrTampered, last.ID, e.ID)
		}
		if n == 0 && e.ID > 1 && len(prev) == 0 {
			return n, fmt.Errorf("%w: the entries before %d are missing", ErrTampered, e.ID)
		}
		if !hmac.Equal(mac, db.seal.chain(prev, e)) {
			return n, fmt.Errorf("%w: entry %d is not as it was written", ErrTampered, e.ID)
		}
		last, lastMAC = e, mac
		n++
	}
	return n, rows.Err()
}
