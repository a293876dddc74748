package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddressRangesHaveOneForm(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "10.0.0.0/24": "10.0.0.0/24", "10.0.0.0-10.0.0.255": "10.0.0.0/24", "10.0.0.1 - 10.0.0.2": "10.0.0.1-10.0.0.2",
		"10.0.0.7/32": "10.0.0.7", "::/0": "::/0", "2001:db8::1-2001:db8::1": "2001:db8::1", "0.0.0.0-255.255.255.255": "0.0.0.0/0",
		"": "", "10.0.0.1/24": "", "10.0.0.2-10.0.0.1": "", "10.0.0.1-::1": "", "fe80::1%eth0": "", "::ffff:10.0.0.1": "", "x": "", "1-2-3": "",
	} {
		r, err := ParseAddressRange(text)
		if (want == "") != (err != nil) || err == nil && r.String() != want {
			t.Errorf("%q: %s %v, want %q", text, r, err, want)
		}
	}
}

func FuzzAddressRange(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "10.0.0.1-10.0.0.9", "2001:db8::/48", "::-::1", "1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseAddressRange(s)
		if err != nil {
			return
		}
		again, err := ParseAddressRange(r.String())
		if err != nil || again != r || r.Last.Less(r.First) {
			t.Errorf("%q: %v is %v, %v", s, r, again, err)
		}
		if back, err := unpacked(packed([]AddressRange{r, r})); err != nil || len(back) != 2 || back[1] != r {
			t.Errorf("%q: stored and read %v %v", s, back, err)
		}
	})
}

func TestEntriesArePagedAndChangedOneByOne(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db := open(t, dir)
	doc := everything(t)
	doc.Lists[0].Entries = nil
	for i := range 1000 {
		doc.Lists[0].Entries = append(doc.Lists[0].Entries, ranges(fmt.Sprintf("10.9.%d.%d", i/250, i%250))...)
	}
	if err := db.Import(ctx, doc); err != nil {
		t.Fatal(err)
	}
	writes := func() (n int) {
		if err := db.writer.QueryRow("SELECT total_changes()").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := writes()
	if err := db.ChangeEntries(ctx, "list-0", ranges("10.9.0.0", "10.0.0.0/16", "2001:db8::7"), ranges("10.9.1.1", "10.77.0.0")); err != nil {
		t.Fatal(err)
	}
	// Two entries more, one fewer, the draft's version, the audit log.
	if n := writes() - before; n > 8 {
		t.Errorf("%d rows were written", n)
	}
	for _, db := range []*DB{db, open(t, dir)} {
		page, total, err := db.Entries(ctx, "list-0", "", 0, 3)
		if err != nil || total != 1001 || list(page) != "10.0.0.0/16, 10.9.0.0, 10.9.0.1" {
			t.Errorf("%s of %d, %v", list(page), total, err)
		}
		page, _, err = db.Entries(ctx, "list-0", "", 1000, 50)
		if err != nil || list(page) != "2001:db8::7" {
			t.Errorf("%s, %v", list(page), err)
		}
		if page, total, err = db.Entries(ctx, "list-0", "10.0.200.1", 0, 50); err != nil || total != 1 || list(page) != "10.0.0.0/16" {
			t.Errorf("%s of %d, %v", list(page), total, err)
		}
		if _, total, err = db.Entries(ctx, "list-0", "10.9.1.0/24", 0, 50); err != nil || total != 249 {
			t.Errorf("%d, %v", total, err)
		}
		if page, _, err := db.Entries(ctx, "list-0", "", 9999, 50); err != nil || len(page) != 0 {
			t.Errorf("%v %v", page, err)
		}
	}
	if _, _, err := db.Entries(ctx, "nobody", "", 0, 1); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	said := Differences(doc, must2(db.Draft(ctx)))
	want := []string{"List list-0: 2 entries were added (10.0.0.0/16, 2001:db8::7).", "List list-0: 1 entry was removed (10.9.1.1)."}
	if d := cmp.Diff(want, said); d != "" {
		t.Error(d)
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestWrongLinesOfAListAreNamed(t *testing.T) {
	all, err := ParseEntries("# blocked\n10.0.0.1, 10.0.0.2 # two\n\n2001:db8::/32\n")
	if err != nil || list(all) != "10.0.0.1, 10.0.0.2, 2001:db8::/32" {
		t.Errorf("%v %v", all, err)
	}
	_, err = ParseEntries("10.0.0.1\nnonsense\n10.0.0.1/8")
	if err == nil || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), "did you mean 10.0.0.0/8?") {
		t.Errorf("%v", err)
	}
}

// A revision's entries are stored once, however many revisions have them, and
// go with the last of them.
func TestRevisionsShareTheirLists(t *testing.T) {
	ctx := t.Context()
	db := filled(t)
	count := func() (n int) {
		if err := db.reader.QueryRow("SELECT count(*) FROM list_contents").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	first, err := db.Commit(ctx, "admin", "")
	if err != nil {
		t.Fatal(err)
	}
	contents := count()
	for range 3 {
		if _, err := db.Commit(ctx, "admin", ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != contents {
		t.Errorf("%d contents, then %d", contents, n)
	}
	var last Revision
	for _, more := range []string{"198.18.0.0/15", "198.51.100.0/24"} {
		if err := db.ChangeEntries(ctx, "list-0", ranges(more), nil); err != nil {
			t.Fatal(err)
		}
		if last, err = db.Commit(ctx, "admin", ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != contents+2 {
		t.Errorf("%d contents of %d", n, contents+2)
	}
	if err := db.Confirm(ctx, last.ID); err != nil {
		t.Fatal(err)
	}
	got, err := db.Revision(ctx, first.ID)
	if d := cmp.Diff(everything(t), got.Document, compare); d != "" || err != nil {
		t.Errorf("%s %v", d, err)
	}
	// The whole of a year and more later.
	if _, err := db.writer.Exec("UPDATE revisions SET created = 0, id = id - 1000 WHERE state != 'confirmed'"); err == nil {
		t.Error("a revision's number changed although lists refer to it")
	}
	if _, err := db.writer.Exec("UPDATE revisions SET created = 0"); err != nil {
		t.Fatal(err)
	}
	for range alwaysRevisions + 1 {
		if last, err = db.Commit(ctx, "admin", ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Revision(ctx, first.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("a revision of 1970 is kept: %v", err)
	}
	if _, err := db.Confirmed(ctx); err != nil {
		t.Errorf("the confirmed one: %v", err)
	}
	// Of list-0 what it is now, of the others what it always was.
	if n := count(); n != 3 {
		t.Errorf("%d contents are left", n)
	}
}
