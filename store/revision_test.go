package store

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRevisions(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if _, err := db.Confirmed(ctx); !errors.Is(err, ErrNotFound) {
		t.Fatalf("a new database has a confirmed revision: %v", err)
	}
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	rev, err := db.Commit(ctx, "admin", "first")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Confirmed(ctx); !errors.Is(err, ErrNotFound) {
		t.Error("a revision that is only being tried counts as confirmed")
	}
	if err := db.Confirm(ctx, rev.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteBranch(ctx, "leeds"); err != nil {
		t.Fatal(err)
	}
	second, err := db.Commit(ctx, "admin", "second")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Revert(ctx, second.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.Confirm(ctx, second.ID); err == nil {
		t.Error("a reverted revision was confirmed")
	}
	// Another process sees the same.
	got, err := open(t, dir).Confirmed(ctx)
	if err != nil || got.ID != rev.ID {
		t.Fatalf("revision %d, %v", got.ID, err)
	}
	if d := cmp.Diff(example(t), got.Document, compare); d != "" {
		t.Errorf("with its secrets: %s", d)
	}
	changes, err := db.Changes(ctx)
	if err != nil || strings.Join(changes, " ") != "Branch leeds was removed." {
		t.Errorf("changes %q, %v", changes, err)
	}
	if err := db.Discard(ctx); err != nil {
		t.Fatal(err)
	}
	if changes, err := db.Changes(ctx); err != nil || len(changes) != 0 {
		t.Errorf("changes after discard: %q, %v", changes, err)
	}
	all, err := db.Revisions(ctx, 0, 10)
	if err != nil || len(all) != 2 || all[0].State != RevisionReverted || all[1].State != RevisionConfirmed {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestOnlyOneRevisionIsTriedAtATime(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	first, err := db.Commit(ctx, "admin", "the power goes while this is tried")
	if err != nil {
		t.Fatal(err)
	}
	second, err := db.Commit(ctx, "admin", "another")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Confirm(ctx, first.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("a trial that ended was confirmed: %v", err)
	}
	if err := db.Confirm(ctx, second.ID); err != nil {
		t.Fatal(err)
	}
	third, err := db.Commit(ctx, "admin", "a third")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Confirm(ctx, 99); !errors.Is(err, ErrNotFound) {
		t.Errorf("a revision that is not there was confirmed: %v", err)
	}
	if got, err := db.Confirmed(ctx); err != nil || got.ID != second.ID {
		t.Errorf("a failed confirmation changed what is in force: revision %d, %v", got.ID, err)
	}
	if err := db.Confirm(ctx, third.ID); err != nil {
		t.Fatal(err)
	}
	all, err := db.Revisions(ctx, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	var states []RevisionState
	for _, r := range all {
		states = append(states, r.State)
	}
	if d := cmp.Diff([]RevisionState{RevisionConfirmed, RevisionSuperseded, RevisionReverted}, states); d != "" {
		t.Error(d)
	}
}

func TestChangesAreSentences(t *testing.T) {
	old := example(t)
	for want, change := range map[string]func(*Document){
		"":                                      func(*Document) {},
		"The gateway is now called b (was hq).": func(d *Document) { d.System.Name = "b" },
		"Interface office: the MTU is now 1400 (was not set).": func(d *Document) { d.Interfaces[1].MTU = 1400 },
		"Interface office: the address is now 10.1.9.1/24 (was 10.1.0.1/24, fd00:1::1/64).": func(d *Document) {
			d.Interfaces[1].Addresses = prefixes("10.1.9.1/24")
		},
		"Interface office now comes first.":                         func(d *Document) { d.Interfaces[0], d.Interfaces[1] = d.Interfaces[1], d.Interfaces[0] },
		"Every packet now meets the rules: flow offload is off.":    func(d *Document) { d.Firewall.OffloadOff = true },
		"The office no longer appears under the gateway's address.": func(d *Document) { d.Firewall.Masquerade = false },
		"The office may no longer reach the internet (reject).":     func(d *Document) { d.Firewall.Defaults[0].Action = Reject },
		"The branches may no longer reach the office (drop).":       func(d *Document) { d.Firewall.Defaults = d.Firewall.Defaults[:2] },
		"The branches may now reach the internet.": func(d *Document) {
			d.Firewall.Defaults = append(d.Firewall.Defaults, ZoneDefault{ZoneVPN, ZoneWAN, Allow})
		},
		"What the internet sends to this gateway is now answered with reject (was drop).": func(d *Document) {
			d.Firewall.Defaults = append(d.Firewall.Defaults, ZoneDefault{ZoneWAN, ZoneGateway, Reject})
		},
		"Rule no-mail-from-office was removed.": func(d *Document) { d.Firewall.Rules = nil },
		"Rule no-mail-from-office: the ports is now 25, 465-587 (was 25).": func(d *Document) {
			d.Firewall.Rules[0].Ports = append(d.Firewall.Rules[0].Ports, PortRange{465, 587})
		},
		"Branch leeds: the shared key was changed.":     func(d *Document) { d.Branches[0].PSK = "a new shared key" },
		"Branch leeds: the tunnel is now off (was on).": func(d *Document) { d.Branches[0].Enabled = false },
		"Branch york was added (10.9.0.0/24). Branch leeds was removed.": func(d *Document) {
			d.Branches[0].Name, d.Branches[0].RemoteNetworks = "york", prefixes("10.9.0.0/24")
		},
	} {
		new := example(t)
		change(&new)
		if got := strings.Join(Differences(old, new), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestNoDifferenceIsSilent(t *testing.T) {
	for field := range eachField(everything(t)) {
		doc := everything(t)
		field.set(&doc)
		if len(Differences(everything(t), doc)) == 0 {
			t.Errorf("a change of %s is not told", field.name)
		}
	}
	for seed := range uint64(300) {
		a, b := generated(seed), generated(seed+1)
		said := strings.Join(Differences(a, b), " ")
		secrets := map[string]string{}
		for _, s := range sections {
			s.collectSecrets(a, secrets)
			s.collectSecrets(b, secrets)
		}
		for name, secret := range secrets {
			if strings.Contains(said, secret) {
				t.Errorf("seed %d: the secret of %s is told", seed, name)
			}
		}
		if same := Differences(a, generated(seed)); len(same) != 0 {
			t.Errorf("seed %d differs from itself: %q", seed, same)
		}
	}
}

func TestAnyRevisionCanBeRestored(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	first, err := db.Commit(ctx, "admin", "first")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Confirm(ctx, first.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteBranch(ctx, "leeds"); err != nil {
		t.Fatal(err)
	}
	second, err := db.Commit(ctx, "admin", "second")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Confirm(ctx, second.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.Restore(ctx, first.ID); err != nil {
		t.Fatal(err)
	}
	got, err := db.Draft(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(example(t), got, compare); d != "" {
		t.Errorf("with its secrets: %s", d)
	}
	if in, err := db.Confirmed(ctx); err != nil || in.ID != second.ID {
		t.Errorf("a restore came into force: %d %v", in.ID, err)
	}
	if _, err := db.Revision(ctx, 99); !errors.Is(err, ErrNotFound) {
		t.Errorf("revision 99: %v", err)
	}
	if err := db.Restore(ctx, 99); !errors.Is(err, ErrNotFound) {
		t.Errorf("restore of revision 99: %v", err)
	}
}

func TestARestartEndsATrial(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	rev, err := db.Commit(ctx, "admin", "")
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	ended, err := again.Abandon(ctx)
	if err != nil || len(ended) != 1 || ended[0] != rev.ID {
		t.Fatalf("%v %v", ended, err)
	}
	if err := db.Confirm(ctx, rev.ID); err == nil {
		t.Error("what a restart ended was confirmed")
	}
	if ended, err := again.Abandon(ctx); err != nil || len(ended) != 0 {
		t.Errorf("%v %v", ended, err)
	}
}
