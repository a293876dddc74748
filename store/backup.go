package store

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"
)

// MinPassphrase of an encrypted file, in bytes. The file may get into any
// hands, so guessing it is only slowed down by its key derivation.
const MinPassphrase = 12

// workFactor of scrypt as a power of two: 64 MiB and about half a second on a
// Raspberry Pi. maxWorkFactor is the most that a file may ask of its reader.
const workFactor, maxWorkFactor = 16, 18

// scryptWork is workFactor but where a test has no time for it.
var scryptWork = workFactor

// Encrypt gives a writer whose content only the passphrase opens (age,
// passphrase recipient). Close ends the file.
func Encrypt(w io.Writer, passphrase string) (io.WriteCloser, error) {
	if len(passphrase) < MinPassphrase {
		return nil, fmt.Errorf("the passphrase is too short: use at least %d characters", MinPassphrase)
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(scryptWork)
	return age.Encrypt(w, to)
}

// ErrPassphrase says that a passphrase does not open a file.
var ErrPassphrase = errors.New("this passphrase does not open the file")

// Decrypt reads what Encrypt wrote. An error while reading means that the file
// is damaged; what was read before it must not be used.
func Decrypt(r io.Reader, passphrase string) (io.Reader, error) {
	from, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	from.SetMaxWorkFactor(maxWorkFactor)
	plain, err := age.Decrypt(r, from)
	if no := (*age.NoIdentityMatchError)(nil); errors.As(err, &no) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("this is no encrypted file of Gatehouse: %w", err)
	}
	return plain, nil
}

// backupFormat is the version of a backup's layout.
const backupFormat = 1

// backupHead is the first file of a backup.
type backupHead struct {
	Format  int       `json:"format"`
	Created time.Time `json:"created"`
}

// Names in a backup. All but pageFiles must be there.
const backupHeadName = "backup.json"

var (
	neededFiles = []string{backupHeadName, databaseName, keyName}
	pageFiles   = []string{"page.crt", "page.key"}
)

// maxBackupFile bounds each file of a backup, in bytes.
const maxBackupFile = 1 << 30

// Backup writes everything that a gateway needs to come back on other
// hardware, encrypted: the database as it is at one moment, the device key and
// the page's certificate.
func (db *DB) Backup(ctx context.Context, w io.Writer, passphrase string, now time.Time) error {
	dir, err := os.MkdirTemp(db.dir, ".backup-*")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := db.copyTo(ctx, filepath.Join(dir, databaseName)); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	head, err := json.Marshal(backupHead{backupFormat, now.UTC()})
	if err != nil {
		return err
	}
	sealed, err := Encrypt(w, passphrase)
	if err != nil {
		return err
	}
	out := tar.NewWriter(sealed)
	if err := addBytes(out, backupHeadName, head, now); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	for _, f := range []string{filepath.Join(dir, databaseName), filepath.Join(db.dir, keyName),
		filepath.Join(db.dir, pageFiles[0]), filepath.Join(db.dir, pageFiles[1])} {
		err := addFile(out, f, now)
		if errors.Is(err, os.ErrNotExist) && slices.Contains(pageFiles, filepath.Base(f)) {
			continue // the page has not been served yet
		}
		if err != nil {
			return fmt.Errorf("backup: %w", err)
		}
	}
	if err := errors.Join(out.Close(), sealed.Close()); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

func addBytes(out *tar.Writer, name string, b []byte, now time.Time) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(b)), ModTime: now}); err != nil {
		return err
	}
	_, err := out.Write(b)
	return err
}

func addFile(out *tar.Writer, path string, now time.Time) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := out.WriteHeader(&tar.Header{Name: filepath.Base(path), Mode: 0o600, Size: info.Size(), ModTime: now}); err != nil {
		return err
	}
	_, err = io.Copy(out, f)
	return err
}

// Unpack reads a backup into an empty directory of mode 0700, where Open takes
// it. Nothing of a damaged backup is left there.
func Unpack(r io.Reader, passphrase, dir string) (created time.Time, err error) {
	plain, err := Decrypt(r, passphrase)
	if err != nil {
		return created, err
	}
	defer func() {
		if err != nil {
			for _, name := range append(slices.Clone(neededFiles), pageFiles...) {
				os.Remove(filepath.Join(dir, name))
			}
		}
	}()
	seen := map[string]bool{}
	for in := tar.NewReader(plain); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return created, fmt.Errorf("the backup is damaged: %w", err)
		}
		known := slices.Contains(neededFiles, h.Name) || slices.Contains(pageFiles, h.Name)
		if !known || seen[h.Name] || h.Typeflag != tar.TypeReg || h.Size > maxBackupFile {
			return created, fmt.Errorf("the backup has a file that does not belong there: %q", h.Name)
		}
		seen[h.Name] = true
		if err := unpackFile(in, filepath.Join(dir, h.Name)); err != nil {
			return created, fmt.Errorf("the backup is damaged or cannot be unpacked: %w", err)
		}
	}
	// The end of the encrypted file proves that nothing was cut off.
	if _, err := io.Copy(io.Discard, io.LimitReader(plain, maxBackupFile)); err != nil {
		return created, fmt.Errorf("the backup is damaged: %w", err)
	}
	for _, name := range neededFiles {
		if !seen[name] {
			return created, fmt.Errorf("the backup has no %s", name)
		}
	}
	return readHead(filepath.Join(dir, backupHeadName))
}

func unpackFile(in io.Reader, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Sync(), f.Close())
}

func readHead(path string) (time.Time, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, err
	}
	var head backupHead
	if err := json.Unmarshal(text, &head); err != nil {
		return time.Time{}, fmt.Errorf("the backup's %s: %w", backupHeadName, err)
	}
	if head.Format != backupFormat {
		return time.Time{}, fmt.Errorf("the backup has format %d; this version knows format %d", head.Format, backupFormat)
	}
	return head.Created, os.Remove(path)
}
