package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/store"
)

// gatehouse runs a command as a person at a terminal would.
func gatehouse(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	c := command()
	var out, errs bytes.Buffer
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(args)
	err = c.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

// shell runs commands on one directory, each with what it must say or be
// refused with; nothing means that it must only succeed. It gives the output.
func shell(t *testing.T, dir string) func(stdin, want string, args ...string) string {
	return func(stdin, want string, args ...string) string {
		t.Helper()
		out, _, err := gatehouse(t, stdin, append(args, "--data", dir)...)
		text := out
		if err != nil {
			text += err.Error()
		}
		if want == "" && err != nil || !strings.Contains(text, want) {
			t.Errorf("%v: %q, want %q", args, text, want)
		}
		return strings.TrimSpace(out)
	}
}

func officeText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/office.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestImportExportCheck(t *testing.T) {
	dir := t.TempDir()
	if out, _, err := gatehouse(t, "", "config", "check", "../../docs/office.json"); err != nil || !strings.Contains(out, "valid") {
		t.Fatalf("%s %v", out, err)
	}
	out, _, err := gatehouse(t, officeText(t), "config", "import", "-", "--data", dir)
	if err != nil || !strings.Contains(out, "Not applied yet") {
		t.Fatalf("%s %v", out, err)
	}
	exported, notes, err := gatehouse(t, "", "config", "export", "--data", dir)
	if err != nil || strings.Contains(exported, "replace-me") || !strings.Contains(notes, "left out") {
		t.Fatalf("%s %s %v", exported, notes, err)
	}
	// An export can be checked and goes back in without loss.
	if _, notes, err := gatehouse(t, exported, "config", "check", "-"); err != nil || !strings.Contains(notes, "branches[0].psk") {
		t.Errorf("%s %v", notes, err)
	}
	if out, _, err := gatehouse(t, exported, "config", "import", "-", "--data", dir); err != nil {
		t.Errorf("%s %v", out, err)
	}
	again, _, err := gatehouse(t, "", "config", "export", "--data", dir)
	if err != nil || again != exported {
		t.Errorf("changed: %s %v", again, err)
	}
	info, err := os.Stat(filepath.Join(dir, "gatehouse.db"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("database: %v %v", info, err)
	}
}

func TestFaultsNameTheirFieldAndChangeNothing(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := gatehouse(t, officeText(t), "config", "import", "-", "--data", dir); err != nil {
		t.Fatal(err)
	}
	before, _, err := gatehouse(t, "", "config", "export", "--data", dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, field string }{
		"unknown field": {`"enabled": true`, `"enabled": true, "colour": "red"`, "branches[0].colour"},
		"wrong type":    {`"enabled": true`, `"enabled": "yes"`, "branches[0].enabled"},
		"bad network":   {`"10.2.0.0/24"`, `"10.2.0.0/40"`, "branches[0].remote_networks[0]"},
		"bad meaning":   {`"start": "always"`, `"start": "sometimes"`, "branches[0].start"},
		"short key":     {`"replace-me-with-32-random-bytes"`, `"short"`, "branches[0].psk"},
		"bad version":   {`"version": 1`, `"version": 2`, "version"},
	} {
		text := strings.Replace(officeText(t), c.old, c.new, 1)
		for _, command := range [][]string{{"config", "check", "-"}, {"config", "import", "-", "--data", dir}} {
			if _, _, err := gatehouse(t, text, command...); err == nil || !strings.Contains(err.Error(), c.field) {
				t.Errorf("%s, %s: %v", name, command[1], err)
			}
		}
	}
	after, _, err := gatehouse(t, "", "config", "export", "--data", dir)
	if err != nil || after != before {
		t.Errorf("a refused import changed something: %s %v", after, err)
	}
}

func TestSchemaIsThePublishedOne(t *testing.T) {
	out, _, err := gatehouse(t, "", "config", "schema")
	published, readErr := os.ReadFile("../../docs/config.schema.json")
	if err != nil || readErr != nil || out != string(published) {
		t.Errorf("docs/config.schema.json is not what the command prints (%v, %v)", err, readErr)
	}
}

func TestApplyWithoutAGatewayWaitsForItsStart(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := gatehouse(t, officeText(t), "config", "import", "-", "--data", dir); err != nil {
		t.Fatal(err)
	}
	if out, _, err := gatehouse(t, "", "apply", "--data", dir); err != nil || !strings.Contains(out, "at its next start") {
		t.Fatalf("%s %v", out, err)
	}
	db, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rev, err := db.Confirmed(t.Context())
	if err != nil || rev.Document.System.Name != "hq" {
		t.Errorf("%+v %v", rev, err)
	}
}

func TestCommandsThatNeedAGatewaySaySo(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{"status"}, {"reconnect", "leeds"}} {
		if _, _, err := gatehouse(t, "", append(args, "--data", dir)...); err == nil || !strings.Contains(err.Error(), "no gatehouse is running") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestResetAdminPrintsAOneTimePassword(t *testing.T) {
	dir := t.TempDir()
	out, _, err := gatehouse(t, "", "reset-admin", "--data", dir)
	if err != nil || !strings.HasPrefix(out, "one-time password for admin: ") {
		t.Fatalf("%s %v", out, err)
	}
	db, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a, err := db.Admin(t.Context(), "admin")
	if err != nil || !a.OneTime || strings.Contains(a.Hash, strings.TrimSpace(strings.TrimPrefix(out, "one-time password for admin: "))) {
		t.Errorf("%+v %v", a, err)
	}
}

func TestAnExportWithSecretsIsEncrypted(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	good, bad, short := phrase(t, "correct horse battery"), phrase(t, "something else entirely"), phrase(t, "short")
	if _, _, err := gatehouse(t, officeText(t), "config", "import", "-", "--data", dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := gatehouse(t, "", "config", "export", "--with-secrets", "--data", dir, "--passphrase-file", short); err == nil {
		t.Error("a short passphrase was taken")
	}
	sealed, _, err := gatehouse(t, "", "config", "export", "--with-secrets", "--data", dir, "--passphrase-file", good)
	if err != nil || strings.Contains(sealed, "leeds") {
		t.Fatalf("%q %v", sealed, err)
	}
	if _, _, err := gatehouse(t, sealed, "config", "import", "-", "--data", other, "--passphrase-file", bad); !errors.Is(err, store.ErrPassphrase) {
		t.Errorf("another passphrase: %v", err)
	}
	if _, _, err := gatehouse(t, sealed[:len(sealed)-3], "config", "import", "-", "--data", other, "--passphrase-file", good); err == nil {
		t.Error("a file that was cut off was imported")
	}
	if _, _, err := gatehouse(t, sealed, "config", "import", "-", "--data", other, "--passphrase-file", good); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b, err := db.Branch(t.Context(), "leeds")
	if err != nil || b.PSK != "replace-me-with-32-random-bytes" {
		t.Errorf("the key did not come along: %v", err)
	}
}

func TestAuditOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := gatehouse(t, officeText(t), "config", "import", "-", "--data", dir); err != nil {
		t.Fatal(err)
	}
	if out, _, err := gatehouse(t, "", "audit", "--data", dir); err != nil || !strings.Contains(out, "command line") || !strings.Contains(out, "Branch leeds was added") {
		t.Errorf("%s %v", out, err)
	}
	if out, _, err := gatehouse(t, "", "audit", "verify", "--data", dir); err != nil || !strings.Contains(out, "1 entries") {
		t.Errorf("%s %v", out, err)
	}
}

func TestCheckNamesRulesThatCanNeverMatch(t *testing.T) {
	doc := office(t)
	again := doc.Firewall.Rules[0]
	again.Name = "again"
	doc.Firewall.Rules = append(doc.Firewall.Rules, again)
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	_, notes, err := gatehouse(t, string(text), "config", "check", "-")
	if want := "Rule again can never match: rule " + doc.Firewall.Rules[0].Name + " decides all of it before."; err != nil || !strings.Contains(notes, want) {
		t.Errorf("%q, %v", notes, err)
	}
}
