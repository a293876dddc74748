package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/store"
)

// phrase writes a passphrase file.
func phrase(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "phrase")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The way back is shown in the lab, on a machine with other ports.
func TestARefusedRestoreChangesNothing(t *testing.T) {
	base := t.TempDir()
	dir, file := filepath.Join(base, "data"), filepath.Join(base, "backup.age")
	good, bad := phrase(t, "correct horse battery"), phrase(t, "something else entirely")
	if _, _, err := gatehouse(t, "", "backup", file, "--data", dir, "--passphrase-file", good); err == nil || !strings.Contains(err.Error(), "no database") {
		t.Errorf("a backup of nothing: %v", err)
	}
	if _, _, err := gatehouse(t, officeText(t), "config", "import", "-", "--data", dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := gatehouse(t, "", "apply", "--data", dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := gatehouse(t, "", "backup", file, "--data", dir, "--passphrase-file", good); err != nil {
		t.Fatal(err)
	}
	if _, _, err := gatehouse(t, "", "backup", file, "--data", dir, "--passphrase-file", good); err == nil {
		t.Error("a backup was overwritten")
	}
	before, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"another passphrase":  {"--passphrase-file", bad},
		"ports that are gone": {"--passphrase-file", good},
		"a bad port":          {"--passphrase-file", good, "--port", "office"},
	} {
		_, _, err := gatehouse(t, "", append([]string{"restore", file, "--data", dir}, args...)...)
		if err == nil {
			t.Errorf("%s: restored", name)
		}
		if after, err := os.ReadDir(base); err != nil || len(after) != len(before) {
			t.Errorf("%s left something: %v %v", name, after, err)
		}
	}
}

func TestPortsAreAssignedByName(t *testing.T) {
	doc := office(t)
	here := []string{"enp1s0", "enp2s0", "wlan0"}
	if _, err := assignPorts(&doc, map[string]string{"office": "enp2s0"}, here); err == nil ||
		!strings.Contains(err.Error(), "internet (wan0)") || strings.Contains(err.Error(), "office (") || !strings.Contains(err.Error(), "wlan0") {
		t.Errorf("%v", err)
	}
	doc = office(t)
	changed, err := assignPorts(&doc, map[string]string{"office": "enp2s0", "internet": "enp1s0"}, here)
	if err != nil || !changed || doc.Interfaces[0].Device != "enp1s0" || doc.Interfaces[1].Device != "enp2s0" {
		t.Errorf("%v %v %+v", changed, err, doc.Interfaces)
	}
	if changed, err := assignPorts(&doc, nil, here); err != nil || changed {
		t.Errorf("again: %v %v", changed, err)
	}
	if _, err := assignPorts(&store.Document{}, nil, here); err != nil {
		t.Error(err)
	}
}

func TestFactoryResetSetsAside(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "data")
	if _, _, err := gatehouse(t, "", "factory-reset", "--yes", "--data", dir); err == nil {
		t.Error("what is not there was reset")
	}
	if _, _, err := gatehouse(t, officeText(t), "config", "import", "-", "--data", dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := gatehouse(t, "", "factory-reset", "--data", dir); err == nil {
		t.Error("it was reset without --yes")
	}
	unlock, err := lockDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := gatehouse(t, "", "factory-reset", "--yes", "--data", dir); err == nil || !strings.Contains(err.Error(), "already runs") {
		t.Errorf("it was reset under a running gateway: %v", err)
	}
	unlock()
	if _, _, err := gatehouse(t, "", "factory-reset", "--yes", "--data", dir); err != nil {
		t.Fatal(err)
	}
	aside, err := filepath.Glob(dir + "-reset-*")
	if err != nil || len(aside) != 1 {
		t.Errorf("%v %v", aside, err)
	}
	if out, _, err := gatehouse(t, "", "config", "export", "--data", dir); err != nil || strings.Contains(out, "leeds") {
		t.Errorf("%s %v", out, err)
	}
}

func TestTheDailyBackupIsSetAndEnded(t *testing.T) {
	dir, target := filepath.Join(t.TempDir(), "data"), t.TempDir()
	if _, _, err := gatehouse(t, officeText(t), "config", "import", "-", "--data", dir); err != nil {
		t.Fatal(err)
	}
	says := func(want string) {
		t.Helper()
		if out, _, err := gatehouse(t, "", "backup-daily", "--data", dir); err != nil || !strings.Contains(out, want) {
			t.Errorf("%q %v, want %q", out, err, want)
		}
	}
	says("No backup is written each day.")
	if _, _, err := gatehouse(t, "", "backup-daily", target, "--keep", "5", "--passphrase-file", phrase(t, "short"), "--data", dir); err == nil || !strings.Contains(err.Error(), "at least 12") {
		t.Errorf("%v", err)
	}
	if _, _, err := gatehouse(t, "", "backup-daily", target, "--keep", "5", "--passphrase-file", phrase(t, "correct horse battery"), "--data", dir); err != nil {
		t.Fatal(err)
	}
	says("into " + target + " each day; the newest 5 are kept.")
	if _, _, err := gatehouse(t, "", "backup-daily", "--off", "--data", dir); err != nil {
		t.Fatal(err)
	}
	says("No backup is written each day.")
}
