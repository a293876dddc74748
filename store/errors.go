package store

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound says that no object of that name exists.
var ErrNotFound = errors.New("not found")

// FieldError is one thing wrong with one field of a Document.
type FieldError struct {
	// Field is the JSON path, as in branches[0].remote_networks[1], or the
	// same path relative to the object when one object is validated.
	Field string
	// Code is stable and lower case ("required", "overlap"), for the API.
	Code string
	// Message is a sentence for the admin, without the field's name.
	Message string
}

// ValidationError is every field error of a document or object at once.
type ValidationError []FieldError

func (e ValidationError) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = fmt.Sprintf("%s: %s", f.Field, f.Message)
	}
	return strings.Join(lines, "\n")
}
