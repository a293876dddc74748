package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// draftCache is the draft as it was read last. A counter in the database says
// whether it still is that, whoever wrote meanwhile. Documents in it are
// shared: whoever changes one copies the list first.
type draftCache struct {
	mu      sync.Mutex
	version int64
	doc     Document
}

// Draft reads the draft, with its secrets.
func (db *DB) Draft(ctx context.Context) (Document, error) {
	var doc Document
	err := db.read(ctx, func(tx *sql.Tx) (err error) {
		doc, _, err = db.readDraft(ctx, tx)
		return err
	})
	return doc.shallowCopy(), err
}

// shallowCopy has lists of its own; what their elements hold is shared.
func (d Document) shallowCopy() Document {
	for _, s := range sections {
		s.copyList(&d)
	}
	return d
}

func (k *kind[T]) copyList(doc *Document) { k.set(doc, slices.Clone(k.get(doc))) }

// readDraft gives the draft and its version. It must come before any write of
// the transaction: what it reads is remembered as the committed state.
func (db *DB) readDraft(ctx context.Context, tx *sql.Tx) (Document, int64, error) {
	var version int64
	if err := tx.QueryRowContext(ctx, "SELECT version FROM draft").Scan(&version); err != nil {
		return Document{}, 0, fmt.Errorf("read the draft: %w", err)
	}
	db.draft.mu.Lock()
	defer db.draft.mu.Unlock()
	if db.draft.version == version {
		return db.draft.doc, version, nil
	}
	doc := Document{Version: DocumentVersion}
	for _, s := range sections {
		if err := s.read(ctx, db, tx, &doc); err != nil {
			return doc, 0, err
		}
	}
	db.draft.version, db.draft.doc = version, doc
	return doc, version, nil
}

// Import replaces the draft by a document, whole or not at all. A secret that
// the document leaves out stays the one stored for the object of this name.
func (db *DB) Import(ctx context.Context, doc Document) error {
	return db.changeDraft(ctx, "import", func(in *inserter, old Document) (Document, error) {
		doc = doc.shallowCopy()
		for _, s := range sections {
			s.keepAllSecrets(&doc, old)
		}
		for i := range doc.Lists {
			doc.Lists[i].Entries = sortedRanges(doc.Lists[i].Entries)
		}
		return doc, in.validate(doc)
	})
}

// edit changes the draft as a document, in one transaction.
func (db *DB) edit(ctx context.Context, change func(*inserter, *Document) error) error {
	return db.changeDraft(ctx, "edit", func(in *inserter, doc Document) (Document, error) {
		err := change(in, &doc)
		return doc, err
	})
}

// changeDraft puts another document in the draft's place. It writes only what
// is different, and notes it with both values.
func (db *DB) changeDraft(ctx context.Context, action string, change func(in *inserter, old Document) (Document, error)) error {
	var new Document
	var version int64
	err := db.write(ctx, func(tx *sql.Tx) error {
		old, before, err := db.readDraft(ctx, tx)
		if err != nil {
			return err
		}
		in := db.inserter(ctx, tx)
		if new, err = change(in, old); err != nil {
			return err
		}
		if err := stillNeeded(ctx, tx, old, new); err != nil {
			return err
		}
		version = before + 1
		if err := in.replaceDraft(old, new, before); err != nil {
			return err
		}
		return db.audit(ctx, tx, action, strings.Join(Differences(old, new), "\n"))
	})
	if err != nil {
		return err
	}
	// Nobody could have written the same version: it was committed under the
	// lock for writers.
	db.draft.mu.Lock()
	defer db.draft.mu.Unlock()
	if db.draft.version < version {
		db.draft.version, db.draft.doc = version, new.shallowCopy()
	}
	return nil
}

// replaceDraft writes what is different in another draft, and the next version.
func (in *inserter) replaceDraft(old, new Document, version int64) error {
	for _, s := range sections {
		s.remove(in, old, new)
	}
	for _, s := range sections {
		s.add(in, old, new)
	}
	in.exec("UPDATE draft SET version = ?", version+1)
	return in.err
}

// Branch reads one branch of the draft, with its key.
func (db *DB) Branch(ctx context.Context, name string) (Branch, error) {
	return branchKind.named(ctx, db, name)
}

// Tag names the state of a branch, its key included, for PutBranch.
func (db *DB) Tag(b Branch) (string, error) { return db.seal.tag(b) }

// PutBranch adds a branch (oldName empty) or changes the one called oldName,
// also its name. A tag, if there is one, must be that of the branch as it is
// stored, or the answer is ErrChanged. An empty key keeps the stored one. The
// whole draft is validated; faults of this branch come back as a
// ValidationError with fields relative to it.
func (db *DB) PutBranch(ctx context.Context, oldName, tag string, b Branch) error {
	return branchKind.put(ctx, db, oldName, tag, b, branchKind.keepSecrets)
}

// DeleteBranch takes a branch out of the draft.
func (db *DB) DeleteBranch(ctx context.Context, name string) error {
	return branchKind.remove1(ctx, db, name)
}

// BranchDifferences says how one branch changed.
func BranchDifferences(old, new Branch) []string { return branchKind.changes(old, new) }
