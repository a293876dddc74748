package store

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Draft reads the draft, with its secrets.
func (db *DB) Draft(ctx context.Context) (Document, error) {
	var doc Document
	err := db.read(ctx, func(tx *sql.Tx) (err error) {
		doc, err = db.readDraft(ctx, tx)
		return err
	})
	return doc, err
}

// Import replaces the draft by a document, whole or not at all. A branch
// without a key keeps the one stored under its name.
func (db *DB) Import(ctx context.Context, doc Document) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		old, err := db.readDraft(ctx, tx)
		if err != nil {
			return err
		}
		doc.Branches = append([]Branch(nil), doc.Branches...)
		for i := range doc.Branches {
			keepKey(&doc.Branches[i], old.Branches, doc.Branches[i].Name)
		}
		if err := doc.Validate(); err != nil {
			return err
		}
		return db.replaceDraft(ctx, tx, "import", old, doc)
	})
}

// replaceDraft writes the draft and notes what changed, with both values.
func (db *DB) replaceDraft(ctx context.Context, tx *sql.Tx, action string, old, new Document) error {
	if err := db.writeDraft(ctx, tx, new); err != nil {
		return err
	}
	return db.audit(ctx, tx, action, strings.Join(Differences(old, new), "\n"))
}

// keepKey fills in the stored key of the branch that had this name.
func keepKey(b *Branch, old []Branch, name string) {
	for _, o := range old {
		if b.PSK == "" && o.Name == name {
			b.PSK = o.PSK
		}
	}
}

// edit changes the draft as a document, in one transaction.
func (db *DB) edit(ctx context.Context, change func(*Document) error) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		doc, err := db.readDraft(ctx, tx)
		if err != nil {
			return err
		}
		old := doc
		old.Branches = slices.Clone(doc.Branches)
		if err := change(&doc); err != nil {
			return err
		}
		return db.replaceDraft(ctx, tx, "edit", old, doc)
	})
}

// Branch reads one branch of the draft, with its key.
func (db *DB) Branch(ctx context.Context, name string) (Branch, error) {
	doc, err := db.Draft(ctx)
	if err != nil {
		return Branch{}, err
	}
	for _, b := range doc.Branches {
		if b.Name == name {
			return b, nil
		}
	}
	return Branch{}, fmt.Errorf("branch %s: %w", name, ErrNotFound)
}

// Tag names the state of a branch, its key included, for PutBranch.
func (db *DB) Tag(b Branch) (string, error) { return db.seal.tag(b) }

// ErrChanged says that somebody else changed an object since it was read.
var ErrChanged = errors.New("it was changed meanwhile")

// PutBranch adds a branch (oldName empty) or changes the one called oldName,
// also its name. A tag, if there is one, must be that of the branch as it is
// stored, or the answer is ErrChanged. An empty key keeps the stored one. The
// whole draft is validated; faults of this branch come back as a
// ValidationError with fields relative to it.
func (db *DB) PutBranch(ctx context.Context, oldName, tag string, b Branch) error {
	return db.edit(ctx, func(doc *Document) error {
		at := len(doc.Branches)
		if oldName != "" {
			at = slices.IndexFunc(doc.Branches, func(o Branch) bool { return o.Name == oldName })
			if at < 0 {
				return fmt.Errorf("branch %s: %w", oldName, ErrNotFound)
			}
			present, err := db.Tag(doc.Branches[at])
			if err != nil {
				return err
			}
			if tag != "" && !hmac.Equal([]byte(tag), []byte(present)) {
				return fmt.Errorf("branch %s: %w", oldName, ErrChanged)
			}
			keepKey(&b, doc.Branches, oldName)
		}
		// A clash between two branches is reported at the later one, so this
		// one comes last while it is looked at.
		others := slices.Delete(slices.Clone(doc.Branches), at, min(at+1, len(doc.Branches)))
		judged := *doc
		judged.Branches = append(others, b)
		if err := relative(judged.Validate(), fmt.Sprintf("branches[%d].", len(others))); err != nil {
			return err
		}
		doc.Branches = slices.Insert(others, at, b)
		return nil
	})
}

// relative makes the field errors below prefix relative to it.
func relative(err error, prefix string) error {
	var found ValidationError
	if !errors.As(err, &found) {
		return err
	}
	out := make(ValidationError, len(found))
	for i, f := range found {
		f.Field = strings.TrimPrefix(f.Field, prefix)
		out[i] = f
	}
	return out
}

// DeleteBranch takes a branch out of the draft.
func (db *DB) DeleteBranch(ctx context.Context, name string) error {
	return db.edit(ctx, func(doc *Document) error {
		for i, b := range doc.Branches {
			if b.Name == name {
				doc.Branches = append(doc.Branches[:i], doc.Branches[i+1:]...)
				return nil
			}
		}
		return fmt.Errorf("branch %s: %w", name, ErrNotFound)
	})
}

// parsed turns stored texts back into values.
func parsed[T any](texts []string, parse func(string) (T, error)) ([]T, error) {
	var out []T
	for _, s := range texts {
		v, err := parse(s)
		if err != nil {
			return nil, fmt.Errorf("stored value %q: %w", s, err)
		}
		out = append(out, v)
	}
	return out, nil
}

func parsePorts(s string) (PortRange, error) {
	var p PortRange
	_, err := fmt.Sscanf(s, "%d-%d", &p.First, &p.Last)
	return p, err
}

func texts[T fmt.Stringer](values []T) []string {
	var out []string
	for _, v := range values {
		out = append(out, v.String())
	}
	return out
}

// String is first-last.
func (p PortRange) String() string { return fmt.Sprintf("%d-%d", p.First, p.Last) }
