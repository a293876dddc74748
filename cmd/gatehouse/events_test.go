package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/store"
)

// versions counts the commits that another connection sees.
func versions(t *testing.T, dir string) func() int {
	t.Helper()
	handle, err := sql.Open("sqlite3", filepath.Join(dir, "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handle.Close() })
	handle.SetMaxOpenConns(1)
	return func() (n int) {
		if err := handle.QueryRow("PRAGMA data_version").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
}

func TestEventsAreWrittenTogether(t *testing.T) {
	dir := t.TempDir()
	db, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	seen := versions(t, dir)
	before := seen()
	g := &gateway{db: db, log: slog.New(slog.DiscardHandler), events: make(chan store.Event, 256)}
	// A tunnel that flaps: thousands of events while few writes are allowed.
	const delay = 200 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	began := time.Now()
	go func() { done <- g.writeEvents(ctx, delay) }()
	for range 20 {
		for i := range 300 {
			g.file(store.Event{Time: time.Now(), Severity: "info", Kind: "tunnel", Message: fmt.Sprint(i)})
		}
		time.Sleep(delay / 4)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// SQLite's version grows by one or two with each commit of another.
	if n, most := seen()-before, int(time.Since(began)/delay)+3; n < 1 || n > 2*most {
		t.Errorf("the version grew by %d; at most %d writes were due", n, most)
	}
	all, err := db.Events(t.Context(), 10_000)
	if err != nil || len(all) < 256 {
		t.Fatalf("%d events, %v", len(all), err)
	}
	lost := false
	for _, e := range all {
		lost = lost || strings.HasSuffix(e.Message, "events were left out: more happened than can be kept.")
	}
	if !lost {
		t.Error("nobody is told that events were left out")
	}
}

func TestWhatIsFiledAtTheEndIsWritten(t *testing.T) {
	db, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	g := &gateway{db: db, log: slog.New(slog.DiscardHandler), events: make(chan store.Event, 256)}
	ctx, cancel := context.WithCancel(t.Context())
	g.file(store.Event{Time: time.Now(), Kind: "tunnel", Message: "the last one"})
	cancel()
	if err := g.writeEvents(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	if all, err := db.Events(t.Context(), 10); err != nil || len(all) != 1 || all[0].Message != "the last one" {
		t.Errorf("%v %v", all, err)
	}
}
