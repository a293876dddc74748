package store

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretsDoNotShow(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	rev, err := db.Commit(ctx, "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Confirm(ctx, rev.ID); err != nil {
		t.Fatal(err)
	}
	doc, _ := db.Draft(ctx)
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "psk", doc.Branches[0].PSK, "branch", doc.Branches[0], "document", doc, "revision", rev)
	}
	export, err := doc.WithoutSecrets().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q %#v", doc, doc, doc, doc.Branches[0].PSK, doc.Branches[0].PSK, rev)
	for _, verb := range []string{"%d", "%x", "%t", "%v", "%#v"} {
		shown += fmt.Sprintf(verb, doc.Branches[0].PSK)
	}
	shown += log.String() + string(export)
	if strings.Contains(shown, testKey) {
		t.Error("a secret shows")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%q %v", files, err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(testKey)) {
			t.Errorf("%s holds the key in clear", f)
		}
		if info, _ := os.Stat(f); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", f, info.Mode().Perm())
		}
	}
}

func TestAnotherDeviceKeyOpensNothing(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if err := os.Remove(filepath.Join(dir, keyName)); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir).Draft(ctx); err == nil || !strings.Contains(err.Error(), "leeds") {
		t.Errorf("%v", err)
	}
	if err := os.Chmod(filepath.Join(dir, keyName), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, dir); err == nil {
		t.Error("a key that others can read is accepted")
	}
}

func TestASealedKeyOpensOnlyInItsPlace(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		rev, err := db.Commit(ctx, "a", "b")
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Confirm(ctx, rev.ID); err != nil {
			t.Fatal(err)
		}
	}
	for _, moved := range []string{
		"UPDATE branches SET name = 'york'",
		"UPDATE revisions SET secrets = (SELECT secrets FROM revisions WHERE id = 1) WHERE id = 2",
	} {
		if _, err := db.writer.Exec(moved); err != nil {
			t.Fatal(err)
		}
	}
	// Another process: this one remembers what it read.
	db = open(t, dir)
	if _, err := db.Draft(ctx); err == nil {
		t.Error("a key moved to another branch still opens")
	}
	if _, err := db.Confirmed(ctx); err == nil {
		t.Error("keys moved to another revision still open")
	}
}
