package store

import "slices"

// secrets are the fields of a kind that nobody may see.
func (k *kind[T]) secrets() []field[T] {
	var out []field[T]
	for _, f := range k.fields {
		if f.Type == "secret" {
			out = append(out, f)
		}
	}
	return out
}

// keepSecrets fills in the stored secrets that a new state of an object leaves
// out.
func (k *kind[T]) keepSecrets(o, stored *T) {
	for _, f := range k.secrets() {
		if s := f.at(o).(*Secret); *s == "" {
			*s = *f.at(stored).(*Secret)
		}
	}
	if k.tidy != nil {
		k.tidy(o)
	}
}

// keepAllSecrets does so for a whole document.
func (k *kind[T]) keepAllSecrets(doc *Document, stored Document) {
	if k.secrets() == nil {
		return
	}
	before := k.get(&stored)
	at := k.byKey(before)
	all := slices.Clone(k.get(doc))
	for i := range all {
		if j, ok := at[k.key(&all[i])]; ok {
			k.keepSecrets(&all[i], &before[j])
		}
	}
	k.set(doc, all)
}

// collectSecrets gathers the secrets of a document under the names that they
// are bound to.
func (k *kind[T]) collectSecrets(doc Document, into map[string]string) {
	for _, f := range k.secrets() {
		for _, o := range k.get(&doc) {
			if s := *f.at(&o).(*Secret); s != "" {
				into[k.secretName(&o, f.Name)] = s.Reveal()
			}
		}
	}
}

// putSecrets sets all secrets of a document; one that is not among the given
// ones becomes empty.
func (k *kind[T]) putSecrets(doc *Document, from map[string]string) {
	secrets := k.secrets()
	if secrets == nil {
		return
	}
	all := slices.Clone(k.get(doc))
	for i := range all {
		for _, f := range secrets {
			*f.at(&all[i]).(*Secret) = Secret(from[k.secretName(&all[i], f.Name)])
		}
	}
	k.set(doc, all)
}
