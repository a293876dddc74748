package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Names of the files in the data directory.
const (
	databaseName = "gatehouse.db"
	keyName      = "device.key"
)

// DB is the open database. It is safe for concurrent use, also beside other
// processes on the same directory.
type DB struct {
	sql  *sql.DB
	seal *sealer
}

// Open opens or makes the database of a data directory and brings its schema
// up to date. The directory gets mode 0700 and the files 0600. A database of a
// newer version is refused.
func Open(ctx context.Context, dir string) (*DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.Join(dir, databaseName)
	// SQLite gives the WAL the mode of the database, so it is enough to make
	// that file first.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	seal, err := openSealer(filepath.Join(dir, keyName))
	if err != nil {
		return nil, err
	}
	// Every transaction that may write takes the lock at its start
	// (immediate): two processes then wait for each other instead of failing
	// halfway. FULL: a confirmed change survives a power cut.
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_journal_mode": {"WAL"}, "_foreign_keys": {"on"}, "_busy_timeout": {"10000"},
		"_synchronous": {"FULL"}, "_txlock": {"immediate"},
	}.Encode()}
	handle, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	handle.SetMaxOpenConns(4)
	db := &DB{sql: handle, seal: seal}
	if err := db.migrate(ctx); err != nil {
		handle.Close()
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return db, nil
}

// Close closes the database.
func (db *DB) Close() error { return db.sql.Close() }

func (db *DB) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db.sql, files)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	newest := sources[len(sources)-1].Version
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	switch {
	case have > newest:
		return fmt.Errorf("it was written by a newer version of Gatehouse (schema %d, this version knows up to %d)", have, newest)
	case have == newest:
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	return nil
}

// write runs f in one transaction that is undone if f fails.
func (db *DB) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := f(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

func millis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms) }
