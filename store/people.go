package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// The draft can name people: a rule may be about a user. Users act at once and
// are in no document, so that the other way round a draft, or a revision, could
// name somebody who is not there. What is in the draft or in force keeps a user
// from being deleted; a new name is followed in the draft and in every revision;
// and a revision that names somebody who left since cannot be restored.

// mentioned adds the names of a kind that acts at once which objects of a
// document have.
func (k *kind[T]) mentioned(doc Document, into names) {
	for _, f := range k.fields {
		if f.Refs == "" || kindNamed(f.Refs).Info().Drafted {
			continue
		}
		all := k.get(&doc)
		for i := range all {
			for _, name := range namesIn(f.at(&all[i])) {
				into[f.Refs][name] = false
			}
		}
	}
}

// people are the objects that act at once which a document names: whether each
// exists.
func (in *inserter) people(doc Document) (names, error) {
	out := names{}
	for _, o := range immediate {
		out[o.Info().Name] = map[string]bool{}
	}
	for _, s := range sections {
		s.mentioned(doc, out)
	}
	for kind, all := range out {
		for name := range all {
			var n int
			err := in.tx.QueryRowContext(in.ctx, "SELECT count(*) FROM "+kindNamed(kind).tableName()+" WHERE name = ?", name).Scan(&n)
			if err != nil {
				return nil, fmt.Errorf("look for %s %s: %w", kind, name, err)
			}
			all[name] = n > 0
		}
	}
	return out, nil
}

// validate judges a document that is to become the draft, also the people that
// it names.
func (in *inserter) validate(doc Document) error {
	people, err := in.people(doc)
	if err != nil {
		return err
	}
	return doc.validate(people)
}

// nobodyGone refuses a document that names people who are not there any more.
func (in *inserter) nobodyGone(doc Document) error {
	people, err := in.people(doc)
	if err != nil {
		return err
	}
	gone := false
	for _, all := range people {
		for _, there := range all {
			gone = gone || !there
		}
	}
	if !gone {
		return nil
	}
	return doc.validate(people)
}

// draftedUsers are the objects of the draft, and of what is in force, that name
// somebody who acts at once.
func (db *DB) draftedUsers(ctx context.Context, tx *sql.Tx, target, name string) ([]string, error) {
	draft, _, err := db.readDraft(ctx, tx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range sections {
		out = append(out, s.users(draft, target, name)...)
	}
	ids, err := selectIDs(ctx, tx, "SELECT id FROM revisions WHERE state IN ('confirmed', 'applied')")
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		rev, err := db.readRevision(ctx, tx, "id = ?", id)
		if err != nil {
			return nil, err
		}
		for _, s := range sections {
			for _, user := range s.users(rev.Document, target, name) {
				if inForce := user + " in force"; !slices.Contains(out, user) && !slices.Contains(out, inForce) {
					out = append(out, inForce)
				}
			}
		}
	}
	return out, nil
}

func selectIDs(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]int64, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list revisions: %w", err)
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("list revisions: %w", err)
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// referred says whether documents can name objects of a kind.
func referred(kind string) bool {
	return slices.ContainsFunc(sections, func(s section) bool {
		return slices.ContainsFunc(s.Info().Fields, func(f FieldInfo) bool { return f.Refs == kind })
	})
}

// renameInDocuments makes the draft and all revisions follow a new name of
// somebody who acts at once. It must come before any write of the transaction.
func (db *DB) renameInDocuments(in *inserter, target, from, to string) error {
	if !referred(target) {
		return nil
	}
	old, version, err := db.readDraft(in.ctx, in.tx)
	if err != nil {
		return err
	}
	draft := old.shallowCopy()
	for _, s := range sections {
		s.renamed(&draft, target, from, to)
	}
	if err := in.replaceDraft(old, draft, version); err != nil {
		return err
	}
	ids, err := selectIDs(in.ctx, in.tx, "SELECT id FROM revisions WHERE instr(document, ?) > 0", `"`+from+`"`)
	if err != nil {
		return err
	}
	for _, id := range ids {
		var text string
		if err := in.tx.QueryRowContext(in.ctx, "SELECT document FROM revisions WHERE id = ?", id).Scan(&text); err != nil {
			return fmt.Errorf("read revision %d: %w", id, err)
		}
		doc, err := ParseDocument(strings.NewReader(text))
		if err != nil {
			return fmt.Errorf("revision %d: %w", id, err)
		}
		for _, s := range sections {
			s.renamed(&doc, target, from, to)
		}
		after, err := doc.Marshal()
		if err != nil {
			return err
		}
		if string(after) != text {
			in.exec("UPDATE revisions SET document = ?, renamed = renamed + 1 WHERE id = ?", string(after), id)
		}
	}
	return in.err
}

// peopleChanged counts a change of what acts at once.
func (in *inserter) peopleChanged() { in.exec("UPDATE people SET version = version + 1") }

// PeopleVersion grows with every change of users and devices.
func (db *DB) PeopleVersion(ctx context.Context) (int64, error) {
	var n int64
	if err := db.reader.QueryRowContext(ctx, "SELECT version FROM people").Scan(&n); err != nil {
		return 0, fmt.Errorf("look for changes of users: %w", err)
	}
	return n, nil
}

// Holder is a fixed address of a device and whose it is.
type Holder struct {
	User, Group string
	Address     netip.Addr
}

// Holders are the fixed addresses of all devices that may be used on a day, by
// users who may come in, in the order of their users.
func (db *DB) Holders(ctx context.Context, day time.Time) ([]Holder, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT u.name, coalesce(u."group", ''), v.value
		FROM users u JOIN devices d ON d.user = u.name JOIN devices_values v ON v.owner = d.id AND v.kind = 'addresses'
		WHERE u.enabled AND d.enabled AND (u.expires = '' OR u.expires >= ?)
		ORDER BY u.name, d.name, v.position`, day.Format(time.DateOnly))
	if err != nil {
		return nil, fmt.Errorf("read the addresses of users: %w", err)
	}
	defer rows.Close()
	var out []Holder
	for rows.Next() {
		var h Holder
		var text string
		if err := rows.Scan(&h.User, &h.Group, &text); err != nil {
			return nil, fmt.Errorf("read the addresses of users: %w", err)
		}
		if h.Address, err = netip.ParseAddr(text); err != nil {
			return nil, fmt.Errorf("an address of user %s: %w", h.User, err)
		}
		out = append(out, h)
	}
	return out, rows.Err()
}
