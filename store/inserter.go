package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// inserter runs statements until one fails and remembers that. It prepares
// each statement once.
type inserter struct {
	ctx      context.Context
	tx       *sql.Tx
	seal     *sealer
	prepared map[string]*sql.Stmt
	err      error
}

func (db *DB) inserter(ctx context.Context, tx *sql.Tx) *inserter {
	return &inserter{ctx: ctx, tx: tx, seal: db.seal, prepared: map[string]*sql.Stmt{}}
}

func (in *inserter) exec(query string, args ...any) int64 {
	if in.err != nil {
		return 0
	}
	stmt, ok := in.prepared[query]
	if !ok {
		var err error
		// Closed with the transaction.
		if stmt, err = in.tx.PrepareContext(in.ctx, query); err != nil {
			in.err = fmt.Errorf("write the draft: %w", err)
			return 0
		}
		in.prepared[query] = stmt
	}
	res, err := stmt.ExecContext(in.ctx, args...)
	if err != nil {
		in.err = fmt.Errorf("write the draft: %w", err)
		return 0
	}
	id, err := res.LastInsertId()
	if err != nil {
		in.err = err
	}
	return id
}

// sealed is nothing for an empty secret.
func (in *inserter) sealed(name string, s Secret) []byte {
	if s == "" || in.err != nil {
		return []byte{}
	}
	out, err := in.seal.seal(name, []byte(s.Reveal()))
	if err != nil {
		in.err = err
	}
	return out
}

// extentRows is how many entries one statement takes: SQLite's own cost of a
// statement is then small beside that of the rows.
const extentRows = 250

// extent writes the entries of a list.
func (in *inserter) extent(owner int64, all []AddressRange) {
	for len(all) > 0 && in.err == nil {
		part := all[:min(extentRows, len(all))]
		all = all[len(part):]
		args := make([]any, 0, 3*len(part))
		for _, r := range part {
			args = append(args, owner, addressKey(r.First), addressKey(r.Last))
		}
		in.exec("INSERT INTO list_entries (owner, first, last) VALUES (?, ?, ?)"+strings.Repeat(", (?, ?, ?)", len(part)-1), args...)
	}
}

// changeExtent writes only the entries that came or went, so that one more
// address in a list of 100,000 does not wear out an SD card.
func (in *inserter) changeExtent(where string, args []any, old, new []AddressRange) {
	if in.err != nil {
		return
	}
	var owner int64
	if err := in.tx.QueryRowContext(in.ctx, "SELECT id FROM lists WHERE "+where, args...).Scan(&owner); err != nil {
		in.err = fmt.Errorf("write the draft: %w", err)
		return
	}
	var more []AddressRange
	compareEntries(old, new, func(r AddressRange) { more = append(more, r) }, func(r AddressRange) {
		in.exec("DELETE FROM list_entries WHERE owner = ? AND first = ? AND last = ?", owner, addressKey(r.First), addressKey(r.Last))
	})
	in.extent(owner, more)
}

// readExtents reads the entries of lists in their order.
func readExtents(ctx context.Context, tx *sql.Tx, tail string, args []any, of func(int64) *[]AddressRange) error {
	query := "SELECT owner, first, last FROM list_entries"
	if strings.HasPrefix(tail, "WHERE") {
		query += " WHERE owner IN (SELECT id FROM lists " + tail + ")"
	} else {
		args = nil
	}
	rows, err := tx.QueryContext(ctx, query+" ORDER BY owner, first, last", args...)
	if err != nil {
		return fmt.Errorf("read list_entries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var owner int64
		var first, last sql.RawBytes
		if err := rows.Scan(&owner, &first, &last); err != nil {
			return fmt.Errorf("read list_entries: %w", err)
		}
		var r AddressRange
		if r.First, err = addressOfKey(first); err != nil {
			return err
		}
		if r.Last, err = addressOfKey(last); err != nil {
			return err
		}
		into := of(owner)
		*into = append(*into, r)
	}
	return rows.Err()
}
