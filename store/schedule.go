package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// BackupSchedule says where a backup is written each day.
type BackupSchedule struct {
	// Directory is absolute and exists; often another disk or a share.
	Directory string
	// Keep is how many backups stay there, 1 to 1000.
	Keep       int
	Passphrase Secret
}

const (
	backupEvery   = 24 * time.Hour
	backupPrefix  = "gatehouse-"
	backupSuffix  = ".backup"
	backupStamp   = "20060102-150405"
	maxKept       = 1000
	scheduleOwner = "backup schedule"
)

// SetBackupSchedule begins or changes the daily backup.
func (db *DB) SetBackupSchedule(ctx context.Context, s BackupSchedule) error {
	c := &checker{}
	if info, err := os.Stat(s.Directory); !filepath.IsAbs(s.Directory) || err != nil || !info.IsDir() {
		c.bad("directory", "format", "%q must be a directory that exists, with its whole path", s.Directory)
	}
	if s.Keep < 1 || s.Keep > maxKept {
		c.bad("keep", "range", "must be 1 to %d", maxKept)
	}
	if len(s.Passphrase) < MinPassphrase {
		c.bad("passphrase", "length", "must have at least %d characters", MinPassphrase)
	}
	if len(c.found) > 0 {
		return c.found
	}
	return db.write(ctx, func(tx *sql.Tx) error {
		sealed, err := db.seal.seal(scheduleOwner, []byte(s.Passphrase.Reveal()))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO backup_schedule (id, directory, keep, passphrase) VALUES (1, ?, ?, ?)",
			s.Directory, s.Keep, sealed)
		if err != nil {
			return fmt.Errorf("write the backup schedule: %w", err)
		}
		return db.audit(ctx, tx, "edit", fmt.Sprintf("A backup is written into %s each day; the newest %d are kept.", s.Directory, s.Keep))
	})
}

// ClearBackupSchedule ends the daily backup. What it wrote stays.
func (db *DB) ClearBackupSchedule(ctx context.Context) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM backup_schedule"); err != nil {
			return fmt.Errorf("end the backup schedule: %w", err)
		}
		return db.audit(ctx, tx, "edit", "No backup is written each day any more.")
	})
}

// BackupSchedule reads the schedule; ErrNotFound if there is none.
func (db *DB) BackupSchedule(ctx context.Context) (BackupSchedule, error) {
	var s BackupSchedule
	var sealed []byte
	err := db.reader.QueryRowContext(ctx, "SELECT directory, keep, passphrase FROM backup_schedule").Scan(&s.Directory, &s.Keep, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("backup schedule: %w", ErrNotFound)
	}
	if err != nil {
		return s, fmt.Errorf("backup schedule: %w", err)
	}
	plain, err := db.seal.open(scheduleOwner, sealed)
	s.Passphrase = Secret(plain)
	return s, err
}

// DueBackup writes a backup if there is a schedule and the newest backup in its
// directory is older than a day, and then drops the oldest. It gives the new
// file's name; empty if none was due.
func (db *DB) DueBackup(ctx context.Context, now time.Time) (string, error) {
	s, err := db.BackupSchedule(ctx)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	all, err := backupsIn(s.Directory)
	if err != nil {
		return "", fmt.Errorf("daily backup: %w", err)
	}
	if len(all) > 0 {
		last, err := backupTime(all[0])
		if err == nil && now.Sub(last) < backupEvery && !last.After(now.Add(backupEvery)) {
			return "", nil
		}
	}
	path := filepath.Join(s.Directory, backupPrefix+now.UTC().Format(backupStamp)+backupSuffix)
	if err := db.backupFile(ctx, path, s.Passphrase.Reveal(), now); err != nil {
		return "", fmt.Errorf("daily backup: %w", err)
	}
	return path, dropOldest(all, s.Keep-1)
}

// backupFile writes a backup into a file.
func (db *DB) backupFile(ctx context.Context, path, passphrase string, now time.Time) error {
	return wholeFile(path, func(f *os.File) error { return db.Backup(ctx, f, passphrase, now) })
}

// backupTime reads the time out of a backup's name.
func backupTime(path string) (time.Time, error) {
	return time.Parse(backupStamp, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), backupPrefix), backupSuffix))
}

// backupsIn lists the backups that a schedule wrote, the newest first.
func backupsIn(dir string) ([]string, error) {
	all, err := newestFirst(dir, backupPrefix, backupSuffix)
	return slices.DeleteFunc(all, func(path string) bool { _, err := backupTime(path); return err != nil }), err
}
