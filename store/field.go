package store

// of describes one field; label is how a sentence calls it, empty if the field
// is (a part of) the object's name.
func of[T any](name, label string, at func(*T) any) field[T] {
	return field[T]{FieldInfo: FieldInfo{Name: name, Label: label}, at: at}
}

func (f field[T]) help(sentence string) field[T]     { f.Help = sentence; return f }
func (f field[T]) required() field[T]                { f.Required = true; return f }
func (f field[T]) more() field[T]                    { f.More = true; return f }
func (f field[T]) inOrder() field[T]                 { f.InOrder = true; return f }
func (f field[T]) dangerous() field[T]               { f.Danger = true; return f }
func (f field[T]) long() field[T]                    { f.Long = true; return f }
func (f field[T]) refs(kind string) field[T]         { f.Refs = kind; return f }
func (f field[T]) choices(values ...string) field[T] { f.Choices = values; return f }
func (f field[T]) in(unit string) field[T]           { f.unit = unit; return f }

// unless says why some values cannot be chosen.
func (f field[T]) unless(because func(string) string) field[T] { f.because = because; return f }

// called says how sentences call the values of a choice.
func (f field[T]) called(words map[string]string) field[T] { f.words = words; return f }

// entries marks the one list that may be very long.
func (f field[T]) entries() field[T] { f.extent = true; return f }

// noted is the field that every kind has for the admin's own words.
func noted[T any](at func(*T) any) field[T] {
	f := of("note", "the note", at)
	f.Type = "note"
	return f
}

// within gives a kind its place in a document.
func within[T any](k kind[T], path string, list func(*Document) *[]T) *kind[T] {
	k.path = path
	k.get = func(d *Document) []T { return *list(d) }
	k.set = func(d *Document, all []T) { *list(d) = all }
	return k.finish()
}
