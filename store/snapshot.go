package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Snapshots are whole copies of the database beside it, for the day it is
// damaged. Secrets in them are sealed as in the database.
const (
	snapshotDirectory = "snapshots"
	snapshotPrefix    = "gatehouse-"
	snapshotSuffix    = ".db"
	snapshotStamp     = "20060102-150405.000"
	keepSnapshots     = 10
)

// Snapshot copies the database as it is at one moment, while others read and
// write, and drops the oldest copies. It gives the copy's name.
func (db *DB) Snapshot(ctx context.Context, now time.Time) (string, error) {
	dir := filepath.Join(db.dir, snapshotDirectory)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("snapshot: %w", err)
	}
	path := filepath.Join(dir, snapshotPrefix+now.UTC().Format(snapshotStamp)+snapshotSuffix)
	if err := db.copyTo(ctx, path); err != nil {
		return "", fmt.Errorf("snapshot: %w", err)
	}
	all, err := snapshots(db.dir)
	if err != nil {
		return path, err
	}
	return path, dropOldest(all, keepSnapshots)
}

// copyTo writes a consistent copy.
func (db *DB) copyTo(ctx context.Context, path string) error {
	return wholeFile(path, func(f *os.File) error {
		// A connection of its own: the readers may not write anywhere, and
		// writers shall not wait.
		handle, err := connect(filepath.Join(db.dir, databaseName), 1, url.Values{})
		if err != nil {
			return err
		}
		defer handle.Close()
		// SQLite would make the file with the umask's mode; ours is there, empty.
		_, err = handle.ExecContext(ctx, "VACUUM INTO ?", f.Name())
		return err
	})
}

// snapshots lists the copies, the newest first.
func snapshots(dir string) ([]string, error) {
	out, err := newestFirst(filepath.Join(dir, snapshotDirectory), snapshotPrefix, snapshotSuffix)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	return out, nil
}

// LastSnapshot is when the newest copy was made; zero if there is none.
func (db *DB) LastSnapshot() (time.Time, error) {
	all, err := snapshots(db.dir)
	if err != nil || len(all) == 0 {
		return time.Time{}, err
	}
	return takenAt(all[0])
}

// takenAt reads the time out of a snapshot's name.
func takenAt(path string) (time.Time, error) {
	return time.Parse(snapshotStamp, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), snapshotPrefix), snapshotSuffix))
}

// Recovery says what was done about a damaged database.
type Recovery struct {
	// Damaged is where the damaged file was set aside.
	Damaged string
	// Snapshot is the copy that took its place, and Taken when it was made;
	// empty if none was whole, and the database is new.
	Snapshot string
	Taken    time.Time
}

// Recover sets a damaged database aside and puts the newest whole snapshot in
// its place. Nobody may have the database open.
func Recover(ctx context.Context, dir string, now time.Time) (Recovery, error) {
	unlock, err := lockDirectory(dir)
	if err != nil {
		return Recovery{}, fmt.Errorf("data directory %s: %w", dir, err)
	}
	defer unlock()
	path := filepath.Join(dir, databaseName)
	r := Recovery{Damaged: filepath.Join(dir, "damaged-"+now.UTC().Format(snapshotStamp)+".db")}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, r.Damaged+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return r, fmt.Errorf("set the damaged database aside: %w", err)
		}
	}
	all, err := snapshots(dir)
	if err != nil {
		return r, err
	}
	for _, s := range all {
		if checkFile(ctx, s) != nil {
			continue
		}
		if err := copyFile(s, path); err != nil {
			return r, fmt.Errorf("bring back a snapshot: %w", err)
		}
		r.Snapshot = s
		r.Taken, _ = takenAt(s)
		break
	}
	return r, syncDirectory(dir)
}

// checkFile opens a database for itself and looks whether it is whole.
func checkFile(ctx context.Context, path string) error {
	handle, err := sql.Open("sqlite3", dataSource(path, url.Values{"mode": {"ro"}, "immutable": {"1"}}))
	if err != nil {
		return err
	}
	defer handle.Close()
	return whole(ctx, handle)
}

// copyFile copies to a file of mode 0600.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return wholeFile(to, func(f *os.File) error {
		_, err := io.Copy(f, in)
		return err
	})
}
