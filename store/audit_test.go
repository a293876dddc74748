package store

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func audited(t *testing.T) (*DB, context.Context) {
	t.Helper()
	ctx := WithActor(context.Background(), Actor{Name: "alice", From: "10.1.0.10"})
	db := open(t, t.TempDir())
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	b, err := db.Branch(ctx, "leeds")
	if err != nil {
		t.Fatal(err)
	}
	b.Peer, b.PSK = "198.51.100.9", "a key that nobody may read"
	if err := db.PutBranch(ctx, "leeds", "", b); err != nil {
		t.Fatal(err)
	}
	rev, err := db.Commit(ctx, "alice", "leeds moved")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Confirm(ctx, rev.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.PutAdmin(ctx, Admin{Name: "bob", Role: RoleOwner, Hash: "$argon2id$secret", OneTime: true}); err != nil {
		t.Fatal(err)
	}
	if err := db.Record(context.Background(), "login-failed", "The password was wrong."); err != nil {
		t.Fatal(err)
	}
	return db, ctx
}

func TestTheAuditLogTellsWhoDidWhat(t *testing.T) {
	db, ctx := audited(t)
	all, err := db.Audit(ctx, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range all {
		actions = append(actions, e.Action)
		if who := e.Who; (who != "alice" || e.From != "10.1.0.10") && e.Action != "login-failed" || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
		for _, secret := range []string{testKey, "a key that nobody may read", "argon2id"} {
			if strings.Contains(e.Detail, secret) {
				t.Errorf("a secret is in the log: %s", e.Detail)
			}
		}
	}
	if got := strings.Join(actions, " "); got != "login-failed password confirm apply edit import" {
		t.Error(got)
	}
	if d := all[4].Detail; !strings.Contains(d, "their address is now 198.51.100.9 (was 198.51.100.2)") || !strings.Contains(d, "the shared key was changed") {
		t.Errorf("before and after: %q", d)
	}
	if page, err := db.Audit(ctx, 3, 1); err != nil || len(page) != 1 || page[0].ID != 2 {
		t.Errorf("paged: %+v %v", page, err)
	}
	if n, err := db.VerifyAudit(ctx); err != nil || n != len(all) {
		t.Errorf("%d %v", n, err)
	}
}

func TestARefusedChangeLeavesNoEntry(t *testing.T) {
	db, ctx := audited(t)
	before, err := db.VerifyAudit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.PutBranch(ctx, "leeds", "", Branch{Name: "leeds"}); err == nil {
		t.Fatal("nonsense was stored")
	}
	if after, err := db.VerifyAudit(ctx); err != nil || after != before {
		t.Errorf("%d entries, then %d (%v)", before, after, err)
	}
}

func TestTamperingShows(t *testing.T) {
	for name, statement := range map[string]string{
		"another name":     "UPDATE audit SET who = 'mallory' WHERE id = 2",
		"another time":     "UPDATE audit SET time = time + 1 WHERE id = 2",
		"another origin":   "UPDATE audit SET origin = '' WHERE id = 2",
		"another action":   "UPDATE audit SET action = 'import' WHERE id = 2",
		"another detail":   "UPDATE audit SET detail = 'nothing' WHERE id = 2",
		"moved text":       "UPDATE audit SET who = who || origin, origin = '' WHERE id = 2",
		"removed":          "DELETE FROM audit WHERE id = 3",
		"the first":        "DELETE FROM audit WHERE id = 1; UPDATE audit SET prev = x'' WHERE id = 2",
		"renumbered":       "DELETE FROM audit WHERE id = 3; UPDATE audit SET id = id - 1 WHERE id > 3",
		"a made-up entry":  "INSERT INTO audit SELECT id + 1, time, 'mallory', origin, action, detail, mac, mac FROM audit ORDER BY id DESC LIMIT 1",
		"swapped":          "UPDATE audit SET id = 99 WHERE id = 3; UPDATE audit SET id = 3 WHERE id = 4; UPDATE audit SET id = 4 WHERE id = 99",
		"another prev mac": "UPDATE audit SET prev = x'00' WHERE id = 2",
	} {
		t.Run(name, func(t *testing.T) {
			db, ctx := audited(t)
			if _, err := db.writer.ExecContext(ctx, statement); err != nil {
				t.Fatal(err)
			}
			if _, err := db.VerifyAudit(ctx); !errors.Is(err, ErrTampered) {
				t.Errorf("%v", err)
			}
		})
	}
}
