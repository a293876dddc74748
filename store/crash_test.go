package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// crashVar makes this test binary the victim: it works on the directory until
// it is killed, see TestMain.
const crashVar = "GATEHOUSE_STORE_CRASH"

// victim edits, confirms and copies, and says after each step what is done.
// Branch leeds carries the number of the edit in its note.
func victim(dir string) error {
	ctx := context.Background()
	db, err := Open(ctx, dir)
	if err != nil {
		return err
	}
	b, err := db.Branch(ctx, "leeds")
	if err != nil {
		return err
	}
	var n int
	if _, err := fmt.Sscanf(b.Note, "edit %d", &n); err != nil {
		return err
	}
	for {
		n++
		b.Note = fmt.Sprintf("edit %d", n)
		if err := db.PutBranch(ctx, "leeds", "", b); err != nil {
			return err
		}
		fmt.Printf("edited %d\n", n)
		switch n % 4 {
		case 0:
			rev, err := db.Commit(ctx, "victim", b.Note)
			if err != nil {
				return err
			}
			if err := db.Confirm(ctx, rev.ID); err != nil {
				return err
			}
			fmt.Printf("confirmed %d\n", rev.ID)
		case 1:
			if _, err := db.Commit(ctx, "victim", "never decided"); err != nil {
				return err
			}
		case 2:
			if _, err := db.Snapshot(ctx, time.Now()); err != nil {
				return err
			}
			fmt.Println("copied 0")
		}
	}
}

// kills is how often the victim dies.
const kills = 250

func TestKillingLosesNothingThatWasSaid(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db := open(t, dir)
	doc := example(t)
	doc.Branches[0].Note = "edit 0"
	if err := db.Import(ctx, doc); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	said := map[string]int64{}
	random := rand.New(rand.NewPCG(1, 2))
	for range kills {
		killVictim(t, dir, said, time.Duration(random.IntN(25_000))*time.Microsecond)
		db, err := Open(ctx, dir)
		if err != nil {
			t.Fatalf("after %v: %v", said, err)
		}
		checkSurvivor(t, db, said)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if said["edited"] < kills || said["confirmed"] == 0 || said["copied"] != 0 {
		t.Errorf("the victim did too little: %v", said)
	}
	all, err := snapshots(dir)
	if err != nil || len(all) == 0 {
		t.Errorf("%d snapshots, %v", len(all), err)
	}
	for _, s := range all {
		if err := checkFile(ctx, s); err != nil {
			t.Errorf("a copy that has its name is not whole: %s: %v", s, err)
		}
	}
}

// killVictim runs the victim, kills it some time after its first word, and
// notes what it said.
func killVictim(t *testing.T, dir string, said map[string]int64, after time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashVar+"="+dir)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := true
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var what string
		var n int64
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &what, &n); err != nil {
			t.Fatalf("the victim said %q", lines.Text())
		}
		said[what] = n
		if first {
			first = false
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); errs.Len() > 0 || first {
		t.Fatalf("the victim ended by itself: %v %s", err, errs.String())
	}
}

// checkSurvivor looks for everything that was said, and for nothing half done.
func checkSurvivor(t *testing.T, db *DB, said map[string]int64) {
	t.Helper()
	ctx := t.Context()
	doc, err := db.Draft(ctx)
	if err != nil {
		t.Fatalf("after %v: %v", said, err)
	}
	if err := doc.Validate(); err != nil {
		t.Fatalf("after %v the draft is not valid: %v", said, err)
	}
	var edit int64
	if _, err := fmt.Sscanf(doc.Branches[0].Note, "edit %d", &edit); err != nil || edit < said["edited"] || edit > said["edited"]+1 {
		t.Fatalf("said %v, found %q", said, doc.Branches[0].Note)
	}
	rev, err := db.Confirmed(ctx)
	if said["confirmed"] == 0 && errors.Is(err, ErrNotFound) {
		return
	}
	if err != nil || rev.ID < said["confirmed"] {
		t.Fatalf("said %v, revision %d is in force (%v)", said, rev.ID, err)
	}
	if rev.Document.Branches[0].PSK != testKey || rev.Document.Branches[0].Note != rev.Message {
		t.Fatalf("revision %d mixes states: %q %q", rev.ID, rev.Document.Branches[0].Note, rev.Message)
	}
	var confirmed int
	if err := db.reader.QueryRowContext(ctx, "SELECT count(*) FROM revisions WHERE state = 'confirmed'").Scan(&confirmed); err != nil || confirmed != 1 {
		t.Fatalf("%d revisions are confirmed (%v)", confirmed, err)
	}
}
