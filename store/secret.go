package store

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a value that must not be seen. It marshals to JSON as the plain
// value, because a document with secrets must survive being written and read;
// Document.WithoutSecrets makes the form that may be shown. Formatting and
// logging give a placeholder.
type Secret string

const secretPlaceholder = "[secret]"

// String hides the value from fmt.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return secretPlaceholder
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// Format hides the value from every verb. With String alone, fmt would print
// the plain value when complaining about a verb that does not fit.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Reveal gives the plain value, for the code that keys a connection.
func (s Secret) Reveal() string { return string(s) }

// LogValue is the name: slog's JSON handler would marshal the whole branch,
// with its key.
func (b Branch) LogValue() slog.Value { return slog.StringValue(b.Name) }

// LogValue is the gateway's name, for the same reason.
func (d Document) LogValue() slog.Value { return slog.StringValue(d.System.Name) }

// LogValue is the revision's number, for the same reason.
func (r Revision) LogValue() slog.Value { return slog.Int64Value(r.ID) }
