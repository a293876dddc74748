package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// filled is a database whose draft has everything.
func filled(t *testing.T) *DB {
	t.Helper()
	db := open(t, t.TempDir())
	if err := db.Import(t.Context(), everything(t)); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestKindsKnowEveryFieldOfTheirTypes(t *testing.T) {
	fieldsOf(t, settingsKind)
	fieldsOf(t, zoneKind)
	fieldsOf(t, interfaceKind)
	fieldsOf(t, routeKind)
	fieldsOf(t, listKind)
	fieldsOf(t, serviceKind)
	fieldsOf(t, scheduleKind)
	fieldsOf(t, defaultKind)
	fieldsOf(t, protectionKind)
	fieldsOf(t, ruleKind)
	fieldsOf(t, forwardKind)
	fieldsOf(t, natKind)
	fieldsOf(t, branchKind)
	fieldsOf(t, manualKind)
	fieldsOf(t, policyKind)
	fieldsOf(t, groupKind)
	fieldsOf(t, dhcpKind)
	fieldsOf(t, reservationKind)
	fieldsOf(t, hostKind)
	fieldsOf(t, userKind)
	fieldsOf(t, deviceKind)
	fieldsOf(t, authorityKind)
	fieldsOf(t, certificateKind)
}

func fieldsOf[T any](t *testing.T, k *kind[T]) {
	var names []string
	for _, f := range k.fields {
		names = append(names, f.Name)
	}
	want := slices.Sorted(maps.Keys(jsonFields(reflect.TypeFor[T]())))
	slices.Sort(names)
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("%s: %s", k.info.Name, d)
	}
}

// Every object can be read as a form and put back as one, and as JSON, without
// any change.
func TestFormsAndJSONAreInverses(t *testing.T) {
	ctx := t.Context()
	db := filled(t)
	addPeople(t, db)
	seen := map[string]int{}
	for _, k := range Kinds() {
		rows, total, err := db.Objects(ctx, k.Name, "", 0, 100)
		if err != nil || total != len(rows) {
			t.Fatalf("%s: %d of %d, %v", k.Name, len(rows), total, err)
		}
		for _, r := range rows {
			o, err := db.Object(ctx, k.Name, r.Name)
			if err != nil {
				t.Fatal(err)
			}
			seen[k.Name]++
			for _, in := range []Input{{Form: o.Form}, {JSON: o.JSON}} {
				if _, err := db.PutObject(ctx, k.Name, r.Name, o.Tag, in); err != nil {
					t.Errorf("%s %s: %v", k.Name, r.Name, err)
				}
				if again, err := db.Object(ctx, k.Name, r.Name); err != nil || cmp.Diff(o, again) != "" {
					t.Errorf("%s %s: %s %v", k.Name, r.Name, cmp.Diff(o, again), err)
				}
			}
		}
		if seen[k.Name] == 0 && k.Name != "route" {
			t.Errorf("no %s was looked at", k.Name)
		}
	}
	draft, err := db.Draft(ctx)
	if d := cmp.Diff(everything(t), draft, compare); d != "" || err != nil {
		t.Errorf("%s %v", d, err)
	}
}

func addPeople(t *testing.T, db *DB) {
	t.Helper()
	ca, key := testCA(t)
	for _, o := range []struct{ kind, json string }{
		{"user", `{"name":"alice","full_name":"Alice","mail":"alice@office.example","group":"group-0","enabled":true,"expires":"2027-01-31","password":"correct horse battery"}`},
		{"device", `{"name":"phone","user":"alice","enabled":true,"platform":"ios","addresses":["10.200.0.7"]}`},
		{"authority", `{"name":"office","certificate":` + quoted(ca) + `,"key":` + quoted(key) + `}`},
		{"certificate", `{"name":"gateway","authority":"office","device":"phone","certificate":` + quoted(ca) + `}`},
	} {
		if _, err := db.PutObject(t.Context(), o.kind, "", "", Input{JSON: []byte(o.json)}); err != nil {
			t.Fatalf("%s: %v", o.kind, err)
		}
	}
}

func quoted(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

func TestWhatIsUsedCannotBeDeleted(t *testing.T) {
	ctx := t.Context()
	db := filled(t)
	addPeople(t, db)
	for _, c := range []struct{ kind, name, users string }{
		{"zone", "lan", ""},
		{"list", "list-0", "rule named-0, forward forward-0"},
		{"service", "service-1", "rule named-1, label label-1, policy policy-1"},
		{"label", "label-1", "policy policy-1"},
		{"manual-sa", "sa-1", "policy policy-1"},
		{"interface", "office", "list behind-office, rule to-office, forward six-office, nat prefix-office, dhcp office"},
		{"group", "group-0", "user alice"},
		{"user", "alice", "device phone"},
		{"device", "phone", "certificate gateway"},
		{"authority", "office", "certificate gateway"},
	} {
		err := db.DeleteObject(ctx, c.kind, c.name)
		var used InUseError
		if c.users == "" {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s %s: %v", c.kind, c.name, err)
			}
			continue
		}
		want := c.kind + " " + c.name + " is used by " + c.users
		if !errors.As(err, &used) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		if _, err := db.Object(ctx, c.kind, c.name); err != nil {
			t.Errorf("%s %s is gone: %v", c.kind, c.name, err)
		}
	}
	// The other ways a group could go.
	before := everything(t)
	before.Groups = before.Groups[1:]
	if err := db.Import(ctx, before); err == nil || err.Error() != "group group-0 is used by user alice" {
		t.Errorf("import: %v", err)
	}
	for _, name := range []string{"certificate gateway", "authority office", "device phone", "user alice", "group group-0"} {
		kind, name, _ := strings.Cut(name, " ")
		if err := db.DeleteObject(ctx, kind, name); err != nil {
			t.Errorf("in the right order: %v", err)
		}
	}
}

// The foreign keys hold without any of our code.
func TestTheDatabaseItselfRefusesDanglingReferences(t *testing.T) {
	db := filled(t)
	addPeople(t, db)
	for _, statement := range []string{
		"DELETE FROM zones WHERE name = 'wan'", "DELETE FROM lists WHERE name = 'list-0'", "DELETE FROM services WHERE name = 'service-0'",
		"DELETE FROM manual_sas WHERE name = 'sa-0'", "DELETE FROM interfaces WHERE name = 'office'", "DELETE FROM groups WHERE name = 'group-0'",
		"DELETE FROM users", "DELETE FROM devices", "DELETE FROM authorities",
	} {
		if _, err := db.writer.Exec(statement); err == nil || !strings.Contains(err.Error(), "FOREIGN KEY") {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestANewNameIsFollowed(t *testing.T) {
	ctx := t.Context()
	db := filled(t)
	addPeople(t, db)
	for _, c := range []struct{ kind, from, to string }{
		{"list", "list-0", "blocked"}, {"service", "service-0", "domain"}, {"zone", "zone-0", "guest"},
		{"manual-sa", "sa-0", "leeds-out"}, {"interface", "office", "inside"}, {"group", "group-0", "staff"},
		{"user", "alice", "alice-b"}, {"device", "phone", "handy"}, {"authority", "office", "our-ca"},
	} {
		o, err := db.Object(ctx, c.kind, c.from)
		if err != nil {
			t.Fatal(err)
		}
		o.Form["name"] = c.to
		if name, err := db.PutObject(ctx, c.kind, c.from, o.Tag, Input{Form: o.Form}); err != nil || name != c.to {
			t.Fatalf("%s: %q %v", c.kind, name, err)
		}
	}
	doc, err := db.Draft(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if doc.Firewall.Rules[1].SourceLists[0] != "blocked" || doc.Firewall.Forwards[0].SourceLists[0] != "blocked" ||
		doc.Firewall.Rules[1].Services[0] != "domain" || doc.Policies[0].SAs[0] != "leeds-out" || doc.DHCP[0].Interface != "inside" {
		t.Errorf("%+v", doc)
	}
	for _, c := range []struct{ kind, name, field, want string }{
		{"user", "alice-b", "group", "staff"}, {"device", "handy", "user", "alice-b"},
		{"certificate", "gateway", "device", "handy"}, {"certificate", "gateway", "authority", "our-ca"},
	} {
		if o, err := db.Object(ctx, c.kind, c.name); err != nil || o.Form[c.field] != c.want {
			t.Errorf("%s %s: %v %v", c.kind, c.name, o.Form, err)
		}
	}
	// Sealed secrets are bound to the name; they must have come along.
	sa, err := manualKind.named(ctx, db, "leeds-out")
	if err != nil || sa.EncryptionKey != everything(t).ManualSAs[0].EncryptionKey {
		t.Errorf("%v", err)
	}
	if ca, err := authorityKind.stored(ctx, db, "our-ca"); err != nil || !strings.Contains(ca.Key.Reveal(), "PRIVATE KEY") {
		t.Errorf("%v", err)
	}
}

func TestAKeyWithoutUseGoes(t *testing.T) {
	db := filled(t)
	o, err := db.Object(t.Context(), "manual-sa", "sa-0")
	if err != nil {
		t.Fatal(err)
	}
	o.Form["protocol"], o.Form["encryption"], o.Form["udp_port"], o.Form["successor"] = "ah", "", "", ""
	if _, err := db.PutObject(t.Context(), "manual-sa", "sa-0", o.Tag, Input{Form: o.Form}); err != nil {
		t.Fatal(err)
	}
	if sa, err := manualKind.named(t.Context(), db, "sa-0"); err != nil || sa.EncryptionKey != "" || sa.IntegrityKey == "" {
		t.Errorf("%v", err)
	}
}

func TestPeopleActAtOnceAndLeaveTheDraft(t *testing.T) {
	ctx := t.Context()
	db := filled(t)
	rev, err := db.Commit(ctx, "admin", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Confirm(ctx, rev.ID); err != nil {
		t.Fatal(err)
	}
	for _, child := range []string{"child-0", "hosts-0"} {
		if err := db.DeleteObject(ctx, "child", child); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.DeleteBranch(ctx, "leeds"); err != nil {
		t.Fatal(err)
	}
	draft, err := db.Draft(ctx)
	if err != nil {
		t.Fatal(err)
	}
	addPeople(t, db)
	if err := db.DeleteObject(ctx, "certificate", "gateway"); err != nil {
		t.Fatal(err)
	}
	after, err := db.Draft(ctx)
	if err != nil || cmp.Diff(draft, after, compare) != "" {
		t.Errorf("the draft changed: %s %v", cmp.Diff(draft, after, compare), err)
	}
	if changes, err := db.Changes(ctx); err != nil || changes[0] != "Branch leeds was removed." {
		t.Errorf("%q %v", changes, err)
	}
	// And neither a discard nor a restore brings back who left.
	if err := db.DeleteObject(ctx, "device", "phone"); err != nil {
		t.Fatal(err)
	}
	if err := db.Discard(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Object(ctx, "device", "phone"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := db.Object(ctx, "user", "alice"); err != nil {
		t.Error(err)
	}
}

func TestFaultsOfPeople(t *testing.T) {
	db := filled(t)
	addPeople(t, db)
	other, _ := testCA(t)
	_, key := testCA(t)
	for field, o := range map[string]struct{ kind, json string }{
		"name":        {"user", `{"name":"Alice","enabled":true}`},
		"group":       {"user", `{"name":"bob","enabled":true,"group":"nobody"}`},
		"expires":     {"user", `{"name":"bob","enabled":true,"expires":"tomorrow"}`},
		"mail":        {"user", `{"name":"bob","enabled":true,"mail":"bob"}`},
		"password":    {"user", `{"name":"bob","enabled":true,"password":"short"}`},
		"user":        {"device", `{"name":"laptop","enabled":true,"user":"nobody"}`},
		"platform":    {"device", `{"name":"laptop","enabled":true,"user":"alice","platform":"toaster"}`},
		"certificate": {"authority", `{"name":"x","certificate":"no certificate"}`},
		"key":         {"authority", `{"name":"x","certificate":` + quoted(other) + `,"key":` + quoted(key) + `}`},
		"unknown":     {"user", `{"name":"bob","unknown":1}`},
	} {
		_, err := db.PutObject(t.Context(), o.kind, "", "", Input{JSON: []byte(o.json)})
		var found ValidationError
		if !errors.As(err, &found) || found[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	_, err := db.PutObject(t.Context(), "user", "", "", Input{JSON: []byte(`{"name":"alice","enabled":true}`)})
	if err == nil || !strings.Contains(err.Error(), "used twice") {
		t.Errorf("a second alice: %v", err)
	}
}

func TestNoSecretOfAnObjectIsShownOrKeptPlain(t *testing.T) {
	ctx := t.Context()
	db := filled(t)
	addPeople(t, db)
	for kind, name := range map[string]string{"user": "alice", "authority": "office", "manual-sa": "sa-0", "branch": "leeds"} {
		o, err := db.Object(ctx, kind, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"correct horse", "nthash", "PRIVATE KEY", testKey, everything(t).ManualSAs[0].IntegrityKey.Reveal()} {
			if strings.Contains(fmt.Sprint(o.Form, string(o.JSON)), secret) {
				t.Errorf("%s %s shows %s", kind, name, secret)
			}
		}
	}
	// MD4 of the password in UTF-16, as `openssl dgst -md4` gives it.
	u, err := userKind.stored(ctx, db, "alice")
	if err != nil || u.Password.Reveal() != "nthash:"+aliceHash {
		t.Errorf("%s %v", u.Password.Reveal(), err)
	}
	var plain int
	err = db.reader.QueryRow("SELECT count(*) FROM users WHERE instr(password, ?) > 0", aliceHash).Scan(&plain)
	if err != nil || plain != 0 {
		t.Errorf("the hash stands in the database: %v", err)
	}
	audit, err := db.Audit(ctx, 0, 100)
	if err != nil || strings.Contains(fmt.Sprint(audit), aliceHash) || strings.Contains(fmt.Sprint(audit), "correct horse") {
		t.Errorf("the audit log tells a password: %v", err)
	}
}

func TestTheSecondWriterOfAnyObjectIsTold(t *testing.T) {
	ctx := context.Background()
	db := filled(t)
	addPeople(t, db)
	for kind, name := range map[string]string{"user": "alice", "list": "list-0", "rule": "named-0"} {
		first, err := db.Object(ctx, kind, name)
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := maps.Clone(first.Form), maps.Clone(first.Form)
		theirs["note"], mine["note"] = "theirs", "mine"
		if _, err := db.PutObject(ctx, kind, name, first.Tag, Input{Form: theirs}); err != nil {
			t.Fatal(err)
		}
		if _, err := db.PutObject(ctx, kind, name, first.Tag, Input{Form: mine}); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestTheDraftIsReadAnewWhenAnotherProcessWrote(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	one, two := open(t, dir), open(t, dir)
	for i := range 5 {
		writer, reader := one, two
		if i%2 == 1 {
			writer, reader = two, one
		}
		doc := everything(t)
		doc.System.Name = fmt.Sprintf("gw%d", i)
		if err := writer.Import(ctx, doc); err != nil {
			t.Fatal(err)
		}
		// A write that is undone must leave no trace in what is remembered.
		broken := errors.New("undone")
		if err := reader.edit(ctx, func(_ *inserter, d *Document) error { d.System.Name = "nobody"; return broken }); !errors.Is(err, broken) {
			t.Fatal(err)
		}
		for _, db := range []*DB{writer, reader} {
			got, err := db.Draft(ctx)
			if d := cmp.Diff(doc, got, compare); err != nil || d != "" {
				t.Fatalf("%s %v", d, err)
			}
			got.Branches[0].Note, got.Lists[0].Entries = "changed by a caller", nil
		}
	}
}

const aliceHash = "3d211b74dd729be1e552b4727594f3eb"
