package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// RevisionState is what became of a revision.
type RevisionState string

// The states.
const (
	RevisionApplied    RevisionState = "applied" // being tried
	RevisionConfirmed  RevisionState = "confirmed"
	RevisionReverted   RevisionState = "reverted"
	RevisionSuperseded RevisionState = "superseded"
)

// Revision is a draft, frozen. The gateway runs from one, never from the
// draft.
type Revision struct {
	ID              int64
	State           RevisionState
	Author, Message string
	Created         time.Time
	Document        Document // with secrets; empty in lists
	// renamed counts how often the document followed the new name of a user.
	renamed int64
}

// keepRevisions is how many are kept, and revisionAge how long; the confirmed
// one always is, and so are the newest few, however old.
const (
	keepRevisions   = 500
	revisionAge     = 3 * 365 * 24 * time.Hour
	alwaysRevisions = 20
)

// Commit freezes the draft as a revision that is being tried.
func (db *DB) Commit(ctx context.Context, author, message string) (Revision, error) {
	rev := Revision{State: RevisionApplied, Author: author, Message: message, Created: time.Now()}
	err := db.write(ctx, func(tx *sql.Tx) error {
		var err error
		if rev.Document, _, err = db.readDraft(ctx, tx); err != nil {
			return err
		}
		rev.Document = rev.Document.shallowCopy()
		if err := rev.Document.Validate(); err != nil {
			return err
		}
		document, err := rev.Document.WithoutSecrets().withoutEntries().Marshal()
		if err != nil {
			return err
		}
		secrets := map[string]string{}
		for _, s := range sections {
			s.collectSecrets(rev.Document, secrets)
		}
		plain, err := json.Marshal(secrets)
		if err != nil {
			return err
		}
		// Only one revision is tried at a time. An earlier one that nobody
		// decided about, as after a power cut, can no longer be confirmed.
		if _, err := tx.ExecContext(ctx, "UPDATE revisions SET state = 'reverted' WHERE state = 'applied'"); err != nil {
			return fmt.Errorf("end an earlier trial: %w", err)
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO revisions (state, author, message, created, document, secrets)
			VALUES (?, ?, ?, ?, ?, x'')`, rev.State, author, message, millis(rev.Created), string(document))
		if err != nil {
			return fmt.Errorf("write the revision: %w", err)
		}
		if rev.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		sealed, err := db.seal.seal(revisionName(rev.ID), plain)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE revisions SET secrets = ? WHERE id = ?", sealed, rev.ID); err != nil {
			return fmt.Errorf("write the secrets of revision %d: %w", rev.ID, err)
		}
		if err := writeContents(ctx, tx, rev.ID, rev.Document.Lists); err != nil {
			return err
		}
		if err := prune(ctx, tx, rev.ID, rev.Created); err != nil {
			return err
		}
		return db.audit(ctx, tx, "apply", fmt.Sprintf("Revision %d is tried. %s", rev.ID, message))
	})
	if err == nil {
		// Most likely it is confirmed soon, and its lists are in memory once.
		db.confirmed.put(rev)
	}
	return rev, err
}

// prune drops what is too old or too much.
func prune(ctx context.Context, tx *sql.Tx, newest int64, now time.Time) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM revisions WHERE state != 'confirmed' AND (id <= ? OR id <= ? AND created < ?)`,
		newest-keepRevisions, newest-alwaysRevisions, millis(now.Add(-revisionAge)))
	if err != nil {
		return fmt.Errorf("drop old revisions: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM list_contents WHERE hash NOT IN (SELECT hash FROM revision_lists)"); err != nil {
		return fmt.Errorf("drop old lists: %w", err)
	}
	return nil
}

// revisionName is what the sealed keys of a revision are bound to.
func revisionName(id int64) string { return fmt.Sprintf("revision %d", id) }

// Confirm makes a revision the one that is in force, also after a restart.
func (db *DB) Confirm(ctx context.Context, id int64) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE revisions SET state = 'superseded' WHERE state = 'confirmed' AND id != ?", id); err != nil {
			return fmt.Errorf("confirm revision %d: %w", id, err)
		}
		if err := setState(ctx, tx, id, RevisionConfirmed); err != nil {
			return err
		}
		return db.audit(ctx, tx, "confirm", fmt.Sprintf("Revision %d is kept.", id))
	})
}

// Revert notes that a revision was taken back.
func (db *DB) Revert(ctx context.Context, id int64) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		if err := setState(ctx, tx, id, RevisionReverted); err != nil {
			return err
		}
		return db.audit(ctx, tx, "revert", fmt.Sprintf("Revision %d is taken back.", id))
	})
}

// setState ends a revision's trial; one that is not being tried cannot change.
func setState(ctx context.Context, tx *sql.Tx, id int64, to RevisionState) error {
	res, err := tx.ExecContext(ctx, "UPDATE revisions SET state = ? WHERE id = ? AND state = 'applied'", to, id)
	if err != nil {
		return fmt.Errorf("revision %d: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("revision %d is not being tried: %w", id, ErrNotFound))
	}
	return nil
}

// Abandon ends trials that nobody decided about, as after a power cut, and
// gives their numbers.
func (db *DB) Abandon(ctx context.Context) ([]int64, error) {
	var out []int64
	err := db.write(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "UPDATE revisions SET state = 'reverted' WHERE state = 'applied' RETURNING id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			out = append(out, id)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(out) == 0 {
			return err
		}
		return db.audit(ctx, tx, "revert", fmt.Sprintf("Revisions %d were not confirmed before a restart.", out))
	})
	if err != nil {
		return nil, fmt.Errorf("end unconfirmed revisions: %w", err)
	}
	return out, nil
}

// Confirmed is the revision to run; ErrNotFound if there is none yet.
func (db *DB) Confirmed(ctx context.Context) (Revision, error) {
	var rev Revision
	err := db.read(ctx, func(tx *sql.Tx) (err error) {
		rev, err = db.readConfirmed(ctx, tx)
		return err
	})
	return rev, err
}

// Revision reads one revision whole; ErrNotFound if it is not kept.
func (db *DB) Revision(ctx context.Context, id int64) (Revision, error) {
	var rev Revision
	err := db.read(ctx, func(tx *sql.Tx) (err error) {
		rev, err = db.readRevision(ctx, tx, "id = ?", id)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("revision %d: %w", id, ErrNotFound)
	}
	return rev, err
}

// Restore makes the draft what a revision says. Nothing comes into force.
func (db *DB) Restore(ctx context.Context, id int64) error {
	return db.bringBack(ctx, "restore", func(tx *sql.Tx) (Revision, error) {
		return db.readRevision(ctx, tx, "id = ?", id)
	})
}

func (db *DB) readConfirmed(ctx context.Context, tx *sql.Tx) (Revision, error) {
	rev, err := db.readRevision(ctx, tx, "state = 'confirmed' ORDER BY id DESC LIMIT 1")
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("confirmed revision: %w", ErrNotFound)
	}
	return rev, err
}

// readRevision reads the revision that a condition of ours selects.
func (db *DB) readRevision(ctx context.Context, tx *sql.Tx, where string, args ...any) (Revision, error) {
	var rev Revision
	var created int64
	err := tx.QueryRowContext(ctx, "SELECT id, state, author, message, created, renamed FROM revisions WHERE "+where, args...).
		Scan(&rev.ID, &rev.State, &rev.Author, &rev.Message, &created, &rev.renamed)
	if errors.Is(err, sql.ErrNoRows) {
		return rev, ErrNotFound
	}
	if err != nil {
		return rev, fmt.Errorf("read a revision: %w", err)
	}
	rev.Created = fromMillis(created)
	if doc, ok := db.confirmed.get(rev); ok {
		rev.Document = doc
		return rev, nil
	}
	// Only now: every page asks, and mostly the document is remembered.
	var document string
	var sealed []byte
	err = tx.QueryRowContext(ctx, "SELECT document, secrets FROM revisions WHERE id = ?", rev.ID).Scan(&document, &sealed)
	if err != nil {
		return rev, fmt.Errorf("read revision %d: %w", rev.ID, err)
	}
	if rev.Document, err = ParseDocument(strings.NewReader(document)); err != nil {
		return rev, fmt.Errorf("revision %d: %w", rev.ID, err)
	}
	plain, err := db.seal.open(revisionName(rev.ID), sealed)
	if err != nil {
		return rev, fmt.Errorf("revision %d: %w", rev.ID, err)
	}
	var secrets map[string]string
	if err := json.Unmarshal(plain, &secrets); err != nil {
		return rev, fmt.Errorf("revision %d: its secrets are damaged", rev.ID)
	}
	for name, s := range secrets {
		// The first schema knew only the keys of branches, under their names.
		if !strings.Contains(name, " ") {
			secrets["branch "+name+" psk"] = s
		}
	}
	for _, s := range sections {
		s.putSecrets(&rev.Document, secrets)
	}
	if err := readContents(ctx, tx, rev.ID, rev.Document.Lists); err != nil {
		return rev, err
	}
	if rev.State == RevisionConfirmed {
		db.confirmed.put(rev)
	}
	return rev, nil
}

// Revisions lists the newest first, without their documents; before, if not
// 0, leaves out that one and all newer ones, for paging.
func (db *DB) Revisions(ctx context.Context, before int64, limit int) ([]Revision, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	var out []Revision
	rows, err := db.reader.QueryContext(ctx,
		"SELECT id, state, author, message, created FROM revisions WHERE id < ? ORDER BY id DESC LIMIT ?", before, limit)
	if err != nil {
		return nil, fmt.Errorf("list revisions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r Revision
		var created int64
		if err := rows.Scan(&r.ID, &r.State, &r.Author, &r.Message, &created); err != nil {
			return nil, fmt.Errorf("list revisions: %w", err)
		}
		r.Created = fromMillis(created)
		out = append(out, r)
	}
	return out, rows.Err()
}

// Predecessor is the number of the revision that was in force before this one
// came; 0 if none is kept.
func (db *DB) Predecessor(ctx context.Context, id int64) (int64, error) {
	var before sql.NullInt64
	err := db.reader.QueryRowContext(ctx,
		"SELECT max(id) FROM revisions WHERE id < ? AND state IN ('confirmed', 'superseded')", id).Scan(&before)
	if err != nil {
		return 0, fmt.Errorf("revision before %d: %w", id, err)
	}
	return before.Int64, nil
}

// Discard makes the draft what the confirmed revision says.
func (db *DB) Discard(ctx context.Context) error {
	return db.bringBack(ctx, "discard", func(tx *sql.Tx) (Revision, error) { return db.readConfirmed(ctx, tx) })
}

// bringBack makes the draft what a revision says.
func (db *DB) bringBack(ctx context.Context, action string, read func(*sql.Tx) (Revision, error)) error {
	return db.changeDraft(ctx, action, func(in *inserter, _ Document) (Document, error) {
		rev, err := read(in.tx)
		if err == nil {
			err = in.nobodyGone(rev.Document)
		}
		return rev.Document.shallowCopy(), err
	})
}
