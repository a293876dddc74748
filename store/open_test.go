package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestANewerDatabaseIsRefused(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if _, err := db.writer.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if _, err := Open(ctx, dir); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("%v", err)
	}
}

func TestManyWritersAtOnce(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if err := a.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			db := a
			if i%2 == 0 {
				db = b
			}
			for range 5 {
				doc := example(t)
				if err := db.Import(ctx, doc); err != nil {
					t.Error(err)
				}
				if err := db.AppendEvents(ctx, Event{Time: time.Now(), Severity: "info", Kind: "system", Message: "x"}); err != nil {
					t.Error(err)
				}
				if _, err := db.Changes(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if ev, err := a.Events(ctx, 1000); err != nil || len(ev) != 100 {
		t.Errorf("%d events, %v", len(ev), err)
	}
}

func TestModesDoNotDependOnTheUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "a", "data")
	db := open(t, dir)
	if err := db.Import(context.Background(), example(t)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %o, %v", info.Mode().Perm(), err)
	}
	for _, name := range []string{databaseName, databaseName + "-wal", databaseName + "-shm", keyName} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestFirstStartOfManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			db, err := Open(context.Background(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if err := db.Import(context.Background(), example(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// importing makes this test binary a second process, see TestMain.
const importing = "GATEHOUSE_TEST_IMPORT_INTO"

func TestMain(m *testing.M) {
	for variable, work := range map[string]func(string) error{importing: importOften, crashVar: victim, openVar: openAndClose} {
		dir := os.Getenv(variable)
		if dir == "" {
			continue
		}
		if err := work(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func importOften(dir string) error {
	text, err := os.Open("../docs/office.json")
	if err != nil {
		return err
	}
	defer text.Close()
	doc, err := ParseDocument(text)
	if err != nil {
		return err
	}
	for i := range 30 {
		db, err := Open(context.Background(), dir)
		if err != nil {
			return err
		}
		doc.System.Name = fmt.Sprintf("gw%d", i)
		if err := errors.Join(db.Import(context.Background(), doc), db.Close()); err != nil {
			return err
		}
	}
	return nil
}

func TestAnotherProcessImportsMeanwhile(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), importing+"="+dir)
	var said bytes.Buffer
	other.Stderr = &said
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- other.Wait() }()
	for running := true; running; {
		rev, err := db.Commit(ctx, "daemon", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Confirm(ctx, rev.ID); err != nil {
			t.Fatal(err)
		}
		if doc, err := db.Draft(ctx); err != nil || len(doc.Branches) > 0 && doc.Branches[0].PSK.Reveal() != testKey {
			t.Fatalf("half a document: %v, %v", doc, err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("%v: %s", err, &said)
			}
			running = false
		default:
		}
	}
	if doc, err := db.Draft(ctx); err != nil || doc.System.Name != "gw29" {
		t.Errorf("what the other process wrote last is not there: %v", doc.System)
	}
}
