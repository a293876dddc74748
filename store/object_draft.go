package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// named reads one object of the draft.
func (k *kind[T]) named(ctx context.Context, db *DB, name string) (T, error) {
	doc, err := db.Draft(ctx)
	if err != nil {
		return *new(T), err
	}
	all := k.get(&doc)
	if i := k.find(all, name); i >= 0 {
		return all[i], nil
	}
	return *new(T), k.missing(name)
}

func (k *kind[T]) missing(name string) error {
	return fmt.Errorf("%s %s: %w", k.info.Name, name, ErrNotFound)
}

// put adds or changes an object of the draft, see DB.PutBranch.
// keep takes over from the stored state what the new one leaves out.
func (k *kind[T]) put(ctx context.Context, db *DB, oldName, tag string, o T, keep func(o, stored *T)) error {
	return db.edit(ctx, func(in *inserter, doc *Document) error {
		all := k.get(doc)
		at := len(all)
		if oldName != "" {
			if at = k.find(all, oldName); at < 0 {
				return k.missing(oldName)
			}
			if err := db.sameTag(tag, all[at]); err != nil {
				return fmt.Errorf("%s %s: %w", k.info.Name, oldName, err)
			}
			keep(&o, &all[at])
			if name := k.key(&o); name != oldName {
				for _, s := range sections {
					s.renamed(doc, k.info.Name, oldName, name)
				}
				for _, user := range immediate {
					user.follow(in, k.info.Name, oldName, name)
				}
				in.peopleChanged()
			}
		}
		// A clash between two objects is reported at the later one, so this
		// one comes last while it is looked at.
		others := slices.Delete(slices.Clone(all), at, min(at+1, len(all)))
		judged := *doc
		k.set(&judged, append(others, o))
		if err := relative(in.validate(judged), fmt.Sprintf("%s[%d].", k.path, len(others))); err != nil {
			return k.gathered(err)
		}
		k.set(doc, slices.Insert(slices.Clone(others), at, o))
		return nil
	})
}

// gathered names the object's own fields in an error about other places.
func (k *kind[T]) gathered(err error) error {
	var found ValidationError
	if !errors.As(err, &found) {
		return err
	}
	for i, f := range found {
		base, index, list := strings.Cut(f.Field, "[")
		if own, ok := k.elsewhere[base]; ok {
			found[i].Field = own
			if list {
				found[i].Field += "[" + index
			}
		}
	}
	return found
}

func (k *kind[T]) open(ctx context.Context, db *DB, name string) (Object, error) {
	if !k.info.Drafted {
		o, err := k.stored(ctx, db, name)
		if err != nil {
			return Object{}, err
		}
		return k.shown(db, o)
	}
	doc, err := db.Draft(ctx)
	if err != nil {
		return Object{}, err
	}
	all := k.get(&doc)
	at := k.find(all, name)
	if at < 0 {
		return Object{}, k.missing(name)
	}
	out, err := k.shown(db, all[at])
	if k.info.Ordered {
		out.Position, out.Of = at+1, len(all)
	}
	return out, err
}

func (k *kind[T]) rows(ctx context.Context, db *DB, contains string, offset, limit int) ([]Row, int, error) {
	if !k.info.Drafted {
		return k.storedRows(ctx, db, contains, offset, limit)
	}
	doc, err := db.Draft(ctx)
	if err != nil {
		return nil, 0, err
	}
	var out []Row
	total := 0
	all := k.get(&doc)
	for i := range all {
		if !strings.Contains(k.key(&all[i]), contains) {
			continue
		}
		if total++; total > offset && len(out) < limit {
			row := k.row(&all[i])
			if k.info.Ordered {
				row.Position = i + 1
			}
			out = append(out, row)
		}
	}
	return out, total, nil
}

func (k *kind[T]) save(ctx context.Context, db *DB, oldName, tag string, in Input) (string, error) {
	o, err := k.decode(in)
	if err != nil {
		return "", err
	}
	if !k.info.Drafted {
		return k.key(&o), k.store(ctx, db, oldName, tag, o)
	}
	keep := func(o, stored *T) {
		k.keepSecrets(o, stored)
		for _, f := range k.fields {
			if _, given := in.Form[f.Name]; f.extent && !given && len(in.JSON) == 0 {
				*f.at(o).(*[]AddressRange) = *f.at(stored).(*[]AddressRange)
			}
		}
	}
	return k.key(&o), k.put(ctx, db, oldName, tag, o, keep)
}

// remove1 deletes one object that nobody refers to.
func (k *kind[T]) remove1(ctx context.Context, db *DB, name string) error {
	if !k.info.Drafted {
		return k.deleteStored(ctx, db, name)
	}
	return db.edit(ctx, func(in *inserter, doc *Document) error {
		all := k.get(doc)
		at := k.find(all, name)
		if at < 0 {
			return k.missing(name)
		}
		var users []string
		for _, s := range sections {
			users = append(users, s.users(*doc, k.info.Name, name)...)
		}
		if len(users) > 0 {
			return InUseError{k.info.Name + " " + name, users}
		}
		k.set(doc, slices.Delete(slices.Clone(all), at, at+1))
		return in.validate(*doc)
	})
}

// move gives an object another place, from 0, which to finds from the present
// one.
func (k *kind[T]) move(ctx context.Context, db *DB, name string, to func(at int) int) error {
	return db.edit(ctx, func(_ *inserter, doc *Document) error {
		all := slices.Clone(k.get(doc))
		at := k.find(all, name)
		if at < 0 {
			return k.missing(name)
		}
		o := all[at]
		all = slices.Delete(all, at, at+1)
		k.set(doc, slices.Insert(all, min(max(to(at), 0), len(all)), o))
		return nil
	})
}

// stillNeeded refuses a draft without something that objects which act at once
// refer to.
func stillNeeded(ctx context.Context, tx *sql.Tx, old, new Document) error {
	before, after := old.names(), new.names()
	for _, user := range immediate {
		for _, f := range user.Info().Fields {
			for name := range before[f.Refs] {
				if after.has(f.Refs, name) {
					continue
				}
				users, err := user.usedBy(ctx, tx, f.Refs, name)
				if err != nil {
					return err
				}
				if len(users) > 0 {
					return InUseError{f.Refs + " " + name, users}
				}
			}
		}
	}
	return nil
}
