package store

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// kind describes one sort of object once, for everything that treats fields
// alike: tables, sentences about changes, references, forms and the API.
type kind[T any] struct {
	info KindInfo
	// table holds one row for each object. Lists of values stand in
	// TABLE_values, lists of references in TABLE_TARGET.
	table string
	// tail is the end of the query that reads all of a draft's.
	tail string
	// scalars are the fields with a column in the object's own row.
	scalars []field[T]
	// path is where a Document has the list, as in firewall.rules; empty for
	// objects that act at once and belong to no document.
	path string
	get  func(*Document) []T
	set  func(*Document, []T)
	// key names an object among its kind.
	key     func(*T) string
	summary func(*T) string // for "X was added": how a person recognises it
	fields  []field[T]
	// check finds what is wrong with one object by itself, with fields relative
	// to it. What fields say themselves (choices, references) is checked anyway.
	check func(*checker, string, T)
	// compare says in sentences how two documents differ, where the fields one
	// by one would read badly.
	compare func(old, new Document) []string
	// owned is a table, with a column named like the kind, whose rows go with an
	// object that acts at once and follow its name. A changed object is written
	// anew, so the database cannot do this.
	owned string
	// elsewhere maps paths in a document to the object's fields, where an object
	// gathers what stands in several places.
	elsewhere map[string]string
	// tidy drops what an object no longer has a use for, such as a key that was
	// stored for another algorithm, once the stored secrets are filled in.
	tidy func(*T)
	// danger says what of an object should be otherwise.
	danger func(*T) string
	// prepare is called before an object that acts at once is checked.
	prepare func(*T) error
}

// field is one field of an object.
type field[T any] struct {
	FieldInfo
	at func(*T) any // a pointer to it, see value.go
	// words are how sentences call the values of a choice.
	words map[string]string
	// unit stands behind a number in sentences.
	unit string
	// because says why a value that is no choice cannot be one; empty: no more is
	// known of it than that.
	because func(value string) string
	// extent marks List.Entries, which have a table of their own.
	extent bool
}

// KindInfo is what a page or the API needs to know of a kind.
type KindInfo struct {
	Name   string // as in addresses of pages: "rule"
	Plural string // "rules"
	Title  string // begins a sentence: "Rule"
	// Heading is what a page of them is called: "Port forwards".
	Heading string
	Help    string // one sentence
	Area    Area
	// Idle says, in a sentence, that this version keeps the objects without
	// carrying them out; empty if it does.
	Idle string
	// Drafted objects change the draft; others act at once.
	Drafted bool
	// Ordered objects are looked at one after the other: their places matter.
	Ordered bool
	// More is what the seldom needed fields are about, as the heading over them.
	More string
	// Single says that there is exactly one, which can only be changed.
	Single bool
	Fields []FieldInfo
}

// Area is the part of the gateway that a kind belongs to.
type Area string

// The areas.
const (
	AreaNetwork  Area = "Network"
	AreaFirewall Area = "Firewall"
	AreaIPsec    Area = "IPsec"
	AreaPeople   Area = "Remote users"
)

// FieldInfo is what a form or the API needs to know of a field.
type FieldInfo struct {
	Name  string // in JSON, and the column
	Label string // in the middle of a sentence: "the key lifetime"
	Help  string // one sentence below the field
	// Choices are the values it can have; empty: any.
	Choices []string
	// Refs is the kind whose objects the field names; empty: none.
	Refs string
	// Type is text, number, switch, secret, note, pem or list (one value a line).
	Type string
	// Required fields cannot be empty.
	Required bool
	// Long texts have several lines.
	Long bool
	// More fields are seldom needed; a form may keep them closed.
	More bool
	// Danger fields give up protection when they are switched on.
	Danger bool
	// InOrder lists mean something by their order.
	InOrder bool
}

// finish fills in what follows from the rest.
func (k *kind[T]) finish() *kind[T] {
	k.tail = cmp.Or(k.tail, "ORDER BY position")
	k.info.Heading = cmp.Or(k.info.Heading, strings.ToUpper(k.info.Plural[:1])+k.info.Plural[1:])
	k.info.Drafted = k.path != ""
	for i := range k.fields {
		f := &k.fields[i]
		at := f.at(new(T))
		switch {
		case f.Type != "":
		case f.extent || manyOf(at):
			f.Type = "list"
		case reflect.TypeOf(at).Elem() == reflect.TypeFor[Secret]():
			f.Type = "secret"
		default:
			switch reflect.TypeOf(at).Elem().Kind() {
			case reflect.Bool:
				f.Type = "switch"
			case reflect.Int, reflect.Uint16, reflect.Uint32:
				f.Type = "number"
			default:
				f.Type = "text"
			}
		}
		k.info.Fields = append(k.info.Fields, f.FieldInfo)
		if !f.extent && !manyOf(at) {
			k.scalars = append(k.scalars, *f)
		}
	}
	return k
}

// find gives the index of an object; -1 if there is none of this name.
func (k *kind[T]) find(all []T, name string) int {
	return slices.IndexFunc(all, func(o T) bool { return k.key(&o) == name })
}

// byKey maps names to indices.
func (k *kind[T]) byKey(all []T) map[string]int {
	out := make(map[string]int, len(all))
	for i := range all {
		out[k.key(&all[i])] = i
	}
	return out
}

// sameValue compares two fields. It is quick for lists that share their memory.
func sameValue(a, b any) bool {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	if x.Kind() != reflect.Slice {
		return x.Interface() == y.Interface()
	}
	if x.Len() != y.Len() {
		return false
	}
	if x.Len() == 0 || x.UnsafePointer() == y.UnsafePointer() {
		return true
	}
	if ranges, ok := a.(*[]AddressRange); ok {
		return slices.Equal(*ranges, *b.(*[]AddressRange))
	}
	return reflect.DeepEqual(x.Interface(), y.Interface())
}

func (k *kind[T]) same(a, b *T) bool {
	return !slices.ContainsFunc(k.fields, func(f field[T]) bool { return !sameValue(f.at(a), f.at(b)) })
}

// sameRow compares all but the entries, which can change one by one.
func (k *kind[T]) sameRow(a, b *T) bool {
	return !slices.ContainsFunc(k.fields, func(f field[T]) bool { return !f.extent && !sameValue(f.at(a), f.at(b)) })
}

// factsOf puts an object into words.
func (k *kind[T]) factsOf(o T) facts {
	out := facts{name: k.key(&o)}
	if k.summary != nil {
		out.summary = " " + k.summary(&o)
	}
	for _, f := range k.fields {
		if f.Label == "" {
			continue // its name
		}
		at := f.at(&o)
		if f.extent {
			out.all = append(out.all, fact{label: f.Label, entries: *at.(*[]AddressRange)})
			continue
		}
		texts := namesIn(at)
		for i, t := range texts {
			if word, ok := f.words[t]; ok {
				texts[i] = word
			} else if f.Refs == "zone" {
				texts[i] = zoneWord(Zone(t))
			} else if f.Type == "pem" {
				texts[i] = fingerprint(t)
			}
		}
		text := strings.Join(texts, ", ")
		if text == "" && f.Type == "switch" {
			text = "off"
		}
		if text != "" && f.unit != "" {
			text += " " + f.unit
		}
		out.all = append(out.all, fact{label: f.Label, value: text, hidden: f.Type == "secret"})
	}
	return out
}

// differences says how a kind differs between two documents.
func (k *kind[T]) differences(old, new Document) []string {
	if k.compare != nil {
		return k.compare(old, new)
	}
	return listed(k.info.Title, k.get(&old), k.get(&new), k.key, k.same, k.factsOf)
}

// renamed makes every reference to an object follow its new name.
func (k *kind[T]) renamed(doc *Document, target, from, to string) {
	for _, f := range k.fields {
		if f.Refs != target && (target != "interface" || !mayFollow(f.at(new(T)))) {
			continue
		}
		all := slices.Clone(k.get(doc))
		for i := range all {
			at := f.at(&all[i])
			texts := namesIn(at)
			j := slices.Index(texts, from) // nothing is named twice
			switch {
			case f.Refs != target:
				must(followAnother(at, texts, from, to))
			case j < 0:
			case manyOf(at):
				texts[j] = to
				must(setTexts(at, texts))
			default:
				must(setText(at, to))
			}
		}
		k.set(doc, all)
	}
}

// must is for names: any text can stand in a field that holds one.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// users are the objects that name an object of a kind, as in "rule no-mail".
func (k *kind[T]) users(doc Document, target, name string) []string {
	var out []string
	for _, o := range k.get(&doc) {
		if slices.ContainsFunc(k.fields, func(f field[T]) bool {
			return f.Refs == target && slices.Contains(namesIn(f.at(&o)), name) || target == "interface" && slices.Contains(followedBy(f.at(&o)), name)
		}) {
			out = append(out, k.info.Name+" "+k.key(&o))
		}
	}
	return out
}

// namesIn are the texts of a field, whether it is a list or not.
func namesIn(at any) []string {
	if manyOf(at) {
		return textsOf(at)
	}
	if text := textAt(at); text != "" {
		return []string{text}
	}
	return nil
}

// validate checks all objects of a kind in a document.
func (k *kind[T]) validate(c *checker, doc Document, known names) {
	seen := map[string]bool{}
	for i, o := range k.get(&doc) {
		at := fmt.Sprintf("%s[%d]", k.path, i)
		c.unique(seen, k.nameField(at), k.key(&o))
		k.one(c, at, o, known)
	}
}

// nameField is where a fault of an object's name belongs.
func (k *kind[T]) nameField(at string) string {
	for _, f := range k.fields {
		if f.Label == "" {
			return at + "." + f.Name
		}
	}
	return at
}

// one checks what the fields of an object say about themselves, then the rest.
func (k *kind[T]) one(c *checker, at string, o T, known names) {
	for _, f := range k.fields {
		where, v := at+"."+f.Name, f.at(&o)
		if f.extent {
			continue
		}
		values := namesIn(v)
		switch {
		case f.Required && len(values) == 0:
			c.bad(where, "required", "is needed")
		case f.Type == "note" && len(values) > 0 && len(values[0]) > maxNote:
			c.bad(where, "length", "at most %d bytes", maxNote)
		case f.Label == "" && f.Name == "name" && f.Refs == "" && !namePattern.MatchString(strings.Join(values, "")):
			c.bad(where, "format", "must be lower case letters, digits and hyphens, at most 40")
		}
		for i, value := range values {
			each := where
			if manyOf(v) {
				each = fmt.Sprintf("%s[%d]", where, i)
			}
			if len(f.Choices) > 0 && !slices.Contains(f.Choices, value) {
				c.bad(each, "choice", "%s", f.refusal(value))
			}
			if f.Refs != "" && !known.has(f.Refs, value) {
				c.bad(each, "unknown", "there is no %s called %q", f.Refs, value)
			}
			if name, ok := followed(v, value); ok && !known.has("interface", name) {
				c.bad(each, "unknown", "there is no interface called %q", name)
			}
			if manyOf(v) && f.Refs != "" && slices.Contains(values[:i], value) {
				c.bad(each, "repeated", "%q is named twice", value)
			}
		}
	}
	if k.check != nil {
		k.check(c, at, o)
	}
}

// refusal is what to say of a value that is no choice.
func (f field[T]) refusal(value string) string {
	if f.because != nil {
		if why := f.because(value); why != "" {
			return why
		}
	}
	return "must be " + orList(f.Choices)
}

// orList is "a, b or c".
func orList(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

// names are those that exist of each kind. A kind that is not in it cannot be
// judged.
type names map[string]map[string]bool

func (n names) has(kind, name string) bool {
	all, judged := n[kind]
	return !judged || all[name]
}

func (k *kind[T]) collect(doc Document, into names) {
	set := make(map[string]bool)
	for _, o := range k.get(&doc) {
		set[k.key(&o)] = true
	}
	into[k.info.Name] = set
}
