package store

import (
	"slices"
	"strings"
)

// mayFollow says that values of a field may follow an interface's prefix.
func mayFollow(at any) bool {
	switch at.(type) {
	case *Network, *[]Network, *Target:
		return true
	}
	return false
}

// followed is the interface that a text of a field follows, if it does.
func followed(at any, text string) (string, bool) {
	if !mayFollow(at) {
		return "", false
	}
	name, _, ok := strings.Cut(text, "+")
	return name, ok
}

// followedBy are the interfaces that a field's values follow.
func followedBy(at any) []string {
	var out []string
	if mayFollow(at) {
		for _, text := range namesIn(at) {
			if name, ok := followed(at, text); ok {
				out = append(out, name)
			}
		}
	}
	return out
}

// followAnother makes what follows an interface follow its new name.
func followAnother(at any, texts []string, from, to string) error {
	if !slices.Contains(followedBy(at), from) {
		return nil
	}
	for i, text := range texts {
		if name, ok := followed(at, text); ok && name == from {
			texts[i] = to + text[len(from):]
		}
	}
	if manyOf(at) {
		return setTexts(at, texts)
	}
	return setText(at, texts[0])
}
