package store

import "log/slog"

// Secret is a value that must not be seen. It marshals to JSON as the plain
// value, because import needs it; Document.WithoutSecrets makes the form that
// may be shown. Formatting and logging give a placeholder.
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

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Reveal gives the plain value, for the code that keys a connection.
func (s Secret) Reveal() string { return string(s) }
