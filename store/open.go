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
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3" // also the driver "sqlite3"
	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
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
	// writer has one connection: writers of this process queue in Go instead of
	// polling for SQLite's lock. reader's transactions take no lock, so a
	// reader sees one state and waits for nobody (WAL).
	writer, reader *sql.DB
	seal           *sealer
	dir            string
	draft          draftCache
	confirmed      revisionCache
	changes        changesCache
	frozen         atomic.Bool
}

// ErrDamaged says that the database file is not whole. Recover helps.
var ErrDamaged = errors.New("the database is damaged")

// Open opens or makes the database of a data directory and brings its schema
// up to date. A directory that it makes has mode 0700; the files have 0600. A
// database of a newer version is refused.
func Open(ctx context.Context, dir string) (*DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	unlock, err := lockDirectory(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	defer unlock()
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
	db := &DB{dir: dir}
	if db.seal, err = openSealer(filepath.Join(dir, keyName)); err != nil {
		return nil, err
	}
	// A transaction that may write takes the lock at its start (immediate):
	// two processes then wait for each other instead of failing halfway. FULL:
	// a confirmed change survives a power cut.
	if db.writer, err = connect(path, 1, url.Values{"_synchronous": {"FULL"}, "_txlock": {"immediate"}}); err != nil {
		return nil, err
	}
	if db.reader, err = connect(path, 4, url.Values{"_query_only": {"on"}, "_txlock": {"deferred"}}); err != nil {
		return nil, errors.Join(err, db.writer.Close())
	}
	err = whole(ctx, db.writer)
	if err == nil {
		err = db.migrate(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), db.Close())
	}
	return db, nil
}

// Exists says whether a data directory has a database.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, databaseName))
	return err == nil
}

// whole looks for damage (PRAGMA quick_check).
func whole(ctx context.Context, handle *sql.DB) error {
	var found string
	err := handle.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found)
	if e := (sqlite3.Error{}); errors.As(err, &e) && (e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return fmt.Errorf("look for damage: %w", err)
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, found)
	}
	return nil
}

// driverName is go-sqlite3 with the settings that its addresses cannot name.
const driverName = "gatehouse-sqlite3"

// The WAL is copied into the database after so many pages of 4 KiB, and cut
// back to so many bytes once that is done: a large import must not keep its
// room on a small card for good.
const (
	checkpointPages = 256
	walBytes        = 1 << 20
)

func init() {
	sql.Register(driverName, &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		_, err := c.Exec(fmt.Sprintf("PRAGMA wal_autocheckpoint = %d; PRAGMA journal_size_limit = %d", checkpointPages, walBytes), nil)
		return err
	}})
}

func connect(path string, connections int, options url.Values) (*sql.DB, error) {
	for name, value := range map[string]string{"_journal_mode": "WAL", "_foreign_keys": "on", "_busy_timeout": "10000"} {
		options.Set(name, value)
	}
	handle, err := sql.Open(driverName, dataSource(path, options))
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	handle.SetMaxOpenConns(connections)
	return handle, nil
}

func dataSource(path string, options url.Values) string {
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}
	return dsn.String()
}

// lockDirectory keeps a second process from making the same files or running
// the same migration meanwhile. The lock goes with the process.
func lockDirectory(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %w", err), f.Close())
	}
	return func() { f.Close() }, nil
}

// Close closes the database. The writer goes last: it empties the WAL.
func (db *DB) Close() error { return errors.Join(db.reader.Close(), db.writer.Close()) }

func (db *DB) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db.writer, files)
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

// write runs f in one transaction that is undone if f fails. A fault of the
// disk comes back as a DiskError.
func (db *DB) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	if db.frozen.Load() {
		return errFrozen
	}
	return db.writeAnyway(ctx, f)
}

// writeAnyway is write also when the database is frozen.
func (db *DB) writeAnyway(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return ofDisk(fmt.Errorf("database: %w", err))
	}
	if err := f(tx); err != nil {
		return errors.Join(ofDisk(err), ignoreDone(tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return ofDisk(fmt.Errorf("database: %w", err))
	}
	return nil
}

// read runs f in a transaction that sees one state of the database.
func (db *DB) read(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := db.reader.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return errors.Join(f(tx), ignoreDone(tx.Rollback()))
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

func millis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms) }
