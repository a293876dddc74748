package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A dying SD card often turns read-only. The office still needs its gateway, so
// this one then runs from a copy of its directory in memory, where nothing can
// be changed.

// copyDirectory is where copies are made; /run is in memory.
const copyDirectory = "/run"

// maxCopy bounds the copy in bytes.
const maxCopy = 256 << 20

// workingDirectory is the data directory itself, or a copy of it if its file
// system is read-only. done takes the copy away.
func workingDirectory(dir string) (work string, readOnly bool, done func() error, err error) {
	nothing := func() error { return nil }
	if err := unix.Access(dir, unix.W_OK); !errors.Is(err, unix.EROFS) {
		return dir, false, nothing, nil
	}
	unlock, err := lockReadOnly(dir)
	if err != nil {
		return "", true, nothing, err
	}
	work = copyOf(dir)
	// What an earlier process left is as old as the disk, or older.
	if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700)); err != nil {
		return "", true, nothing, fmt.Errorf("%s is read-only, and there is no room for a copy: %w", dir, err)
	}
	done = func() error { return errors.Join(os.RemoveAll(work), unlock()) }
	if err := copyFiles(dir, work); err != nil {
		return "", true, nothing, errors.Join(fmt.Errorf("%s is read-only and cannot be copied: %w", dir, err), done())
	}
	return work, true, done, nil
}

// lockReadOnly keeps a second gateway from taking the copy away: lockDirectory
// on a disk that can only be read.
func lockReadOnly(dir string) (unlock func() error, err error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another gatehouse already runs on %s", dir), f.Close())
	}
	return f.Close, nil
}

// copyOf is where the copy of a directory is, so that commands find the control
// socket.
func copyOf(dir string) string {
	if whole, err := filepath.Abs(dir); err == nil {
		dir = whole
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(copyDirectory, "gatehouse-"+hex.EncodeToString(sum[:8]))
}

// copyFiles copies the plain files of a directory and of those in it.
func copyFiles(from, to string) error {
	left := int64(maxCopy)
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		case !e.Type().IsRegular():
			return nil
		}
		n, err := copyPart(path, filepath.Join(to, name), left)
		if left -= n; err == nil && left <= 0 {
			err = fmt.Errorf("its files are larger than %d bytes", int64(maxCopy))
		}
		return err
	})
}

func copyPart(from, to string, limit int64) (n int64, err error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(out, io.LimitReader(in, limit))
	return n, errors.Join(err, out.Close())
}
