package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Entries gives a part of a list's entries in the draft: those that hold the
// address or meet the network or range of a text, or all if it is empty; from
// the offset on. Total says how many there are.
func (db *DB) Entries(ctx context.Context, list, holding string, offset, limit int) (entries []AddressRange, total int, err error) {
	l, err := listKind.named(ctx, db, list)
	if err != nil {
		return nil, 0, err
	}
	all := l.Entries
	if holding = strings.TrimSpace(holding); holding != "" {
		wanted, err := ParseAddressRange(holding)
		if err != nil {
			return nil, 0, ValidationError{{Field: "holding", Code: "format", Message: err.Error()}}
		}
		all = nil
		for _, r := range l.Entries {
			if r.First.Is4() == wanted.First.Is4() && !wanted.Last.Less(r.First) && !r.Last.Less(wanted.First) {
				all = append(all, r)
			}
		}
	}
	total = len(all)
	all = all[min(max(offset, 0), total):]
	return all[:min(max(limit, 0), len(all))], total, nil
}

// ChangeEntries adds entries to a list of the draft and removes others. To add
// what is there, or to remove what is not, changes nothing.
func (db *DB) ChangeEntries(ctx context.Context, list string, add, remove []AddressRange) error {
	return db.edit(ctx, func(_ *inserter, doc *Document) error {
		at := listKind.find(doc.Lists, list)
		if at < 0 {
			return listKind.missing(list)
		}
		gone := map[AddressRange]bool{}
		for _, r := range remove {
			gone[r] = true
		}
		l := doc.Lists[at]
		l.Entries = slices.DeleteFunc(slices.Clone(l.Entries), func(r AddressRange) bool { return gone[r] })
		l.Entries = sortedRanges(append(l.Entries, add...))
		doc.Lists = slices.Clone(doc.Lists)
		doc.Lists[at] = l
		return nil
	})
}

// ParseEntries reads entries, one a line or with commas between them. Empty
// lines and what stands behind # count for nothing. All faults are reported.
func ParseEntries(text string) ([]AddressRange, error) {
	var out []AddressRange
	var found ValidationError
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		for part := range strings.SplitSeq(line, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			r, err := ParseAddressRange(part)
			if err != nil {
				found = append(found, FieldError{Field: fmt.Sprintf("line %d", n), Code: "format", Message: err.Error()})
				if len(found) == maxEntryFaults {
					return nil, found
				}
				continue
			}
			out = append(out, r)
		}
	}
	if len(found) > 0 {
		return nil, found
	}
	return out, nil
}

// maxEntryFaults is how many wrong lines are named at once.
const maxEntryFaults = 20
