package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"gatehouse/store"
)

// A snapshot is taken when a revision is confirmed, and when the last one is
// older than a day; whether it is, is looked at now and then.
const (
	snapshotAge  = 24 * time.Hour
	snapshotLook = time.Hour
)

// openStore opens the database. A damaged one is set aside for the newest
// whole snapshot, or for a new one, which keeps the perimeter shut; notice then
// tells the admin.
func openStore(ctx context.Context, dir string, log *slog.Logger) (db *store.DB, notice string, err error) {
	db, err = store.Open(ctx, dir)
	if !errors.Is(err, store.ErrDamaged) {
		return db, "", err
	}
	log.Error("the database is damaged", "err", err)
	r, err := store.Recover(ctx, dir, time.Now())
	if err != nil {
		return nil, "", err
	}
	notice = fmt.Sprintf("The database was damaged and is set aside as %s. ", filepath.Base(r.Damaged))
	if r.Snapshot == "" {
		notice += "No copy of it was whole, so this gateway has no configuration: its perimeter is shut. Import a document or restore a backup."
	} else {
		notice += fmt.Sprintf("The copy of %s took its place: later changes are lost. The disk or SD card may be dying.",
			r.Taken.Local().Format("2006-01-02 15:04"))
	}
	log.Error(notice)
	db, err = store.Open(ctx, dir)
	if err != nil {
		return nil, "", err
	}
	err = db.AppendEvents(ctx, store.Event{Time: time.Now(), Severity: "error", Kind: "system", Message: notice})
	return db, notice, err
}

// takeSnapshots keeps copies of the database until ctx ends. A copy that fails
// is told and tried again; the gateway goes on.
func (g *gateway) takeSnapshots(ctx context.Context) error {
	tick := time.NewTicker(snapshotLook)
	defer tick.Stop()
	for {
		if last, err := g.db.LastSnapshot(); err != nil || time.Since(last) > snapshotAge {
			g.snapshot(ctx)
		}
		g.dailyBackup(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// dailyBackup writes the backup of the day if it is due. One that fails is told
// once and tried again at each look.
func (g *gateway) dailyBackup(ctx context.Context) {
	path, err := g.db.DueBackup(ctx, time.Now())
	if ctx.Err() != nil {
		return
	}
	fault := ""
	if err != nil {
		fault = "There is no backup of today: " + err.Error()
	}
	g.mu.Lock()
	again := g.backupFault == fault
	g.backupFault = fault
	g.mu.Unlock()
	switch {
	case fault != "" && !again:
		g.log.Error("daily backup failed", "err", err)
		g.file(store.Event{Time: time.Now(), Severity: "error", Kind: "system", Message: fault})
	case path != "":
		g.log.Info("daily backup written", "path", path)
		g.file(store.Event{Time: time.Now(), Severity: "info", Kind: "system", Message: "A backup was written: " + path})
	}
}

func (g *gateway) snapshot(ctx context.Context) {
	if _, err := g.db.Snapshot(ctx, time.Now()); err != nil && ctx.Err() == nil {
		g.log.Error("the database cannot be copied", "err", err)
		g.file(store.Event{Time: time.Now(), Severity: "error", Kind: "system", Message: "The database cannot be copied: " + err.Error()})
	}
}
