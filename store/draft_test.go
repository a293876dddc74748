package store

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExportAndImportAreInverses(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	for seed := range uint64(200) {
		doc := generated(seed)
		if err := doc.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := db.Import(ctx, doc); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got, err := db.Draft(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(doc, got, compare); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
		text, err := got.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseDocument(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		if d := cmp.Diff(doc, again, compare); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
	}
}

func TestImportWithoutKeysKeepsThem(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	doc := example(t)
	if err := db.Import(ctx, doc.WithoutSecrets()); err == nil || !strings.Contains(err.Error(), "branches[0].psk") {
		t.Errorf("a new branch without a key: %v", err)
	}
	if err := db.Import(ctx, doc); err != nil {
		t.Fatal(err)
	}
	if err := db.Import(ctx, doc.WithoutSecrets()); err != nil {
		t.Fatal(err)
	}
	if b, err := db.Branch(ctx, "leeds"); err != nil || b.PSK.Reveal() != testKey {
		t.Errorf("key %q, %v", b.PSK.Reveal(), err)
	}
}

func TestAFailedImportLeavesTheDraft(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	bad := example(t)
	bad.System.Name = "other"
	bad.Branches = append(bad.Branches, bad.Branches[0])
	if err := db.Import(ctx, bad); err == nil {
		t.Fatal("a document with two branches of one name was imported")
	}
	// And when the database fails in the middle of writing a good one.
	if _, err := db.writer.Exec(`CREATE TRIGGER fault BEFORE INSERT ON branches
		BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`); err != nil {
		t.Fatal(err)
	}
	good := example(t)
	good.System.Name, good.Branches[0].Note = "other", "written after the rest"
	if err := db.Import(ctx, good); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Fatalf("%v", err)
	}
	got, err := db.Draft(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(example(t), got, compare); d != "" {
		t.Errorf("the draft changed: %s", d)
	}
}

func TestPutBranch(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	b, err := db.Branch(ctx, "leeds")
	if err != nil {
		t.Fatal(err)
	}
	b.Name, b.PSK = "york", ""
	if err := db.PutBranch(ctx, "leeds", "", b); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Branch(ctx, "york"); err != nil || got.PSK.Reveal() != testKey {
		t.Errorf("after a new name: key %q, %v", got.PSK.Reveal(), err)
	}
	if _, err := db.Branch(ctx, "leeds"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the old name still works: %v", err)
	}
	second := b
	second.Name, second.Peer, second.PSK = "bath", "198.51.100.3", "another good key"
	var found ValidationError
	if err := db.PutBranch(ctx, "", "", second); !errors.As(err, &found) || found[0].Field != "remote_networks[0]" {
		t.Errorf("overlapping networks: %v", err)
	}
	if err := db.PutBranch(ctx, "nobody", "", second); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestAClashIsReportedAtTheBranchBeingEdited(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	doc := example(t)
	later := doc.Branches[0]
	later.Name, later.Peer = "york", "198.51.100.3"
	later.LocalNetworks, later.RemoteNetworks = later.LocalNetworks[:1], prefixes("10.3.0.0/24")
	doc.Branches = append(doc.Branches, later)
	if err := db.Import(ctx, doc); err != nil {
		t.Fatal(err)
	}
	first := doc.Branches[0]
	first.Name, first.Peer = "york", later.Peer
	first.LocalNetworks, first.RemoteNetworks = prefixes("10.1.0.0/24"), prefixes("10.3.0.0/25")
	err := db.PutBranch(ctx, "leeds", "", first)
	var found ValidationError
	if !errors.As(err, &found) {
		t.Fatalf("%v", err)
	}
	var fields []string
	for _, f := range found {
		fields = append(fields, f.Field)
	}
	want := []string{"name", "remote_id", "remote_networks[0]"}
	if d := cmp.Diff(want, fields); d != "" {
		t.Errorf("%s\n%v", d, err)
	}
	// Its place in the list stays, also under a new name.
	first = doc.Branches[0]
	first.Name = "zennor"
	if err := db.PutBranch(ctx, "leeds", "", first); err != nil {
		t.Fatal(err)
	}
	got, err := db.Draft(ctx)
	if err != nil || len(got.Branches) != 2 || got.Branches[0].Name != "zennor" || got.Branches[1].Name != "york" {
		t.Errorf("%v, %v", got.Branches, err)
	}
}

func TestDeleteBranch(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteBranch(ctx, "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := db.DeleteBranch(ctx, "leeds"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Branch(ctx, "leeds"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	var left int
	if err := db.reader.QueryRow("SELECT count(*) FROM branches_values").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d values of no branch are left, %v", left, err)
	}
}

func TestWhoSavesSecondIsTold(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	read, err := db.Branch(ctx, "leeds")
	if err != nil {
		t.Fatal(err)
	}
	tag, err := db.Tag(read)
	if err != nil {
		t.Fatal(err)
	}
	first, second := read, read
	first.Note, second.Note = "the first", "the second"
	if err := db.PutBranch(ctx, "leeds", tag, first); err != nil {
		t.Fatal(err)
	}
	// Another process knows it too.
	other := open(t, dir)
	if err := other.PutBranch(ctx, "leeds", tag, second); !errors.Is(err, ErrChanged) {
		t.Errorf("the second was not told: %v", err)
	}
	if err := other.PutBranch(ctx, "leeds", "nonsense", second); !errors.Is(err, ErrChanged) {
		t.Errorf("a made-up tag: %v", err)
	}
	got, err := db.Branch(ctx, "leeds")
	if err != nil || got.Note != "the first" {
		t.Errorf("%q %v", got.Note, err)
	}
	// A new key alone is a change.
	again, err := db.Tag(got)
	if err != nil {
		t.Fatal(err)
	}
	got.PSK = "only the key is new"
	if changed, err := db.Tag(got); err != nil || changed == again {
		t.Errorf("%s %v", changed, err)
	}
}
