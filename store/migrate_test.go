package store

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stored copies a data directory of an earlier release. Each was made by that
// release's own binary: config import docs/office.json, then apply.
func stored(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{databaseName, keyName} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestEveryReleasedSchemaComesForward(t *testing.T) {
	ctx := context.Background()
	all, err := filepath.Glob("testdata/schema-*")
	if err != nil || len(all) == 0 {
		t.Fatalf("%v %v", all, err)
	}
	for _, from := range all {
		t.Run(filepath.Base(from), func(t *testing.T) {
			db := open(t, stored(t, from))
			draft, err := db.Draft(ctx)
			if err != nil {
				t.Fatal(err)
			}
			rev, err := db.Confirmed(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for name, doc := range map[string]Document{"draft": draft, "revision": rev.Document} {
				if d := cmp.Diff(example(t), doc, compare); d != "" {
					t.Errorf("%s, with its secrets: %s", name, d)
				}
			}
			before, err := db.VerifyAudit(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.DeleteBranch(ctx, "leeds"); err != nil {
				t.Errorf("it cannot be changed: %v", err)
			}
			if err := db.Import(ctx, everything(t)); err != nil {
				t.Errorf("it does not take every kind: %v", err)
			}
			if n, err := db.VerifyAudit(ctx); err != nil || n != before+2 {
				t.Errorf("%d audit entries after %d, %v", n, before, err)
			}
		})
	}
}

func TestAFailedMigrationLeavesTheOldFileUsable(t *testing.T) {
	ctx := context.Background()
	dir := stored(t, "testdata/schema-1")
	handle, err := sql.Open("sqlite3", filepath.Join(dir, databaseName))
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	// The migration will find its table there already.
	if _, err := handle.ExecContext(ctx, "CREATE TABLE audit (other TEXT)"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, dir); err == nil || !strings.Contains(err.Error(), "schema") {
		t.Fatalf("%v", err)
	}
	var name string
	if err := handle.QueryRowContext(ctx, "SELECT name FROM branches").Scan(&name); err != nil || name != "leeds" {
		t.Errorf("%q %v", name, err)
	}
	if _, err := handle.ExecContext(ctx, "DROP TABLE audit"); err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, dir).Branch(ctx, "leeds"); err != nil || got.PSK != testKey {
		t.Errorf("once the obstacle is gone: %v", err)
	}
}

func TestKillingAMigrationLosesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	interrupted := 0
	for range 60 {
		dir := stored(t, "testdata/schema-1")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), openVar+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(random.IntN(60_000))*time.Microsecond, func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			interrupted++
		}
		kill.Stop()
		got, err := open(t, dir).Branch(t.Context(), "leeds")
		if err != nil || got.PSK != testKey {
			t.Fatalf("%v", err)
		}
	}
	if interrupted == 0 {
		t.Error("no migration was interrupted")
	}
}

// openVar makes this test binary open a directory and close it again, see
// TestMain.
const openVar = "GATEHOUSE_STORE_OPEN"

func openAndClose(dir string) error {
	db, err := Open(context.Background(), dir)
	if err != nil {
		return err
	}
	return db.Close()
}
