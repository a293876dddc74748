package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Draft reads the draft, with its secrets.
func (db *DB) Draft(ctx context.Context) (Document, error) {
	var doc Document
	err := db.write(ctx, func(tx *sql.Tx) (err error) {
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
		return db.writeDraft(ctx, tx, doc)
	})
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
		if err := change(&doc); err != nil {
			return err
		}
		return db.writeDraft(ctx, tx, doc)
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

// PutBranch adds a branch (oldName empty) or changes the one called oldName,
// also its name. An empty key keeps the stored one. The whole draft is
// validated; faults of this branch come back as a ValidationError with fields
// relative to it.
func (db *DB) PutBranch(ctx context.Context, oldName string, b Branch) error {
	return db.edit(ctx, func(doc *Document) error {
		at := len(doc.Branches)
		if oldName != "" {
			for at = 0; at < len(doc.Branches) && doc.Branches[at].Name != oldName; at++ {
			}
			if at == len(doc.Branches) {
				return fmt.Errorf("branch %s: %w", oldName, ErrNotFound)
			}
			keepKey(&b, doc.Branches, oldName)
			doc.Branches[at] = b
		} else {
			doc.Branches = append(doc.Branches, b)
		}
		return relative(doc.Validate(), fmt.Sprintf("branches[%d].", at), b.Name)
	})
}

// relative makes field errors below prefix relative to it. An overlap is
// reported at whichever branch comes later; it belongs to the one being
// edited all the same.
func relative(err error, prefix, name string) error {
	var found ValidationError
	if !errors.As(err, &found) {
		return err
	}
	out := make(ValidationError, len(found))
	for i, f := range found {
		if rest, ok := strings.CutPrefix(f.Field, prefix); ok {
			f.Field = rest
		} else if f.Code == "overlap" && strings.Contains(f.Message, "branch "+name+" ") {
			f.Field = "remote_networks"
		}
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
