package store

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testPassphrase = "a passphrase for tests"

func backedUp(t *testing.T) []byte {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "page.crt"), []byte("a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := db.Backup(ctx, &out, testPassphrase, time.Now()); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".backup-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	return out.Bytes()
}

func TestABackupComesBackElsewhere(t *testing.T) {
	sealed := backedUp(t)
	if bytes.Contains(sealed, []byte("SQLite format")) || bytes.Contains(sealed, []byte("leeds")) {
		t.Error("the backup can be read")
	}
	dir := t.TempDir()
	created, err := Unpack(bytes.NewReader(sealed), testPassphrase, dir)
	if err != nil || time.Since(created) > time.Minute {
		t.Fatalf("%v %v", created, err)
	}
	got, err := open(t, dir).Draft(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(example(t), got, compare); d != "" {
		t.Errorf("with its secrets: %s", d)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "page.crt")); err != nil || string(text) != "a certificate" {
		t.Errorf("%q %v", text, err)
	}
}

func TestABackupThatIsNotWholeLeavesNothing(t *testing.T) {
	sealed := backedUp(t)
	changed := bytes.Clone(sealed)
	changed[len(changed)/2] ^= 1
	for name, c := range map[string]struct {
		file       []byte
		passphrase string
		want       string
	}{
		"another passphrase": {sealed, "another passphrase", ErrPassphrase.Error()},
		"a changed bit":      {changed, testPassphrase, "damaged"},
		"cut off":            {sealed[:len(sealed)-1], testPassphrase, "damaged"},
		"cut in half":        {sealed[:len(sealed)/2], testPassphrase, ""},
		"empty":              {nil, testPassphrase, "no encrypted file"},
		"something else":     {[]byte(strings.Repeat("not a backup ", 100)), testPassphrase, "no encrypted file"},
	} {
		dir := t.TempDir()
		if _, err := Unpack(bytes.NewReader(c.file), c.passphrase, dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s left %v %v", name, left, err)
		}
	}
}

// Whoever knows the passphrase can still not write where they like.
func TestOnlyABackupsOwnFilesAreUnpacked(t *testing.T) {
	for name, files := range map[string][]tar.Header{
		"a path":      {{Name: "../../etc/cron.d/evil"}},
		"absolute":    {{Name: "/etc/passwd"}},
		"a link":      {{Name: databaseName, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}},
		"twice":       {{Name: keyName}, {Name: keyName}},
		"not all":     {{Name: keyName}, {Name: databaseName}},
		"a directory": {{Name: databaseName, Typeflag: tar.TypeDir}},
	} {
		var sealed bytes.Buffer
		w, err := Encrypt(&sealed, testPassphrase)
		if err != nil {
			t.Fatal(err)
		}
		out := tar.NewWriter(w)
		for _, h := range files {
			if err := out.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(out.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if _, err := Unpack(&sealed, testPassphrase, dir); err == nil {
			t.Errorf("%s was unpacked", name)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s left %v %v", name, left, err)
		}
	}
}

func TestShortPassphrasesAreRefused(t *testing.T) {
	if _, err := Encrypt(io.Discard, "short"); err == nil {
		t.Error("a short passphrase sealed a file")
	}
}
