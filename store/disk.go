package store

import (
	"errors"

	"github.com/mattn/go-sqlite3"
)

// DiskError says that nothing was saved because of the disk, in a sentence for
// the admin.
type DiskError struct {
	Message string
	cause   error
}

func (e DiskError) Error() string {
	if e.cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.cause.Error()
}

func (e DiskError) Unwrap() error { return e.cause }

// ofDisk makes a DiskError of an error that is the disk's.
func ofDisk(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case sqlite3.ErrFull:
		return DiskError{"The disk is full. Nothing was saved", err}
	case sqlite3.ErrReadonly:
		return DiskError{"The disk is read-only. Nothing was saved", err}
	case sqlite3.ErrIoErr, sqlite3.ErrCantOpen:
		return DiskError{"The disk does not work. Nothing was saved", err}
	}
	return err
}

// Freeze makes every change but events and the audit log fail from now on: the
// database is a copy in memory, and what is written there is lost at the next
// start.
func (db *DB) Freeze() { db.frozen.Store(true) }

var errFrozen = DiskError{Message: "The disk is read-only. Nothing was saved; replace it and restart"}
