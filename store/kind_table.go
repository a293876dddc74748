package store

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strings"
)

// side is the table that holds a list: of values, or of references, whose
// foreign key says what they refer to.
func (k *kind[T]) side(f field[T]) string {
	if f.Refs == "" {
		return k.table + "_values"
	}
	return k.table + "_" + kindNamed(f.Refs).tableName()
}

// sides are all tables with lists of this kind.
func (k *kind[T]) sides() []string {
	var out []string
	seen := map[string]bool{}
	for _, f := range k.fields {
		if f.extent || !manyOf(f.at(new(T))) {
			continue
		}
		if s := k.side(f); !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// secretName is what a sealed secret is bound to, as in "branch leeds psk".
func (k *kind[T]) secretName(o *T, field string) string {
	return k.info.Name + " " + k.key(o) + " " + field
}

// selectRows reads objects; tail is the end of a query of ours, from WHERE or
// ORDER on. The lists of all of them are read in one query for each table,
// because a query for each object would be slow with ten thousand of them.
func (k *kind[T]) selectRows(ctx context.Context, db *DB, tx *sql.Tx, tail string, args ...any) ([]T, error) {
	columns := []string{"id"}
	for _, f := range k.scalars {
		column := `"` + f.Name + `"`
		if f.Refs != "" {
			column = "coalesce(" + column + ", '')"
		}
		columns = append(columns, column)
	}
	rows, err := tx.QueryContext(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM "+k.table+" "+tail, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", k.table, err)
	}
	defer rows.Close()
	var out []T
	at := map[int64]int{}
	for rows.Next() {
		var id int64
		var o T
		if err := k.scan(db, rows, &id, &o); err != nil {
			return nil, fmt.Errorf("read %s: %w", k.table, err)
		}
		at[id] = len(out)
		out = append(out, o)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", k.table, err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	for _, side := range k.sides() {
		if err := k.readSide(ctx, tx, side, tail, args, func(id int64) *T { return &out[at[id]] }); err != nil {
			return nil, err
		}
	}
	for _, f := range k.fields {
		if f.extent {
			if err := readExtents(ctx, tx, tail, args, func(id int64) *[]AddressRange { return f.at(&out[at[id]]).(*[]AddressRange) }); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (k *kind[T]) scan(db *DB, rows *sql.Rows, id *int64, o *T) error {
	into := []any{id}
	raw := make([]string, len(k.scalars))
	sealed := make([][]byte, len(k.scalars))
	for i, f := range k.scalars {
		at := f.at(o)
		switch {
		case f.Type == "secret":
			into = append(into, &sealed[i])
		case isText(at):
			into = append(into, &raw[i])
		default:
			into = append(into, at)
		}
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	for i, f := range k.scalars {
		switch {
		case f.Type == "secret" && len(sealed[i]) > 0:
			plain, err := db.seal.open(k.secretName(o, f.Name), sealed[i])
			if err != nil {
				return err
			}
			*f.at(o).(*Secret) = Secret(plain)
		case isText(f.at(o)):
			if err := setText(f.at(o), raw[i]); err != nil {
				return fmt.Errorf("%s %s: %s: %w", k.info.Name, k.key(o), f.Name, err)
			}
		}
	}
	return nil
}

// isText says that a value is stored as a text that must be parsed.
func isText(at any) bool { return reflect.TypeOf(at).Elem().Kind() == reflect.Struct }

func (k *kind[T]) readSide(ctx context.Context, tx *sql.Tx, side, tail string, args []any, owner func(int64) *T) error {
	query := "SELECT owner, kind, value FROM " + side
	if strings.HasPrefix(tail, "WHERE") {
		query += " WHERE owner IN (SELECT id FROM " + k.table + " " + tail + ")"
	} else {
		args = nil
	}
	rows, err := tx.QueryContext(ctx, query+" ORDER BY owner, kind, position", args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", side, err)
	}
	defer rows.Close()
	type list struct {
		owner int64
		kind  string
	}
	var current list
	var texts []string
	flush := func() error {
		for _, f := range k.fields {
			if len(texts) > 0 && f.Name == current.kind {
				if err := setTexts(f.at(owner(current.owner)), texts); err != nil {
					return fmt.Errorf("read %s: %w", side, err)
				}
			}
		}
		texts = nil
		return nil
	}
	for rows.Next() {
		var l list
		var value string
		if err := rows.Scan(&l.owner, &l.kind, &value); err != nil {
			return fmt.Errorf("read %s: %w", side, err)
		}
		if l != current {
			if err := flush(); err != nil {
				return err
			}
			current = l
		}
		texts = append(texts, value)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", side, err)
	}
	return flush()
}

// insert writes one object.
func (k *kind[T]) insert(in *inserter, position int, o *T) {
	columns, marks, args := []string{"position"}, "?", []any{position}
	for _, f := range k.scalars {
		at := f.at(o)
		value := reflect.ValueOf(at).Elem().Interface()
		var arg any
		switch {
		case f.Type == "secret":
			arg = in.sealed(k.secretName(o, f.Name), value.(Secret))
		case f.Refs != "" && textOf(value) == "":
			arg = nil // no reference
		case isText(at):
			arg = textOf(value)
		default:
			arg = value
		}
		columns, marks, args = append(columns, `"`+f.Name+`"`), marks+", ?", append(args, arg)
	}
	id := in.exec("INSERT INTO "+k.table+" ("+strings.Join(columns, ", ")+") VALUES ("+marks+")", args...)
	for _, f := range k.fields {
		switch at := f.at(o); {
		case f.extent:
			in.extent(id, *at.(*[]AddressRange))
		case manyOf(at):
			for i, text := range textsOf(at) {
				in.exec("INSERT INTO "+k.side(f)+" (owner, kind, position, value) VALUES (?, ?, ?, ?)", id, f.Name, i, text)
			}
		}
	}
}

// where is the condition that finds an object by its key.
func (k *kind[T]) where(o *T) (string, []any) {
	var terms []string
	var args []any
	for _, f := range k.fields {
		if f.Label == "" {
			terms = append(terms, `"`+f.Name+`" = ?`)
			args = append(args, textAt(f.at(o)))
		}
	}
	if terms == nil {
		return "1", nil // the one row of the settings
	}
	return strings.Join(terms, " AND "), args
}

// remove deletes the objects that new does not have or has otherwise. What
// other objects refer to may be gone until the end of the transaction.
func (k *kind[T]) remove(in *inserter, old, new Document) {
	after := k.get(&new)
	at := k.byKey(after)
	before := k.get(&old)
	for i := range before {
		if j, ok := at[k.key(&before[i])]; ok && k.sameRow(&before[i], &after[j]) {
			continue
		}
		where, args := k.where(&before[i])
		in.exec("DELETE FROM "+k.table+" WHERE "+where, args...)
	}
}

// add inserts what old does not have or has otherwise, and moves the rest to
// its place.
func (k *kind[T]) add(in *inserter, old, new Document) {
	before := k.get(&old)
	at := k.byKey(before)
	after := k.get(&new)
	for i := range after {
		j, ok := at[k.key(&after[i])]
		if !ok || !k.sameRow(&before[j], &after[i]) {
			k.insert(in, i, &after[i])
			continue
		}
		where, args := k.where(&after[i])
		if i != j {
			in.exec("UPDATE "+k.table+" SET position = ? WHERE "+where, append([]any{i}, args...)...)
		}
		for _, f := range k.fields {
			if f.extent && !sameValue(f.at(&before[j]), f.at(&after[i])) {
				in.changeExtent(where, args, *f.at(&before[j]).(*[]AddressRange), *f.at(&after[i]).(*[]AddressRange))
			}
		}
	}
}

func (k *kind[T]) read(ctx context.Context, db *DB, tx *sql.Tx, doc *Document) error {
	all, err := k.selectRows(ctx, db, tx, k.tail)
	if err != nil {
		return err
	}
	k.set(doc, all)
	return nil
}

func (k *kind[T]) tableName() string { return k.table }

func (k *kind[T]) Info() KindInfo { return k.info }
