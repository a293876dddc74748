package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatehouse/store"
)

// objectForm is an object as it is typed.
type objectForm struct {
	Kind    store.KindInfo
	OldName string
	Values  map[string]string
	// Options are what a field that names other objects can name; a field that
	// has too many of them is not in it.
	Options map[string][]string
	// Position is the object's place of Total, if places matter.
	Position, Total int
	// Tag and Base are the object as it was when the form was opened.
	Tag       string
	Base      url.Values
	Meanwhile []string
}

// Fields are those with an input of their own.
func (f objectForm) Fields() []store.FieldInfo {
	var out []store.FieldInfo
	for _, field := range f.Kind.Fields {
		// A list's entries have a page of their own once it exists.
		if f.Kind.Name == "list" && field.Name == "entries" && f.OldName != "" {
			continue
		}
		out = append(out, field)
	}
	return out
}

// formInput is one field as it is shown.
type formInput struct {
	field
	Wants   string // input, area, secret, switch, select, boxes or none
	Choices []choice
	On      bool   // of a switch
	Danger  bool   // gives up protection
	Refs    string // heading of the kind that it names
	RefsAt  string // and its pages
}

// choice is an option of a select or a box.
type choice struct {
	Value  string
	Chosen bool
}

// Inputs are the fields in their order, the seldom needed ones or the others.
func (f objectForm) Inputs(more bool, errs formErrors) []formInput {
	var out []formInput
	for _, info := range f.Fields() {
		if info.More == more {
			out = append(out, f.input(info, errs))
		}
	}
	return out
}

// Open says whether the seldom needed fields must be seen: one is wrong, or
// says something.
func (f objectForm) Open(errs formErrors) bool {
	return slices.ContainsFunc(f.Fields(), func(info store.FieldInfo) bool {
		return info.More && (f.Values[info.Name] != "" || errs.For(info.Name) != "")
	})
}

func (f objectForm) input(info store.FieldInfo, errs formErrors) formInput {
	in := formInput{Wants: f.wants(info)}
	hint := info.Help
	value := f.Values[info.Name]
	switch in.Wants {
	case "secret":
		if f.OldName != "" {
			hint = strings.TrimSpace(hint + " Leave it empty to keep the present one.")
		}
	case "area":
		if info.Refs != "" {
			hint = strings.TrimSpace(hint + " Names of " + kindCalled(info.Refs).Plural + ", one a line.")
		}
	case "switch":
		in.On, in.Danger = value != "", info.Danger
	case "select", "boxes":
		in.Choices = f.choices(info)
	}
	if info.Type == "secret" {
		// The secret never comes back. In a field for a password the value is
		// what the browser may fill in.
		value = map[bool]string{true: "", false: "new-password"}[info.Long]
	}
	if info.Refs != "" {
		in.Refs, in.RefsAt = strings.ToLower(kindCalled(info.Refs).Heading), "/objects/"+kindCalled(info.Refs).Plural
	}
	in.field = newField(info.Name, labelOf(info), hint, value, errs)
	if info.Name == "enabled" {
		in.Label = "Switched on"
	}
	return in
}

// maxBoxes is how many options a list shows as boxes to tick; beyond, names are
// typed.
const maxBoxes = 30

// wants is the type of input of a field.
func (f objectForm) wants(info store.FieldInfo) string {
	options := f.Options[info.Name]
	switch {
	case info.Type == "text" && (len(info.Choices) > 0 || options != nil):
		return "select"
	case info.Type == "list" && !info.InOrder && len(info.Choices) > 0:
		return "boxes"
	case info.Type == "list" && !info.InOrder && options != nil:
		if len(options) == 0 && f.Values[info.Name] == "" {
			return "none"
		}
		if len(options) <= maxBoxes {
			return "boxes"
		}
	case info.Type == "switch" || info.Type == "secret" && !info.Long:
		return info.Type
	}
	if info.Type == "list" || info.Type == "pem" || info.Type == "note" || info.Long {
		return "area"
	}
	return "input"
}

// choices are the options of a select, the empty one first where it may be, or
// of boxes. What is chosen already keeps its place in a list, and is offered
// also if it is not there any more.
func (f objectForm) choices(info store.FieldInfo) []choice {
	all := slices.Concat(info.Choices, f.Options[info.Name])
	chosen := strings.FieldsFunc(f.Values[info.Name], func(r rune) bool { return r == '\n' || r == '\r' })
	switch {
	case info.Type != "list" && (!info.Required || len(chosen) == 0):
		all = append([]string{""}, all...)
	case info.Type == "list" && info.Refs != "":
		all = slices.Concat(chosen, all)
	}
	var out []choice
	seen := map[string]bool{}
	for _, value := range slices.Concat(all, chosen) {
		if !seen[value] {
			out = append(out, choice{value, slices.Contains(chosen, value) || value == "" && len(chosen) == 0})
		}
		seen[value] = true
	}
	return out
}

func kindCalled(name string) store.KindInfo {
	for _, k := range store.Kinds() {
		if k.Name == name {
			return k
		}
	}
	return store.KindInfo{Plural: name, Heading: name}
}

// labelOf is a field's label at the head of a line: "Key lifetime".
func labelOf(f store.FieldInfo) string {
	if f.Label == "" {
		return capital(f.Name)
	}
	return capital(strings.TrimPrefix(f.Label, "the "))
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.ReplaceAll(s[1:], "_", " ")
}

// maxOptions is how many names a select offers; beyond, the name is typed.
const maxOptions = 200

// options are the names that a field can have; nil if they are too many.
func (s *server) options(ctx context.Context, kind store.KindInfo, refs string) ([]string, error) {
	rows, total, err := s.Store.Objects(ctx, refs, "", 0, maxOptions)
	if err != nil || total > maxOptions {
		return nil, err
	}
	names := []string{}
	if refs == "zone" {
		names = append(names, string(store.ZoneLAN), string(store.ZoneWAN))
		if kind.Name != "interface" {
			names = append(names, string(store.ZoneVPN), string(store.ZoneGateway))
		}
	}
	for _, row := range rows {
		names = append(names, row.Name)
	}
	return names, nil
}

func (s *server) objectForm(w http.ResponseWriter, r *http.Request, code int, f objectForm, errs formErrors) {
	f.Options = map[string][]string{}
	byKind := map[string][]string{}
	for _, field := range f.Kind.Fields {
		if field.Refs == "" {
			continue
		}
		if _, ok := byKind[field.Refs]; !ok {
			names, err := s.options(r.Context(), f.Kind, field.Refs)
			if err != nil {
				s.fail(w, r, err)
				return
			}
			byKind[field.Refs] = names
		}
		f.Options[field.Name] = byKind[field.Refs]
	}
	title := "Add: " + strings.ToLower(f.Kind.Title)
	if f.OldName != "" {
		title = f.Kind.Title + " " + f.OldName
	}
	if f.Kind.Single {
		title = f.Kind.Title
	}
	s.render(w, r, code, "object_form", view{Title: title, Form: f, Errors: errs})
}
