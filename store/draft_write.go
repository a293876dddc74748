package store

import (
	"context"
	"database/sql"
	"fmt"
)

// inserter runs statements until one fails and remembers that.
type inserter struct {
	ctx context.Context
	tx  *sql.Tx
	err error
}

func (in *inserter) exec(query string, args ...any) int64 {
	if in.err != nil {
		return 0
	}
	res, err := in.tx.ExecContext(in.ctx, query, args...)
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

// values writes one list of an object into its value table.
func (in *inserter) values(table, owner string, id int64, kind string, values []string) {
	for i, v := range values {
		in.exec("INSERT INTO "+table+" ("+owner+", kind, position, value) VALUES (?, ?, ?, ?)", id, kind, i, v)
	}
}

// writeDraft replaces all draft tables.
func (db *DB) writeDraft(ctx context.Context, tx *sql.Tx, doc Document) error {
	in := &inserter{ctx: ctx, tx: tx}
	for _, table := range []string{"interfaces", "routes", "zone_defaults", "rules", "branches"} {
		in.exec("DELETE FROM " + table)
	}
	in.exec("UPDATE system SET name = ?", doc.System.Name)
	in.exec("UPDATE firewall SET masquerade = ?", doc.Firewall.Masquerade)
	for i, n := range doc.Interfaces {
		id := in.exec("INSERT INTO interfaces (position, name, device, zone, mtu) VALUES (?, ?, ?, ?, ?)",
			i, n.Name, n.Device, n.Zone, n.MTU)
		in.values("interface_addresses", "interface_id", id, "address", texts(n.Addresses))
		in.values("interface_addresses", "interface_id", id, "gateway", texts(n.Gateways))
	}
	for i, r := range doc.Routes {
		in.exec("INSERT INTO routes (position, destination, via) VALUES (?, ?, ?)", i, r.Destination.String(), r.Via.String())
	}
	for i, d := range doc.Firewall.Defaults {
		in.exec("INSERT INTO zone_defaults (position, from_zone, to_zone, action) VALUES (?, ?, ?, ?)", i, d.From, d.To, d.Action)
	}
	for i, r := range doc.Firewall.Rules {
		id := in.exec(`INSERT INTO rules (position, name, from_zone, to_zone, protocol, action, log, note)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, i, r.Name, r.From, r.To, r.Protocol, r.Action, r.Log, r.Note)
		in.values("rule_values", "rule_id", id, "source", texts(r.Sources))
		in.values("rule_values", "rule_id", id, "destination", texts(r.Destinations))
		in.values("rule_values", "rule_id", id, "ports", texts(r.Ports))
	}
	for i, b := range doc.Branches {
		db.insertBranch(in, i, b)
	}
	return in.err
}

func (db *DB) insertBranch(in *inserter, position int, b Branch) {
	sealed, err := db.seal.seal(pskName(b.Name), []byte(b.PSK.Reveal()))
	if err != nil && in.err == nil {
		in.err = err
	}
	id := in.exec(`INSERT INTO branches (position, name, enabled, peer, start, local_id, remote_id, psk,
			rekey_seconds, dpd_seconds, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		position, b.Name, b.Enabled, b.Peer, b.Start, b.LocalID, b.RemoteID, sealed, b.RekeySeconds, b.DPDSeconds, b.Note)
	in.values("branch_values", "branch_id", id, "local", texts(b.LocalNetworks))
	in.values("branch_values", "branch_id", id, "remote", texts(b.RemoteNetworks))
	in.values("branch_values", "branch_id", id, "ike", b.IKEProposals)
	in.values("branch_values", "branch_id", id, "esp", b.ESPProposals)
}
