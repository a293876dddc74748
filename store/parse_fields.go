package store

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// checkFields walks the JSON beside the Go types, because encoding/json alone
// takes repeated fields and any case, and does not say where in a list it
// stumbled. What passes here fits into the type. The types bound how deep it
// can go.
func checkFields(text []byte, t reflect.Type) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := walk(dec, t, ""); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

func walk(dec *json.Decoder, t reflect.Type, path string) error {
	tok, err := dec.Token()
	if err != nil {
		return notJSON(dec, path, err)
	}
	if parse, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler); ok {
		s, ok := tok.(string)
		if !ok {
			return fault(path, "type", "must be a text in quotes")
		}
		if err := parse.UnmarshalText([]byte(s)); err != nil || s == "" {
			return fault(path, "format", fmt.Sprintf("%q is not a valid %s", s, word(t)))
		}
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		if tok != json.Delim('{') {
			return fault(path, "type", "must be an object in braces")
		}
		return walkObject(dec, t, path)
	case reflect.Slice:
		if tok != json.Delim('[') {
			return fault(path, "type", "must be a list in square brackets")
		}
		for i := 0; dec.More(); i++ {
			if err := walk(dec, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		_, err := dec.Token()
		return notJSON(dec, path, err)
	case reflect.String:
		if _, ok := tok.(string); !ok {
			return fault(path, "type", "must be a text in quotes")
		}
	case reflect.Bool:
		if _, ok := tok.(bool); !ok {
			return fault(path, "type", "must be true or false")
		}
	default:
		return walkNumber(t, tok, path)
	}
	return nil
}

func walkNumber(t reflect.Type, tok json.Token, path string) error {
	n, ok := tok.(json.Number)
	if !ok {
		return fault(path, "type", "must be a number")
	}
	var err error
	if t.Kind() == reflect.Uint16 || t.Kind() == reflect.Uint32 {
		_, err = strconv.ParseUint(n.String(), 10, t.Bits())
	} else {
		_, err = strconv.ParseInt(n.String(), 10, t.Bits())
	}
	if err != nil {
		return fault(path, "range", "is not a whole number that can stand here")
	}
	return nil
}

func walkObject(dec *json.Decoder, t reflect.Type, path string) error {
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
			return fault(at, "unknown", "is not a field of this document")
		}
		if seen[name] {
			return fault(at, "repeated", "is given twice")
		}
		seen[name] = true
		if err := walk(dec, inner, at); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return notJSON(dec, path, err)
}

// fault names the whole document where there is no path yet.
func fault(path, code, message string) error {
	if path == "" {
		path = "document"
	}
	return ValidationError{{Field: path, Code: code, Message: message}}
}

// notJSON says where the text stops being JSON. It passes nil on.
func notJSON(dec *json.Decoder, path string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the document is cut off")
	}
	if path == "" {
		path = "document"
	}
	return fmt.Errorf("%s, byte %d: %w", path, dec.InputOffset(), err)
}

// word is what a person calls a type.
func word(t reflect.Type) string {
	switch t.Name() {
	case "Prefix":
		return "network, as in 10.1.0.0/24"
	case "Network":
		return "network, as in 10.1.0.0/24 or office+::80"
	case "Target":
		return "address, as in 10.1.0.9 or office+::80"
	case "AddressRange":
		return "address, network or range"
	}
	return "IP address"
}

// jsonFields maps the JSON names of a struct type to the types of its fields.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" {
			out[name] = f.Type
		}
	}
	return out
}
