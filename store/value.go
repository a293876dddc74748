package store

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
)

// The types that a field of an object may have. Everything that is done with
// fields alike (columns, forms, sentences) goes by a pointer to the field.

// manyOf says whether a field is a list: *[]string, *[]netip.Prefix,
// *[]netip.Addr, *[]Network or *[]PortRange.
func manyOf(at any) bool { return reflect.TypeOf(at).Elem().Kind() == reflect.Slice }

// textOf is the text of one value; empty for the zero value, but for a number
// that stands in a list.
func textOf(v any) string {
	switch v := v.(type) {
	case Secret:
		return v.Reveal()
	case netip.Addr:
		if !v.IsValid() {
			return ""
		}
		return v.String()
	case netip.Prefix:
		if !v.IsValid() {
			return ""
		}
		return v.String()
	case fmt.Stringer:
		return v.String()
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		if r.Bool() {
			return "on"
		}
		return ""
	case reflect.Int:
		if r.Int() == 0 {
			return ""
		}
		return strconv.FormatInt(r.Int(), 10)
	case reflect.Uint16, reflect.Uint32:
		if r.Uint() == 0 {
			return ""
		}
		return strconv.FormatUint(r.Uint(), 10)
	}
	return r.String()
}

// textAt is the text of the one value that at points to.
func textAt(at any) string { return textOf(reflect.ValueOf(at).Elem().Interface()) }

// setText puts the value of a text where at points to. The error is a
// sentence for the admin.
func setText(at any, text string) error {
	if ports, ok := at.(*PortRange); ok {
		var err error
		if *ports = (PortRange{}); text != "" {
			*ports, err = ParsePortRange(text)
		}
		return err
	}
	if u, ok := at.(encoding.TextUnmarshaler); ok {
		v := reflect.ValueOf(at).Elem()
		v.SetZero()
		if text == "" {
			return nil
		}
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("%q is not a valid %s", text, word(v.Type()))
		}
		return nil
	}
	v := reflect.ValueOf(at).Elem()
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(text != "")
	case reflect.Int:
		// The zero makes a number of an empty text, and refuses signs.
		n, err := strconv.ParseInt("0"+text, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(n)
	case reflect.Uint16, reflect.Uint32:
		n, err := strconv.ParseUint("0"+text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number that can stand here", text)
		}
		v.SetUint(n)
	default:
		panic("a field of a type that is no value: " + v.Type().String())
	}
	return nil
}

// textsOf are the texts of a list's elements.
func textsOf(at any) []string {
	v := reflect.ValueOf(at).Elem()
	var out []string
	for i := range v.Len() {
		out = append(out, textOf(v.Index(i).Interface()))
	}
	return out
}

// setTexts makes a list of the texts of its elements. The error names the
// element by its index.
func setTexts(at any, texts []string) error {
	list := reflect.ValueOf(at).Elem()
	list.SetZero()
	if len(texts) == 0 {
		return nil
	}
	out := reflect.MakeSlice(list.Type(), len(texts), len(texts))
	for i, t := range texts {
		if err := setText(out.Index(i).Addr().Interface(), t); err != nil {
			return elementError{i, err}
		}
	}
	list.Set(out)
	return nil
}

// elementError is what is wrong with one element of a list.
type elementError struct {
	index int
	error
}

func (e elementError) Unwrap() error { return e.error }

// ParsePortRange reads 80 or 8000-8100.
func ParsePortRange(s string) (PortRange, error) {
	first, last, ranged := strings.Cut(s, "-")
	if !ranged {
		last = first
	}
	a, err := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	if err != nil {
		return PortRange{}, fmt.Errorf("%q is not a port or a range of ports", s)
	}
	b, err := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if err != nil {
		return PortRange{}, fmt.Errorf("%q is not a port or a range of ports", s)
	}
	return PortRange{uint16(a), uint16(b)}, nil
}

// String is one port, or first-last; empty for the zero range.
func (p PortRange) String() string {
	switch {
	case p == PortRange{}:
		return ""
	case p.First == p.Last:
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}
