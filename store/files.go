package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// wholeFile writes a file of mode 0600 under a name that is only there once the
// file is whole and on the disk. What had the name before is replaced.
func wholeFile(path string, write func(*os.File) error) error {
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(part)
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// newestFirst lists the files that have a time between prefix and suffix of
// their names, the newest first. Other files are nobody's business.
func newestFirst(dir, prefix, suffix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), suffix) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}

// dropOldest removes all but the first few of what newestFirst listed.
func dropOldest(all []string, keep int) error {
	for _, old := range all[min(keep, len(all)):] {
		if err := os.Remove(old); err != nil {
			return fmt.Errorf("drop an old copy: %w", err)
		}
	}
	return nil
}
