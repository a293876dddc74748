package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// The entries of a revision's lists stand beside its document, each content
// once: five hundred revisions of a list of 100,000 entries would not fit on a
// small disk.

// withoutEntries is a copy with empty lists.
func (d Document) withoutEntries() Document {
	d.Lists = slices.Clone(d.Lists)
	for i := range d.Lists {
		d.Lists[i].Entries = nil
	}
	return d
}

// writeContents stores the entries of a revision's lists.
func writeContents(ctx context.Context, tx *sql.Tx, revision int64, lists []List) error {
	for _, l := range lists {
		text := packed(l.Entries)
		hash := sha256.Sum256(text)
		if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO list_contents (hash, entries) VALUES (?, ?)", hash[:], text); err != nil {
			return fmt.Errorf("write list %s: %w", l.Name, err)
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO revision_lists (revision, list, hash) VALUES (?, ?, ?)", revision, l.Name, hash[:]); err != nil {
			return fmt.Errorf("write list %s: %w", l.Name, err)
		}
	}
	return nil
}

// readContents fills in the entries of a revision's lists.
func readContents(ctx context.Context, tx *sql.Tx, revision int64, lists []List) error {
	for i := range lists {
		var text []byte
		err := tx.QueryRowContext(ctx, `SELECT entries FROM revision_lists JOIN list_contents USING (hash)
			WHERE revision = ? AND list = ?`, revision, lists[i].Name).Scan(&text)
		if err == nil {
			lists[i].Entries, err = unpacked(text)
		}
		if err != nil {
			return fmt.Errorf("revision %d: list %s: %w", revision, lists[i].Name, err)
		}
	}
	return nil
}

// packed is each entry as its family, its first and its last address.
func packed(all []AddressRange) []byte {
	out := []byte{}
	for _, r := range all {
		out = append(out, addressKey(r.First)...)
		out = append(out, r.Last.AsSlice()...)
	}
	return out
}

func unpacked(text []byte) ([]AddressRange, error) {
	out := make([]AddressRange, 0, len(text)/9) // IPv4; at most twice what is needed
	for len(text) > 0 {
		n := 4
		if text[0] == 6 {
			n = 16
		}
		if len(text) < 1+2*n {
			return nil, fmt.Errorf("its stored entries are cut off")
		}
		first, err := addressOfKey(text[:1+n])
		if err != nil {
			return nil, err
		}
		last, _ := netip.AddrFromSlice(text[1+n : 1+2*n])
		out = append(out, AddressRange{first, last})
		text = text[1+2*n:]
	}
	return out, nil
}

// revisionCache is the document of one revision: the confirmed one, which every
// page compares with the draft, or the one that is on trial. A revision changes
// only when somebody whom it names gets another name.
type revisionCache struct {
	mu          sync.Mutex
	id, renamed int64
	doc         Document
}

func (c *revisionCache) get(rev Revision) (Document, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id != rev.ID || c.renamed != rev.renamed {
		return Document{}, false
	}
	return c.doc.shallowCopy(), true
}

func (c *revisionCache) put(rev Revision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id, c.renamed, c.doc = rev.ID, rev.renamed, rev.Document.shallowCopy()
}
