package store

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Object is one object of any kind, as pages and the API see it: without its
// secrets.
type Object struct {
	Name string
	// Position is its place of Of, from 1, if places matter.
	Position, Of int
	// Tag names the state of the object, its secrets included.
	Tag string
	// Form has a text for each field: "on" for a switch, one line for each value
	// of a list. Entries of a List are left out, see Entries.
	Form map[string]string
	// JSON is the object as in a document.
	JSON json.RawMessage
}

// Row is one line of a list of objects.
type Row struct {
	Name, Summary string
	// Position is the place among all of the kind, from 1, if places matter.
	Position int
	// Off says that the object has no effect for now.
	Off bool
	// Danger says what of it should be otherwise; empty if nothing should.
	Danger string
}

// Input is a new state of an object: the texts of a form or, if it is not
// empty, JSON. A secret that is left out stays as it is, and so do the entries
// of a List that a form does not have.
type Input struct {
	Form map[string]string
	JSON []byte
}

// ErrChanged says that somebody else changed an object since it was read.
var ErrChanged = errors.New("it was changed meanwhile")

// ErrUnknownKind says that there is no kind of objects of this name.
var ErrUnknownKind = errors.New("there are no objects of this kind")

// InUseError refuses to delete what others refer to.
type InUseError struct {
	Object string   // as in "list blocked"
	Users  []string // as in "rule no-mail"
}

func (e InUseError) Error() string {
	shown, rest := e.Users, ""
	if len(shown) > 10 {
		shown, rest = shown[:10], fmt.Sprintf(" and %d more", len(e.Users)-10)
	}
	return fmt.Sprintf("%s is used by %s%s", e.Object, strings.Join(shown, ", "), rest)
}

// object is a kind as pages and the API see it.
type object interface {
	Info() KindInfo
	tableName() string
	rows(ctx context.Context, db *DB, contains string, offset, limit int) ([]Row, int, error)
	open(ctx context.Context, db *DB, name string) (Object, error)
	storeAll(ctx context.Context, db *DB, all []json.RawMessage) error
	everything(ctx context.Context, db *DB) ([]json.RawMessage, error)
	save(ctx context.Context, db *DB, oldName, tag string, in Input) (string, error)
	remove1(ctx context.Context, db *DB, name string) error
	move(ctx context.Context, db *DB, name string, to func(at int) int) error
	usedBy(ctx context.Context, tx *sql.Tx, target, name string) ([]string, error)
	follow(in *inserter, target, from, to string)
}

// Objects lists the objects of a kind whose name contains a text, from the
// offset on, in their order; total says how many there are.
func (db *DB) Objects(ctx context.Context, kind, contains string, offset, limit int) (rows []Row, total int, err error) {
	k := kindNamed(kind)
	if k == nil {
		return nil, 0, fmt.Errorf("%q: %w", kind, ErrUnknownKind)
	}
	return k.rows(ctx, db, contains, max(offset, 0), max(limit, 1))
}

// Object reads one object; ErrNotFound if there is none of this name.
func (db *DB) Object(ctx context.Context, kind, name string) (Object, error) {
	k := kindNamed(kind)
	if k == nil {
		return Object{}, fmt.Errorf("%q: %w", kind, ErrUnknownKind)
	}
	return k.open(ctx, db, name)
}

// PutObject adds an object (oldName empty) or changes the one called oldName,
// also its name, as PutBranch does, and gives the name it has now. Drafted
// objects change the draft; others act at once and leave the draft alone.
func (db *DB) PutObject(ctx context.Context, kind, oldName, tag string, in Input) (string, error) {
	k := kindNamed(kind)
	if k == nil {
		return "", fmt.Errorf("%q: %w", kind, ErrUnknownKind)
	}
	if k.Info().Single && oldName == "" {
		return "", fmt.Errorf("%s: %w", kind, ErrSingle)
	}
	return k.save(ctx, db, oldName, tag, in)
}

// PlaceObject gives an object whose place matters another one, from 1. A place
// behind the last is the last.
func (db *DB) PlaceObject(ctx context.Context, kind, name string, position int) error {
	if position < 1 {
		return ValidationError{{Field: "position", Code: "range", Message: "must be 1 or more"}}
	}
	return db.moveObject(ctx, kind, name, func(int) int { return position - 1 })
}

// ShiftObject moves an object whose place matters by so many places, up (less
// than 0) or down.
func (db *DB) ShiftObject(ctx context.Context, kind, name string, by int) error {
	return db.moveObject(ctx, kind, name, func(at int) int { return at + by })
}

func (db *DB) moveObject(ctx context.Context, kind, name string, to func(at int) int) error {
	k := kindNamed(kind)
	if k == nil {
		return fmt.Errorf("%q: %w", kind, ErrUnknownKind)
	}
	if !k.Info().Ordered {
		return fmt.Errorf("%s: %w", k.Info().Plural, ErrUnordered)
	}
	return k.move(ctx, db, name, to)
}

// ErrUnordered refuses to move what has no place.
var ErrUnordered = errors.New("their order means nothing")

// DeleteObject deletes an object; an InUseError says who still refers to it.
func (db *DB) DeleteObject(ctx context.Context, kind, name string) error {
	k := kindNamed(kind)
	if k == nil {
		return fmt.Errorf("%q: %w", kind, ErrUnknownKind)
	}
	if k.Info().Single {
		return fmt.Errorf("%s: %w", kind, ErrSingle)
	}
	return k.remove1(ctx, db, name)
}

// ErrSingle refuses to add or delete what there is exactly one of.
var ErrSingle = errors.New("there is exactly one of these; change it")

// ErrDrafted says that objects of a kind belong to the document.
var ErrDrafted = errors.New("they belong to the configuration document")

// ImportObjects adds or changes many objects that act at once, by their names,
// whole or not at all. Secrets that are left out stay as they are; objects that
// are not among the given ones stay too. A ValidationError's fields begin with
// the object's index, as in [3].mail.
func (db *DB) ImportObjects(ctx context.Context, kind string, all []json.RawMessage) error {
	k, err := immediateKind(kind)
	if err != nil {
		return err
	}
	return k.storeAll(ctx, db, all)
}

// ExportObjects gives all objects of a kind that acts at once, in the order of
// their names and without secrets.
func (db *DB) ExportObjects(ctx context.Context, kind string) ([]json.RawMessage, error) {
	k, err := immediateKind(kind)
	if err != nil {
		return nil, err
	}
	return k.everything(ctx, db)
}

func immediateKind(name string) (object, error) {
	k := kindNamed(name)
	switch {
	case k == nil:
		return nil, fmt.Errorf("%q: %w", name, ErrUnknownKind)
	case k.Info().Drafted:
		return nil, fmt.Errorf("%s: %w", k.Info().Plural, ErrDrafted)
	}
	return k, nil
}

// decode reads a new state of an object.
func (k *kind[T]) decode(in Input) (T, error) {
	var o T
	if len(in.JSON) > 0 {
		if err := unmarshal(in.JSON, &o); err != nil {
			return o, err
		}
	} else {
		var c checker
		for _, f := range k.fields {
			k.fromForm(&c, f, &o, in.Form[f.Name])
		}
		if len(c.found) > 0 {
			return o, c.found
		}
	}
	for _, f := range k.fields {
		if f.extent {
			all := f.at(&o).(*[]AddressRange)
			*all = sortedRanges(*all)
		}
	}
	return o, nil
}

// fromForm reads the text of one field. In a list, empty lines count for
// nothing.
func (k *kind[T]) fromForm(c *checker, f field[T], o *T, text string) {
	at := f.at(o)
	if f.Type == "secret" || f.Type == "note" || f.Type == "pem" {
		text = strings.ReplaceAll(text, "\r\n", "\n")
		if f.Type != "secret" {
			text = strings.TrimSpace(text)
		}
		must(setText(at, text))
		return
	}
	if f.Type != "list" {
		if err := setText(at, strings.TrimSpace(text)); err != nil {
			c.bad(f.Name, "format", "%v", err)
		}
		return
	}
	var texts []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == ',' }) {
		if line = strings.TrimSpace(line); line != "" {
			texts = append(texts, line)
		}
	}
	if err := setTexts(at, texts); err != nil {
		var e elementError
		where := f.Name
		if errors.As(err, &e) {
			where = fmt.Sprintf("%s[%d]", f.Name, e.index)
		}
		c.bad(where, "format", "%v", err)
	}
}

// shown is an object without its secrets, in all forms.
func (k *kind[T]) shown(db *DB, o T) (Object, error) {
	out := Object{Name: k.key(&o), Form: map[string]string{}}
	var err error
	if out.Tag, err = db.seal.tag(o); err != nil {
		return out, err
	}
	for _, f := range k.secrets() {
		*f.at(&o).(*Secret) = ""
	}
	for _, f := range k.fields {
		if !f.extent {
			out.Form[f.Name] = strings.Join(namesIn(f.at(&o)), "\n")
		}
	}
	out.JSON, err = json.Marshal(o)
	return out, err
}

// row is an object's line in a list.
func (k *kind[T]) row(o *T) Row {
	r := Row{Name: k.key(o)}
	if k.summary != nil {
		r.Summary = strings.TrimSuffix(strings.TrimPrefix(k.summary(o), "("), ")")
	}
	for _, f := range k.fields {
		on, ok := f.at(o).(*bool)
		switch {
		case !ok:
		case f.Name == "enabled":
			r.Off = !*on
		case f.Name == "disabled" || f.Name == "revoked":
			r.Off = *on
		}
	}
	if k.danger != nil {
		r.Danger = k.danger(o)
	}
	return r
}

// changes says how one object changed.
func (k *kind[T]) changes(old, new T) []string {
	o, n := k.factsOf(old), k.factsOf(new)
	out := o.changedTo(k.info.Title, n)
	if o.name != n.name {
		out = append(out, fmt.Sprintf("%s %s is now called %s.", k.info.Title, o.name, n.name))
	}
	return out
}

func (db *DB) sameTag(tag string, o any) error {
	if tag == "" {
		return nil
	}
	present, err := db.seal.tag(o)
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(tag), []byte(present)) {
		return ErrChanged
	}
	return nil
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
