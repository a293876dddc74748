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
		e := Event{Time: time.Unix(int64(1000+i), 0), Severity: "warn", Kind: "tunnel", Subject: "leeds", Message: fmt.Sprint("new ", i)}
		if err := db.AppendEvents(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	all, err := db.Events(ctx, 2*keepEvents)
	if err != nil || len(all) != keepEvents {
		t.Fatalf("%d events, %v", len(all), err)
	}
	want := Event{ID: keepEvents + 3, Time: time.Unix(1002, 0), Severity: "warn", Kind: "tunnel", Subject: "leeds", Message: "new 2"}
	if all[0] != want {
		t.Errorf("%+v is not the newest", all[0])
	}
}

func TestEventsAreListedByTheirTime(t *testing.T) {
	db := open(t, t.TempDir())
	at := func(seconds int64) Event { return Event{Time: time.Unix(seconds, 0), Kind: "system", Message: "x"} }
	if err := db.AppendEvents(t.Context(), at(30)); err != nil {
		t.Fatal(err)
	}
	if err := db.AppendEvents(t.Context(), at(10), at(20), at(40)); err != nil {
		t.Fatal(err)
	}
	all, err := db.Events(t.Context(), 3)
	if err != nil || len(all) != 3 || all[0].Time.Unix() != 40 || all[1].Time.Unix() != 30 || all[2].Time.Unix() != 20 {
		t.Errorf("%v %v", all, err)
	}
}
