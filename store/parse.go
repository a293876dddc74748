package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// maxDocument bounds a configuration document in bytes.
const maxDocument = 4 << 20

// maxDepth bounds how deep its JSON may nest; a Document needs five levels.
const maxDepth = 16

// ParseDocument reads a document strictly: unknown and repeated fields and
// anything behind the document are errors that name the field. It does not
// validate what the fields say.
func ParseDocument(r io.Reader) (Document, error) {
	var doc Document
	text, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return doc, err
	}
	if len(text) > maxDocument {
		return doc, fmt.Errorf("the document is longer than %d bytes", maxDocument)
	}
	if err := checkFields(text); err != nil {
		return doc, err
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return doc, ValidationError{{Field: wrong.Field, Code: "type", Message: "cannot be a " + wrong.Value}}
		}
		return doc, err
	}
	if doc.Version != DocumentVersion {
		return doc, ValidationError{{Field: "version", Code: "version",
			Message: fmt.Sprintf("is %d; this version of Gatehouse reads %d", doc.Version, DocumentVersion)}}
	}
	return doc, nil
}

// checkFields walks the JSON beside the Go types and finds unknown and
// repeated fields, with their path, and values that do not parse.
func checkFields(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := walk(dec, reflect.TypeFor[Document](), "", 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

func walk(dec *json.Decoder, t reflect.Type, path string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: nested too deep", path)
	}
	tok, err := dec.Token()
	if err != nil {
		return notJSON(dec, path, err)
	}
	switch tok {
	case json.Delim('{'):
		return walkObject(dec, t, path, depth)
	case json.Delim('['):
		for i := 0; dec.More(); i++ {
			if err := walk(dec, element(t), fmt.Sprintf("%s[%d]", path, i), depth+1); err != nil {
				return err
			}
		}
		_, err := dec.Token()
		return notJSON(dec, path, err)
	}
	if s, ok := tok.(string); ok && t != nil {
		// Addresses and networks report better here, where the path is known.
		if u, ok := reflect.New(t).Interface().(interface{ UnmarshalText([]byte) error }); ok {
			if err := u.UnmarshalText([]byte(s)); err != nil {
				return ValidationError{{Field: path, Code: "format", Message: fmt.Sprintf("%q is not valid: %v", s, err)}}
			}
		}
	}
	return nil
}

func walkObject(dec *json.Decoder, t reflect.Type, path string, depth int) error {
	fields := jsonFields(t)
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return notJSON(dec, path, err)
		}
		name, _ := tok.(string)
		at := name
		if path != "" {
			at = path + "." + name
		}
		inner, known := fields[name]
		if !known {
			return ValidationError{{Field: at, Code: "unknown", Message: "is not a field of this document"}}
		}
		if seen[name] {
			return ValidationError{{Field: at, Code: "repeated", Message: "is given twice"}}
		}
		seen[name] = true
		if err := walk(dec, inner, at, depth+1); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return notJSON(dec, path, err)
}

func notJSON(dec *json.Decoder, path string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the document is cut off")
	}
	if path == "" {
		return fmt.Errorf("byte %d: %w", dec.InputOffset(), err)
	}
	return fmt.Errorf("%s, byte %d: %w", path, dec.InputOffset(), err)
}

func element(t reflect.Type) reflect.Type {
	if t != nil && t.Kind() == reflect.Slice {
		return t.Elem()
	}
	return nil
}

// jsonFields maps the JSON names of a struct type to the types of its fields.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	if t == nil || t.Kind() != reflect.Struct {
		return out
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" {
			out[name] = f.Type
		}
	}
	return out
}

// Marshal is the document as indented JSON with a newline at its end. It shows
// the secrets that the document holds.
func (d Document) Marshal() ([]byte, error) {
	// The schema wants a list where one is required, also when it is empty.
	if d.Interfaces == nil {
		d.Interfaces = []Interface{}
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// WithoutSecrets is a copy that may be shown.
func (d Document) WithoutSecrets() Document {
	d.Branches = append([]Branch(nil), d.Branches...)
	for i := range d.Branches {
		d.Branches[i].PSK = ""
	}
	return d
}
