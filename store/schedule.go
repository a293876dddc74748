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
		stamp := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(all[0]), backupPrefix), backupSuffix)
		if last, err := time.Parse(backupStamp, stamp); err == nil && now.Sub(last) < backupEvery && !last.After(now.Add(backupEvery)) {
			return "", nil
		}
	}
	path := filepath.Join(s.Directory, backupPrefix+now.UTC().Format(backupStamp)+backupSuffix)
	if err := db.backupFile(ctx, path, s.Passphrase.Reveal(), now); err != nil {
		return "", fmt.Errorf("daily backup: %w", err)
	}
	for _, old := range all[min(s.Keep-1, len(all)):] {
		if err := os.Remove(old); err != nil {
			return path, fmt.Errorf("drop an old backup: %w", err)
		}
	}
	return path, nil
}

// backupFile writes a backup under a name that is only there once it is whole
// and on the disk.
func (db *DB) backupFile(ctx context.Context, path, passphrase string, now time.Time) error {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(part)
	err = db.Backup(ctx, f, passphrase, now)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// backupsIn lists the backups that a schedule wrote, the newest first. Other
// files in the directory are nobody's business.
func backupsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		stamp, ours := strings.CutPrefix(e.Name(), backupPrefix)
		stamp, whole := strings.CutSuffix(stamp, backupSuffix)
		if _, err := time.Parse(backupStamp, stamp); ours && whole && err == nil {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}
