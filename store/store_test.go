package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	schemas "github.com/santhosh-tekuri/jsonschema/v6"
)

var compare = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func open(t testing.TB, dir string) *DB {
	t.Helper()
	db, err := Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func example(t testing.TB) Document {
	t.Helper()
	f, err := os.Open("../docs/office.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := ParseDocument(f)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

const testKey = "replace-me-with-32-random-bytes"

// generated is a valid document made of a seed.
func generated(seed uint64) Document {
	r := rand.New(rand.NewPCG(seed, 1))
	doc := Document{Version: 1, System: System{Name: fmt.Sprintf("gw%d", seed)}}
	doc.Firewall.Masquerade = r.IntN(2) == 0
	for i := range r.IntN(5) {
		n := Interface{Name: fmt.Sprintf("port-%d", i), Device: fmt.Sprintf("eth%d", i), Zone: ZoneLAN}
		n.Addresses = append(n.Addresses, netip.MustParsePrefix(fmt.Sprintf("10.%d.0.1/24", i)))
		if r.IntN(2) == 0 {
			n.Addresses = append(n.Addresses, netip.MustParsePrefix(fmt.Sprintf("fd00:%x::1/64", i)))
		}
		if r.IntN(3) == 0 {
			n.Zone, n.MTU = ZoneWAN, 1280+r.IntN(1000)
			n.Gateways = []netip.Addr{netip.MustParseAddr(fmt.Sprintf("10.%d.0.254", i))}
		}
		doc.Interfaces = append(doc.Interfaces, n)
		doc.Routes = append(doc.Routes, Route{netip.MustParsePrefix(fmt.Sprintf("172.16.%d.0/24", i)), netip.MustParseAddr(fmt.Sprintf("10.%d.0.9", i))})
	}
	actions := []Action{Allow, Reject, Drop}
	for _, from := range []Zone{ZoneLAN, ZoneVPN} {
		for _, to := range []Zone{ZoneLAN, ZoneVPN, ZoneWAN, ZoneGateway} {
			if r.IntN(2) == 0 {
				doc.Firewall.Defaults = append(doc.Firewall.Defaults, ZoneDefault{from, to, actions[r.IntN(3)]})
			}
		}
	}
	for i := range r.IntN(6) {
		rule := Rule{Name: fmt.Sprintf("rule-%d", i), From: ZoneWAN, To: ZoneGateway, Action: actions[r.IntN(3)], Log: r.IntN(2) == 0, Note: "ü \"quoted\""}
		if r.IntN(2) == 0 {
			rule.Protocol, rule.Ports = "tcp", []PortRange{{80, 80}, {8000, uint16(8000 + r.IntN(100))}}
		}
		if r.IntN(2) == 0 {
			rule.Sources = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
		}
		doc.Firewall.Rules = append(doc.Firewall.Rules, rule)
	}
	ike, esp := SuiteNames()
	for i := range r.IntN(5) {
		b := Branch{
			Name: fmt.Sprintf("branch-%d", i), Enabled: r.IntN(2) == 0, Start: StartAlways, Peer: fmt.Sprintf("198.51.100.%d", i+1),
			LocalNetworks:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
			RemoteNetworks: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/24", 100+i))},
			PSK:            Secret(fmt.Sprintf("key number %d of %d", i, seed)), RekeySeconds: r.IntN(2) * 60, DPDSeconds: r.IntN(2) * 9,
		}
		if r.IntN(2) == 0 {
			b.Peer, b.Start, b.RemoteID = "", StartAnswer, fmt.Sprintf("branch%d@example.org", i)
		}
		if r.IntN(2) == 0 {
			b.IKEProposals, b.ESPProposals = ike[:1+r.IntN(3)], esp[:1+r.IntN(3)]
		}
		doc.Branches = append(doc.Branches, b)
	}
	return doc
}

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
	// And when the database fails in the middle of writing.
	bad = example(t)
	bad.System.Name = "other"
	err := db.write(ctx, func(tx *sql.Tx) error {
		if err := db.writeDraft(ctx, tx, bad); err != nil {
			return err
		}
		return errors.New("the power went")
	})
	if err == nil {
		t.Fatal("no error")
	}
	got, err := db.Draft(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(example(t), got, compare); d != "" {
		t.Errorf("the draft changed: %s", d)
	}
}

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
	all, err := db.Revisions(ctx, 10)
	if err != nil || len(all) != 2 || all[0].State != RevisionReverted || all[1].State != RevisionConfirmed {
		t.Errorf("%+v, %v", all, err)
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
	if err := db.PutBranch(ctx, "leeds", b); err != nil {
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
	if err := db.PutBranch(ctx, "", second); !errors.As(err, &found) || found[0].Field != "remote_networks[0]" {
		t.Errorf("overlapping networks: %v", err)
	}
	if err := db.PutBranch(ctx, "nobody", second); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestEveryFaultIsNamed(t *testing.T) {
	for field, change := range map[string]func(*Document){
		"version":                    func(d *Document) { d.Version = 2 },
		"system.name":                func(d *Document) { d.System.Name = "a b" },
		"interfaces[0].name":         func(d *Document) { d.Interfaces[0].Name = "Über" },
		"interfaces[1].device":       func(d *Document) { d.Interfaces[1].Device = d.Interfaces[0].Device },
		"interfaces[0].device":       func(d *Document) { d.Interfaces[0].Device = "../../x" },
		"interfaces[0].zone":         func(d *Document) { d.Interfaces[0].Zone = "dmz" },
		"interfaces[0].mtu":          func(d *Document) { d.Interfaces[0].MTU = 500 },
		"interfaces[0].addresses":    func(d *Document) { d.Interfaces[0].Addresses = nil },
		"interfaces[1].addresses[0]": func(d *Document) { d.Interfaces[1].Addresses[0] = netip.MustParsePrefix("10.1.0.0/24") },
		"interfaces[0].gateways[0]":  func(d *Document) { d.Interfaces[0].Gateways[0] = netip.MustParseAddr("192.0.2.1") },
		"interfaces[1].gateways":     func(d *Document) { d.Interfaces[1].Gateways = []netip.Addr{netip.MustParseAddr("10.1.0.9")} },
		"routes[0].via": func(d *Document) {
			d.Routes = []Route{{netip.MustParsePrefix("10.9.0.0/16"), netip.MustParseAddr("192.0.2.7")}}
		},
		"firewall.defaults[0].action":    func(d *Document) { d.Firewall.Defaults[0].From = ZoneWAN },
		"firewall.defaults[1].to":        func(d *Document) { d.Firewall.Defaults[1].To = "moon" },
		"firewall.rules[0].ports":        func(d *Document) { d.Firewall.Rules[0].Protocol = "icmp" },
		"firewall.rules[0].ports[0]":     func(d *Document) { d.Firewall.Rules[0].Ports[0].First = 0 },
		"firewall.rules[0].protocol":     func(d *Document) { d.Firewall.Rules[0].Protocol = "gre" },
		"firewall.rules[0].sources[0]":   func(d *Document) { d.Firewall.Rules[0].Sources = []netip.Prefix{netip.MustParsePrefix("10.1.0.5/24")} },
		"branches[0].peer":               func(d *Document) { d.Branches[0].Peer = "300.1.2.3" },
		"branches[0].remote_id":          func(d *Document) { d.Branches[0].Peer, d.Branches[0].Start = "", StartAnswer },
		"branches[0].start":              func(d *Document) { d.Branches[0].Start = "never" },
		"branches[0].psk":                func(d *Document) { d.Branches[0].PSK = "short" },
		"branches[0].local_networks":     func(d *Document) { d.Branches[0].LocalNetworks = nil },
		"branches[0].remote_networks[0]": func(d *Document) { d.Branches[0].RemoteNetworks[0] = netip.MustParsePrefix("10.1.0.128/25") },
		"branches[0].ike_proposals[0]":   func(d *Document) { d.Branches[0].IKEProposals = []string{"des"} },
		"branches[0].esp_proposals[0]":   func(d *Document) { d.Branches[0].ESPProposals = []string{"null"} },
		"branches[0].rekey_seconds":      func(d *Document) { d.Branches[0].RekeySeconds = 1 },
		"branches[0].dpd_seconds":        func(d *Document) { d.Branches[0].DPDSeconds = 99999 },
		"branches[1].name":               func(d *Document) { d.Branches = append(d.Branches, d.Branches[0]) },
	} {
		doc := example(t)
		if err := doc.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&doc)
		var found ValidationError
		if err := doc.Validate(); !errors.As(err, &found) {
			t.Errorf("%s: no error", field)
			continue
		}
		named := false
		for _, f := range found {
			named = named || f.Field == field
		}
		if !named {
			t.Errorf("%s is not named in: %v", field, found)
		}
		if strings.Contains(found.Error(), testKey) {
			t.Errorf("%s: the error shows the key", field)
		}
	}
}

func TestParseNamesTheField(t *testing.T) {
	for text, want := range map[string]string{
		`{"version":1,"sytem":{}}`:                               "sytem",
		`{"version":1,"branches":[{"name":"a","colour":"red"}]}`: "branches[0].colour",
		`{"version":1,"version":1}`:                              "version: is given twice",
		`{"version":1} {}`:                                       "follows",
		`{"version":2}`:                                          "version",
		`{"version":1`:                                           "cut off",
		`{"version":1,"interfaces":[{"addresses":["10.1.0.1/99"]}]}`: "interfaces[0].addresses[0]",
		`{"version":1,"interfaces":[{"mtu":"big"}]}`:                 "mtu",
		``: "cut off",
	} {
		_, err := ParseDocument(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to name %q", text, err, want)
		}
	}
	if _, err := ParseDocument(strings.NewReader(strings.Repeat(" ", maxDocument+1))); err == nil {
		t.Error("a document without bound is read")
	}
}

func FuzzParseDocument(f *testing.F) {
	text, err := os.ReadFile("../docs/office.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"branches":[null],"interfaces":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := ParseDocument(bytes.NewReader(text))
		if err != nil {
			return
		}
		_ = doc.Validate()
	})
}

func TestSecretsDoNotShow(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	rev, err := db.Commit(ctx, "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Confirm(ctx, rev.ID); err != nil {
		t.Fatal(err)
	}
	doc, _ := db.Draft(ctx)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "psk", doc.Branches[0].PSK, "branch", doc.Branches[0])
	export, err := doc.WithoutSecrets().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q", doc, doc, doc, doc.Branches[0].PSK, doc.Branches[0].PSK) + log.String() + string(export)
	if strings.Contains(shown, testKey) {
		t.Error("a secret shows")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%q %v", files, err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(testKey)) {
			t.Errorf("%s holds the key in clear", f)
		}
		if info, _ := os.Stat(f); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", f, info.Mode().Perm())
		}
	}
}

func TestAnotherDeviceKeyOpensNothing(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if err := db.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if err := os.Remove(filepath.Join(dir, keyName)); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir).Draft(ctx); err == nil || !strings.Contains(err.Error(), "leeds") {
		t.Errorf("%v", err)
	}
	if err := os.Chmod(filepath.Join(dir, keyName), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, dir); err == nil {
		t.Error("a key that others can read is accepted")
	}
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db := open(t, dir)
	if _, err := db.writer.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if _, err := Open(ctx, dir); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("%v", err)
	}
}

func TestManyWritersAtOnce(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if err := a.Import(ctx, example(t)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			db := a
			if i%2 == 0 {
				db = b
			}
			for range 5 {
				doc := example(t)
				if err := db.Import(ctx, doc); err != nil {
					t.Error(err)
				}
				if err := db.AppendEvent(ctx, Event{Time: time.Now(), Severity: "info", Kind: "system", Message: "x"}); err != nil {
					t.Error(err)
				}
				if _, err := db.Changes(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if ev, err := a.Events(ctx, 1000); err != nil || len(ev) != 100 {
		t.Errorf("%d events, %v", len(ev), err)
	}
}

func TestAdmins(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	a := Admin{Name: "admin", Hash: "$argon2id$x", OneTime: true, Changed: time.UnixMilli(1000)}
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

func TestSchemaIsPublishedAndTrue(t *testing.T) {
	const file = "../docs/config.schema.json"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(published, Schema()) {
		t.Errorf("%s is not what the types say (%v); run UPDATE=1 go test ./store", file, err)
	}
	var parsed any
	if err := json.Unmarshal(Schema(), &parsed); err != nil {
		t.Fatal(err)
	}
	c := schemas.NewCompiler()
	if err := c.AddResource("config.json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(30) {
		text, err := generated(seed).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		if seed%2 == 0 {
			if err := s.Validate(v); err != nil {
				t.Errorf("seed %d: %v\n%s", seed, err, text)
			}
			continue
		}
		v.(map[string]any)["nonsense"] = 1
		if s.Validate(v) == nil {
			t.Error("the schema allows an unknown field")
		}
	}
}
