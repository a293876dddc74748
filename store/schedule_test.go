package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestADailyBackupIsWrittenAndTheOldestGo(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db := open(t, dir)
	if err := db.Import(ctx, everything(t)); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	if path, err := db.DueBackup(ctx, now); path != "" || err != nil {
		t.Fatalf("without a schedule: %q %v", path, err)
	}
	target := t.TempDir()
	schedule := BackupSchedule{Directory: target, Keep: 3, Passphrase: "a passphrase of the office"}
	for field, change := range map[string]func(*BackupSchedule){
		"directory":  func(s *BackupSchedule) { s.Directory = filepath.Join(target, "nowhere") },
		"keep":       func(s *BackupSchedule) { s.Keep = 0 },
		"passphrase": func(s *BackupSchedule) { s.Passphrase = "short" },
	} {
		bad := schedule
		change(&bad)
		var found ValidationError
		if err := db.SetBackupSchedule(ctx, bad); !errors.As(err, &found) || found[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := db.SetBackupSchedule(ctx, schedule); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(target, "gatehouse-notes.backup"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var last string
	for day := range 5 {
		path, err := db.DueBackup(ctx, now.Add(time.Duration(day)*25*time.Hour))
		if err != nil || path == "" {
			t.Fatalf("day %d: %q %v", day, path, err)
		}
		if again, err := db.DueBackup(ctx, now.Add(time.Duration(day)*25*time.Hour+time.Hour)); again != "" || err != nil {
			t.Errorf("day %d: a second one: %q %v", day, again, err)
		}
		last = path
	}
	names, err := os.ReadDir(target)
	if err != nil || len(names) != 4 {
		t.Errorf("%v %v", names, err)
	}
	// And it is a backup like any other.
	f, err := os.Open(last)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	restored := t.TempDir()
	if _, err := Unpack(f, schedule.Passphrase.Reveal(), restored); err != nil {
		t.Fatal(err)
	}
	if b, err := open(t, restored).Branch(ctx, "leeds"); err != nil || b.PSK != testKey {
		t.Errorf("%v", err)
	}
	var plain int
	if err := db.reader.QueryRow("SELECT count(*) FROM backup_schedule WHERE instr(passphrase, 'office')").Scan(&plain); err != nil || plain != 0 {
		t.Errorf("the passphrase is not sealed: %v", err)
	}
	// A share that is gone is told, and nothing is dropped.
	if err := os.Rename(target, target+"-gone"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.DueBackup(ctx, now.Add(1000*time.Hour)); err == nil || !strings.Contains(err.Error(), "daily backup") {
		t.Errorf("%v", err)
	}
	if err := db.ClearBackupSchedule(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.BackupSchedule(ctx); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}
