package store

import (
	"context"
	"database/sql"
)

// Credentials are all authorities and certificates, with their keys.
func (db *DB) Credentials(ctx context.Context) (authorities []Authority, certificates []Certificate, err error) {
	err = db.read(ctx, func(tx *sql.Tx) error {
		if authorities, err = authorityKind.selectRows(ctx, db, tx, "ORDER BY name"); err != nil {
			return err
		}
		certificates, err = certificateKind.selectRows(ctx, db, tx, "ORDER BY name")
		return err
	})
	return authorities, certificates, err
}
