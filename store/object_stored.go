package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// stored reads one object that acts at once.
func (k *kind[T]) stored(ctx context.Context, db *DB, name string) (T, error) {
	var o T
	err := db.read(ctx, func(tx *sql.Tx) (err error) {
		o, err = k.readStored(ctx, db, tx, name)
		return err
	})
	return o, err
}

func (k *kind[T]) readStored(ctx context.Context, db *DB, tx *sql.Tx, name string) (T, error) {
	all, err := k.selectRows(ctx, db, tx, "WHERE name = ?", name)
	if err != nil {
		return *new(T), err
	}
	if len(all) == 0 {
		return *new(T), k.missing(name)
	}
	return all[0], nil
}

func (k *kind[T]) storedRows(ctx context.Context, db *DB, contains string, offset, limit int) ([]Row, int, error) {
	var out []Row
	var total int
	err := db.read(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+k.table+" WHERE instr(name, ?) > 0", contains).Scan(&total)
		if err != nil {
			return fmt.Errorf("count %s: %w", k.table, err)
		}
		all, err := k.selectRows(ctx, db, tx, "WHERE instr(name, ?) > 0 ORDER BY name LIMIT ? OFFSET ?", contains, limit, offset)
		for i := range all {
			out = append(out, k.row(&all[i]))
		}
		return err
	})
	return out, total, err
}

// store adds or changes an object that acts at once. The draft stays as it is.
func (k *kind[T]) store(ctx context.Context, db *DB, oldName, tag string, o T) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		detail, err := k.storeIn(db, db.inserter(ctx, tx), oldName, tag, o)
		if err != nil || detail == "" {
			return err
		}
		return db.audit(ctx, tx, "edit", detail)
	})
}

// storeAll adds or changes objects by their names.
func (k *kind[T]) storeAll(ctx context.Context, db *DB, all []json.RawMessage) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		in := db.inserter(ctx, tx)
		var details []string
		var found ValidationError
		for i, text := range all {
			o, err := k.decode(Input{JSON: text})
			var detail string
			if err == nil {
				oldName := k.key(&o)
				if _, err := k.readStored(ctx, db, tx, oldName); errors.Is(err, ErrNotFound) {
					oldName = ""
				} else if err != nil {
					return err
				}
				detail, err = k.storeIn(db, in, oldName, "", o)
			}
			var faults ValidationError
			if errors.As(err, &faults) {
				for _, f := range faults {
					f.Field = fmt.Sprintf("[%d].%s", i, f.Field)
					found = append(found, f)
				}
				continue
			}
			if err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
			if detail != "" {
				details = append(details, detail)
			}
		}
		if len(found) > 0 {
			return found
		}
		if len(details) == 0 {
			return nil
		}
		return db.audit(ctx, tx, "import", strings.Join(details, "\n"))
	})
}

// everything is all objects without their secrets.
func (k *kind[T]) everything(ctx context.Context, db *DB) ([]json.RawMessage, error) {
	out := []json.RawMessage{}
	err := db.read(ctx, func(tx *sql.Tx) error {
		all, err := k.selectRows(ctx, db, tx, "ORDER BY name")
		if err != nil {
			return err
		}
		for i := range all {
			for _, f := range k.secrets() {
				*f.at(&all[i]).(*Secret) = ""
			}
			text, err := json.Marshal(all[i])
			if err != nil {
				return err
			}
			out = append(out, text)
		}
		return nil
	})
	return out, err
}

// storeIn adds or changes one object and says what that changed; empty if
// nothing.
func (k *kind[T]) storeIn(db *DB, in *inserter, oldName, tag string, o T) (detail string, err error) {
	ctx, tx := in.ctx, in.tx
	if k.prepare != nil {
		if err := k.prepare(&o); err != nil {
			return "", err
		}
	}
	name := k.key(&o)
	if oldName != "" {
		old, err := k.readStored(ctx, db, tx, oldName)
		if err != nil {
			return "", err
		}
		if err := db.sameTag(tag, old); err != nil {
			return "", fmt.Errorf("%s %s: %w", k.info.Name, oldName, err)
		}
		k.keepSecrets(&o, &old)
		if detail = strings.Join(k.changes(old, o), "\n"); detail == "" {
			return "", nil
		}
	} else {
		detail = fmt.Sprintf("%s %s was added%s.", k.info.Title, name, k.factsOf(o).summary)
	}
	c := &checker{}
	if name != oldName {
		if _, err := k.readStored(ctx, db, tx, name); err == nil {
			c.bad(k.nameField("")[1:], "repeated", "%q is used twice", name)
		}
	}
	known, err := k.targets(ctx, db, tx, &o)
	if err != nil {
		return "", err
	}
	k.one(c, "", o, known)
	if len(c.found) > 0 {
		return "", relative(c.found, ".")
	}
	if oldName != "" {
		if name != oldName {
			if err := db.renameInDocuments(in, k.info.Name, oldName, name); err != nil {
				return "", err
			}
		}
		in.exec("DELETE FROM "+k.table+" WHERE name = ?", oldName)
	}
	k.insert(in, 0, &o)
	in.peopleChanged()
	if oldName != "" && name != oldName {
		for _, other := range immediate {
			other.follow(in, k.info.Name, oldName, name)
		}
		if k.owned != "" {
			in.exec("UPDATE "+k.owned+` SET "`+k.info.Name+`" = ? WHERE "`+k.info.Name+`" = ?`, name, oldName)
		}
	}
	if in.err != nil {
		return "", in.err
	}
	return detail, nil
}

// targets are those of the objects that o refers to which exist.
func (k *kind[T]) targets(ctx context.Context, db *DB, tx *sql.Tx, o *T) (names, error) {
	known := names{}
	for _, f := range k.fields {
		if f.Refs == "" {
			continue
		}
		known[f.Refs] = map[string]bool{}
		for _, name := range namesIn(f.at(o)) {
			var n int
			err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+kindNamed(f.Refs).tableName()+" WHERE name = ?", name).Scan(&n)
			if err != nil {
				return nil, fmt.Errorf("look for %s %s: %w", f.Refs, name, err)
			}
			known[f.Refs][name] = n > 0
		}
	}
	return known, nil
}

// follow makes the references to an object follow its new name.
func (k *kind[T]) follow(in *inserter, target, from, to string) {
	for _, f := range k.fields {
		if f.Refs == target {
			in.exec("UPDATE "+k.table+` SET "`+f.Name+`" = ? WHERE "`+f.Name+`" = ?`, to, from)
		}
	}
}

// usedBy are the objects of this kind that refer to another one.
func (k *kind[T]) usedBy(ctx context.Context, tx *sql.Tx, target, name string) ([]string, error) {
	var out []string
	for _, f := range k.fields {
		if f.Refs != target {
			continue
		}
		all, err := k.selectNames(ctx, tx, `WHERE "`+f.Name+`" = ? ORDER BY name`, name)
		if err != nil {
			return nil, err
		}
		for _, n := range all {
			out = append(out, k.info.Name+" "+n)
		}
	}
	return out, nil
}

func (k *kind[T]) selectNames(ctx context.Context, tx *sql.Tx, tail string, args ...any) ([]string, error) {
	rows, err := tx.QueryContext(ctx, "SELECT name FROM "+k.table+" "+tail, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", k.table, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("read %s: %w", k.table, err)
		}
		out = append(out, name)
	}
	return out, rows.Err()
}

func (k *kind[T]) deleteStored(ctx context.Context, db *DB, name string) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		if _, err := k.readStored(ctx, db, tx, name); err != nil {
			return err
		}
		var users []string
		for _, o := range immediate {
			more, err := o.usedBy(ctx, tx, k.info.Name, name)
			if err != nil {
				return err
			}
			users = append(users, more...)
		}
		if referred(k.info.Name) {
			more, err := db.draftedUsers(ctx, tx, k.info.Name, name)
			if err != nil {
				return err
			}
			users = append(users, more...)
		}
		if len(users) > 0 {
			return InUseError{k.info.Name + " " + name, users}
		}
		in := db.inserter(ctx, tx)
		if k.owned != "" {
			in.exec("DELETE FROM "+k.owned+` WHERE "`+k.info.Name+`" = ?`, name)
		}
		in.exec("DELETE FROM "+k.table+" WHERE name = ?", name)
		in.peopleChanged()
		if in.err != nil {
			return in.err
		}
		return db.audit(ctx, tx, "edit", fmt.Sprintf("%s %s was removed.", k.info.Title, name))
	})
}
