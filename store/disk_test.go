package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheLogBehindTheDatabaseStaysSmall(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db := open(t, dir)
	doc := everything(t)
	for i := range 200_000 {
		a := ranges("10.0.0.0")[0].First.As4()
		a[1], a[2], a[3] = byte(i>>16), byte(i>>8), byte(i)
		doc.Lists[0].Entries = append(doc.Lists[0].Entries, rangeOf(a))
	}
	if err := db.Import(ctx, doc); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, databaseName+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	large := size()
	for i := range 50 {
		if err := db.AppendEvents(ctx, Event{Time: time.Now(), Kind: "system", Message: strings.Repeat("x", 100+i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := size(); n > walBytes+64<<10 || large < 2*walBytes {
		t.Errorf("the WAL has %d bytes, %d after the import; at most %d", n, large, walBytes)
	}
}

func TestADiskThatTakesNothingIsTold(t *testing.T) {
	ctx := t.Context()
	db := filled(t)
	if _, err := db.writer.Exec("PRAGMA query_only = on"); err != nil {
		t.Fatal(err)
	}
	var disk DiskError
	if err := db.DeleteBranch(ctx, "leeds"); !errors.As(err, &disk) || disk.Message != "The disk is read-only. Nothing was saved" {
		t.Errorf("%v", err)
	}
	if _, err := db.writer.Exec("PRAGMA query_only = off; PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	large := make([]AddressRange, 0, 100_000)
	for i := range 100_000 {
		large = append(large, rangeOf([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if err := db.ChangeEntries(ctx, "list-0", large, nil); !errors.As(err, &disk) || disk.Message != "The disk is full. Nothing was saved" {
		t.Errorf("%v", err)
	}
	if _, total, err := db.Entries(ctx, "list-0", "", 0, 1); err != nil || total > 3 {
		t.Errorf("%d entries are there, %v", total, err)
	}
}

func TestAFrozenDatabaseTakesOnlyEvents(t *testing.T) {
	ctx := t.Context()
	db := filled(t)
	db.Freeze()
	var disk DiskError
	if err := db.DeleteBranch(ctx, "leeds"); !errors.As(err, &disk) {
		t.Errorf("%v", err)
	}
	if _, err := db.Commit(ctx, "admin", ""); !errors.As(err, &disk) {
		t.Errorf("%v", err)
	}
	if _, err := db.PutObject(ctx, "user", "", "", Input{JSON: []byte(`{"name":"alice","enabled":true}`)}); !errors.As(err, &disk) {
		t.Errorf("%v", err)
	}
	if err := errors.Join(db.AppendEvents(ctx, Event{Time: time.Now(), Kind: "login", Message: "in"}), db.Record(ctx, "login", "in")); err != nil {
		t.Error(err)
	}
	if _, err := db.Branch(ctx, "leeds"); err != nil {
		t.Error(err)
	}
}
