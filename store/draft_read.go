package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
)

// valuesOf reads one of the value tables whole: (owner, kind) to texts in
// order. One query, because a query for each object would be slow with a
// thousand of them.
func valuesOf(ctx context.Context, tx *sql.Tx, table, owner string) (func(id int64, kind string) []string, error) {
	type key struct {
		id   int64
		kind string
	}
	out := map[key][]string{}
	rows, err := tx.QueryContext(ctx, "SELECT "+owner+", kind, value FROM "+table+" ORDER BY "+owner+", kind, position")
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	defer rows.Close()
	for rows.Next() {
		var k key
		var v string
		if err := rows.Scan(&k.id, &k.kind, &v); err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
		out[k] = append(out[k], v)
	}
	return func(id int64, kind string) []string { return out[key{id, kind}] }, rows.Err()
}

// each runs a query and calls scan for each row.
func each(ctx context.Context, tx *sql.Tx, query string, scan func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("read the draft: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("read the draft: %w", err)
		}
	}
	return rows.Err()
}

func (db *DB) readDraft(ctx context.Context, tx *sql.Tx) (Document, error) {
	doc := Document{Version: DocumentVersion}
	if err := tx.QueryRowContext(ctx, "SELECT name FROM system").Scan(&doc.System.Name); err != nil {
		return doc, fmt.Errorf("read the draft: %w", err)
	}
	if err := tx.QueryRowContext(ctx, "SELECT masquerade FROM firewall").Scan(&doc.Firewall.Masquerade); err != nil {
		return doc, fmt.Errorf("read the draft: %w", err)
	}
	for _, read := range []func(context.Context, *sql.Tx, *Document) error{
		readInterfaces, readRoutes, readDefaults, readRules, db.readBranches,
	} {
		if err := read(ctx, tx, &doc); err != nil {
			return doc, err
		}
	}
	return doc, nil
}

func readInterfaces(ctx context.Context, tx *sql.Tx, doc *Document) error {
	values, err := valuesOf(ctx, tx, "interface_addresses", "interface_id")
	if err != nil {
		return err
	}
	return each(ctx, tx, "SELECT id, name, device, zone, mtu FROM interfaces ORDER BY position", func(r *sql.Rows) error {
		var id int64
		var n Interface
		if err := r.Scan(&id, &n.Name, &n.Device, &n.Zone, &n.MTU); err != nil {
			return err
		}
		var err error
		if n.Addresses, err = parsed(values(id, "address"), netip.ParsePrefix); err != nil {
			return err
		}
		if n.Gateways, err = parsed(values(id, "gateway"), netip.ParseAddr); err != nil {
			return err
		}
		doc.Interfaces = append(doc.Interfaces, n)
		return nil
	})
}

func readRoutes(ctx context.Context, tx *sql.Tx, doc *Document) error {
	return each(ctx, tx, "SELECT destination, via FROM routes ORDER BY position", func(r *sql.Rows) error {
		var destination, via string
		if err := r.Scan(&destination, &via); err != nil {
			return err
		}
		var route Route
		var err error
		if route.Destination, err = netip.ParsePrefix(destination); err != nil {
			return err
		}
		if route.Via, err = netip.ParseAddr(via); err != nil {
			return err
		}
		doc.Routes = append(doc.Routes, route)
		return nil
	})
}

func readDefaults(ctx context.Context, tx *sql.Tx, doc *Document) error {
	return each(ctx, tx, "SELECT from_zone, to_zone, action FROM zone_defaults ORDER BY position", func(r *sql.Rows) error {
		var d ZoneDefault
		if err := r.Scan(&d.From, &d.To, &d.Action); err != nil {
			return err
		}
		doc.Firewall.Defaults = append(doc.Firewall.Defaults, d)
		return nil
	})
}

func readRules(ctx context.Context, tx *sql.Tx, doc *Document) error {
	values, err := valuesOf(ctx, tx, "rule_values", "rule_id")
	if err != nil {
		return err
	}
	query := "SELECT id, name, from_zone, to_zone, protocol, action, log, note FROM rules ORDER BY position"
	return each(ctx, tx, query, func(r *sql.Rows) error {
		var id int64
		var rule Rule
		if err := r.Scan(&id, &rule.Name, &rule.From, &rule.To, &rule.Protocol, &rule.Action, &rule.Log, &rule.Note); err != nil {
			return err
		}
		var err error
		if rule.Sources, err = parsed(values(id, "source"), netip.ParsePrefix); err != nil {
			return err
		}
		if rule.Destinations, err = parsed(values(id, "destination"), netip.ParsePrefix); err != nil {
			return err
		}
		if rule.Ports, err = parsed(values(id, "ports"), parsePorts); err != nil {
			return err
		}
		doc.Firewall.Rules = append(doc.Firewall.Rules, rule)
		return nil
	})
}

func (db *DB) readBranches(ctx context.Context, tx *sql.Tx, doc *Document) error {
	values, err := valuesOf(ctx, tx, "branch_values", "branch_id")
	if err != nil {
		return err
	}
	query := `SELECT id, name, enabled, peer, start, local_id, remote_id, psk, rekey_seconds, dpd_seconds, note
		FROM branches ORDER BY position`
	return each(ctx, tx, query, func(r *sql.Rows) error {
		var id int64
		var b Branch
		var sealed []byte
		err := r.Scan(&id, &b.Name, &b.Enabled, &b.Peer, &b.Start, &b.LocalID, &b.RemoteID, &sealed,
			&b.RekeySeconds, &b.DPDSeconds, &b.Note)
		if err != nil {
			return err
		}
		key, err := db.seal.open(pskName(b.Name), sealed)
		if err != nil {
			return err
		}
		b.PSK = Secret(key)
		if b.LocalNetworks, err = parsed(values(id, "local"), netip.ParsePrefix); err != nil {
			return err
		}
		if b.RemoteNetworks, err = parsed(values(id, "remote"), netip.ParsePrefix); err != nil {
			return err
		}
		b.IKEProposals, b.ESPProposals = values(id, "ike"), values(id, "esp")
		doc.Branches = append(doc.Branches, b)
		return nil
	})
}

// pskName is what a sealed key is bound to.
func pskName(branch string) string { return "branch " + branch + " psk" }
