package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
	scryptWork = 8 // or it would always die while it hashes
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
		// What acts at once, and a list of which only the difference is written.
		user := fmt.Sprintf(`{"name":"user-%d","enabled":true,"password":"password of %d"}`, n, n)
		if _, err := db.PutObject(ctx, "user", "", "", Input{JSON: []byte(user)}); err != nil && !strings.Contains(err.Error(), "used twice") {
			return err
		}
		fmt.Printf("user %d\n", n)
		if err := db.ChangeEntries(ctx, "blocked", []AddressRange{rangeOf([4]byte{10, 77, byte(n >> 8), byte(n)})}, nil); err != nil {
			return err
		}
		fmt.Printf("entry %d\n", n)
		if n%10 == 7 {
			path := filepath.Join(dir, fmt.Sprintf("%s%d%s", backupPrefix, n, backupSuffix))
			if err := db.backupFile(ctx, path, crashPassphrase, time.Now()); err != nil {
				return err
			}
			fmt.Printf("backup %d\n", n)
		}
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

const crashPassphrase = "a passphrase of the victim"

// kills is how often the victim dies.
const kills = 250

func TestKillingLosesNothingThatWasSaid(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db := open(t, dir)
	doc := example(t)
	doc.Branches[0].Note = "edit 0"
	doc.Lists = []List{{Name: "blocked"}}
	if err := db.Import(ctx, doc); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	said := map[string]int64{}
	random := rand.New(rand.NewPCG(1, 2))
	for range kills {
		killVictim(t, dir, said, 1+random.IntN(12), time.Duration(random.IntN(4_000))*time.Microsecond)
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
	checkBackups(t, dir)
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

// checkBackups opens some of the backups that have their names.
func checkBackups(t *testing.T, dir string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, backupPrefix+"*"+backupSuffix))
	if err != nil || len(all) == 0 {
		t.Fatalf("%d backups, %v", len(all), err)
	}
	for i := 0; i < len(all); i += max(1, len(all)/5) {
		f, err := os.Open(all[i])
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		restored := t.TempDir()
		if _, err := Unpack(f, crashPassphrase, restored); err != nil {
			t.Fatalf("%s has its name and is not whole: %v", all[i], err)
		}
		if doc, err := open(t, restored).Draft(t.Context()); err != nil || doc.Validate() != nil {
			t.Errorf("%s: %v", all[i], err)
		}
	}
}

// killVictim runs the victim, kills it some time after so many words, and
// notes what it said. By words, because on a busy machine it gets nowhere in any
// time.
func killVictim(t *testing.T, dir string, said map[string]int64, words int, after time.Duration) {
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
	heard := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var what string
		var n int64
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &what, &n); err != nil {
			t.Fatalf("the victim said %q", lines.Text())
		}
		said[what] = n
		if heard++; heard == words {
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); errs.Len() > 0 || heard < words {
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
	if n := said["user"]; n > 0 {
		if _, err := db.Object(ctx, "user", fmt.Sprintf("user-%d", n)); err != nil {
			t.Fatalf("after %v: %v", said, err)
		}
	}
	if n := said["entry"]; n > 0 {
		if _, total, err := db.Entries(ctx, "blocked", fmt.Sprintf("10.77.%d.%d", n>>8&255, n&255), 0, 1); err != nil || total != 1 {
			t.Fatalf("after %v: %d entries, %v", said, total, err)
		}
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
