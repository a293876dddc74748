package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSnapshotsAreWholeWhileOthersWrite(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := db.AppendEvents(ctx, Event{Time: time.Now(), Severity: "info", Kind: "system", Message: fmt.Sprint(i)}); err != nil {
				done <- err
				return
			}
		}
	}()
	now := time.Now()
	for i := range keepSnapshots + 3 {
		path, err := db.Snapshot(ctx, now.Add(time.Duration(i)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if err := checkFile(ctx, path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	all, err := snapshots(dir)
	if err != nil || len(all) != keepSnapshots {
		t.Errorf("%d snapshots are kept, %v", len(all), err)
	}
	last, err := db.LastSnapshot()
	if want := now.Add((keepSnapshots + 2) * time.Second); err != nil || want.Sub(last).Abs() > time.Second {
		t.Errorf("the newest is of %v, not %v (%v)", last, want, err)
	}
}

// damage overwrites part of a file as a dying card would.
func damage(t *testing.T, path string, offset int64, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	junk := make([]byte, n)
	for i := range junk {
		junk[i] = byte(i*7 + 3)
	}
	if _, err := f.WriteAt(junk, offset); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedDatabaseIsSetAsideForTheNewestWholeSnapshot(t *testing.T) {
	for name, c := range map[string]struct {
		offset int64
		n      int
	}{"its header": {0, 100}, "its middle": {4096, 3 * 4096}, "all of it": {0, 40 * 4096}} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			dir := t.TempDir()
			db := open(t, dir)
			if err := db.Import(ctx, example(t)); err != nil {
				t.Fatal(err)
			}
			good, err := db.Snapshot(ctx, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			bad, err := db.Snapshot(ctx, time.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, filepath.Join(dir, databaseName), c.offset, c.n)
			damage(t, bad, c.offset, c.n)
			if _, err := Open(ctx, dir); !errors.Is(err, ErrDamaged) {
				t.Fatalf("a damaged database opened: %v", err)
			}
			r, err := Recover(ctx, dir, time.Now())
			if err != nil || r.Snapshot != good || r.Taken.IsZero() {
				t.Fatalf("%+v %v", r, err)
			}
			if _, err := os.Stat(r.Damaged); err != nil {
				t.Errorf("the damaged file is gone: %v", err)
			}
			got, err := open(t, dir).Draft(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(example(t), got, compare); d != "" {
				t.Errorf("with its secrets: %s", d)
			}
		})
	}
}

func TestWithoutASnapshotTheDatabaseIsNew(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, databaseName), []byte("this was never a database, whatever its name says"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, dir); !errors.Is(err, ErrDamaged) {
		t.Fatalf("%v", err)
	}
	r, err := Recover(ctx, dir, time.Now())
	if err != nil || r.Snapshot != "" {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := open(t, dir).Confirmed(ctx); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}
