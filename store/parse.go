package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxDocument bounds a configuration document in bytes.
const maxDocument = 32 << 20

// ParseDocument reads a document strictly: unknown and repeated fields, null,
// values of the wrong type, more than 32 MiB and anything behind the document
// are errors; a ValidationError names the field by its path. It does not
// validate what the fields say.
func ParseDocument(r io.Reader) (Document, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return Document{}, fmt.Errorf("read the document: %w", err)
	}
	if len(text) > maxDocument {
		return Document{}, fmt.Errorf("the document is longer than %d bytes", maxDocument)
	}
	var doc Document
	if err := unmarshal(text, &doc); err != nil {
		return Document{}, err
	}
	if doc.Version != DocumentVersion {
		return Document{}, ValidationError{{Field: "version", Code: "version",
			Message: fmt.Sprintf("is %d; this version of Gatehouse reads %d", doc.Version, DocumentVersion)}}
	}
	return doc, nil
}

// unmarshal reads a document or a part of one strictly.
func unmarshal(text []byte, into any) error {
	if !utf8.Valid(text) {
		// encoding/json would replace such bytes, and so change a key quietly.
		return SyntaxError{errors.New("the document is not UTF-8 text")}
	}
	if err := checkFields(text, reflect.TypeOf(into).Elem()); err != nil {
		if found := (ValidationError)(nil); errors.As(err, &found) {
			return err
		}
		return SyntaxError{err}
	}
	if err := json.Unmarshal(text, into); err != nil {
		return SyntaxError{fmt.Errorf("read the document: %w", err)}
	}
	return nil
}

// SyntaxError says where a text is no JSON.
type SyntaxError struct{ error }

func (e SyntaxError) Unwrap() error { return e.error }

// Marshal is the document as indented JSON with a newline at its end. It shows
// the secrets that the document holds.
func (d Document) Marshal() ([]byte, error) {
	// The schema wants a list where one is required, also when it is empty.
	if d.Interfaces == nil {
		d.Interfaces = []Interface{}
	}
	d.Lists = slices.Clone(d.Lists)
	for i := range d.Lists {
		if d.Lists[i].Entries == nil {
			d.Lists[i].Entries = []AddressRange{}
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // a person reads this, not a browser
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	return text.Bytes(), nil
}

// WithoutSecrets is a copy that may be shown.
func (d Document) WithoutSecrets() Document {
	for _, s := range sections {
		s.putSecrets(&d, nil)
	}
	return d
}

// HasSecrets says whether WithoutSecrets leaves anything out.
func (d Document) HasSecrets() bool {
	found := map[string]string{}
	for _, s := range sections {
		s.collectSecrets(d, found)
	}
	return len(found) > 0
}

// ValidateWithoutSecrets is Validate for an export: secrets may be missing, and
// their fields are given.
func (d Document) ValidateWithoutSecrets() (missing []string, err error) {
	var found, rest ValidationError
	if err := d.Validate(); !errors.As(err, &found) {
		return nil, err
	}
	secret := map[string]bool{}
	for _, s := range sections {
		for _, f := range s.Info().Fields {
			secret[f.Name] = secret[f.Name] || f.Type == "secret"
		}
	}
	for _, f := range found {
		if f.Code == "required" && secret[f.Field[strings.LastIndexByte(f.Field, '.')+1:]] {
			missing = append(missing, f.Field)
		} else {
			rest = append(rest, f)
		}
	}
	if len(rest) > 0 {
		return missing, rest
	}
	return missing, nil
}
