package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestAdmins(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	a := Admin{Name: "admin", Role: RoleOwner, Hash: "$argon2id$x", OneTime: true, Changed: time.UnixMilli(1000)}
	if err := db.PutAdmin(ctx, a); err != nil {
		t.Fatal(err)
	}
	a.OneTime = false
	if err := db.PutAdmin(ctx, a); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Admin(ctx, "admin"); err != nil || got != a {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := db.Admin(ctx, "eve"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	if all, err := db.Admins(ctx); err != nil || len(all) != 1 {
		t.Errorf("%v %v", all, err)
	}
}

func TestOldEventsGo(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	if _, err := db.writer.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO events (time, severity, kind, subject, message) SELECT i, 'info', 'system', '', 'old' FROM n`, keepEvents); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		e := Event{Time: time.UnixMilli(int64(i)), Severity: "warn", Kind: "tunnel", Subject: "leeds", Message: fmt.Sprint("new ", i)}
		if err := db.AppendEvents(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	all, err := db.Events(ctx, 2*keepEvents)
	if err != nil || len(all) != keepEvents {
		t.Fatalf("%d events, %v", len(all), err)
	}
	want := Event{ID: keepEvents + 3, Time: time.UnixMilli(2), Severity: "warn", Kind: "tunnel", Subject: "leeds", Message: "new 2"}
	if all[0] != want {
		t.Errorf("%+v is not the newest", all[0])
	}
}
