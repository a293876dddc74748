package main

import (
	"strings"
	"testing"
)

func TestObjectsFromTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	run := shell(t, dir)
	run(officeText(t), "Not applied yet", "config", "import", "-")
	run(`{"name":"blocked","entries":["192.0.2.7"]}`, "List blocked is saved, but not applied yet", "object", "put", "lists")
	run("198.51.100.0/24 # a provider\n10.0.0.1-10.0.0.9\n", "now has 3 entries", "object", "entries", "blocked", "-")
	run("10.0.0.1-10.0.0.9\n", "now has 2 entries", "object", "entries", "--remove", "blocked", "-")
	run("nonsense\n", "line 1", "object", "entries", "blocked", "-")
	run(`{"name":"no","from":"wan","to":"lan","source_lists":["blocked"],"action":"drop"}`, "Rule no is saved", "object", "put", "rules")
	run("", "list blocked is used by rule no", "object", "delete", "lists", "blocked")
	run("", "no\tdrop, from the internet to the office", "object", "list", "rules")
	run("", `"source_lists": [`, "object", "show", "rule", "no")
	run(`{"name":"no","from":"wan","to":"moon","action":"drop"}`, `to: there is no zone called "moon"`, "object", "put", "rules", "no")
	run("", "Rule no is moved, but not applied yet", "object", "move", "rules", "no", "1")
	if list := run("", "", "object", "list", "rules"); !strings.HasPrefix(list, "no\t") {
		t.Errorf("not the first: %s", list)
	}
	run("", "is not a number", "object", "move", "rules", "no", "up")
	run("", "their order means nothing", "object", "move", "lists", "blocked", "1")
	run("", "there are no \"unicorns\"", "object", "list", "unicorns")
	run("", "they belong to the configuration document", "object", "export", "rules")

	run(`[{"name":"alice","enabled":true,"password":"a long password"},{"name":"bob","enabled":false}]`, "2 users are in force", "object", "import", "users", "-")
	run(`[{"name":"carol","enabled":true},{"name":"Dave","enabled":true},{"name":"eve","enabled":true,"group":"none"}]`, "[1].name", "object", "import", "users", "-")
	if list := run("", "bob\t\tswitched off", "object", "list", "users"); strings.Contains(list, "carol") {
		t.Error("half of an import was carried out")
	}
	exported := run("", `"alice"`, "object", "export", "users")
	if strings.Contains(exported, "nthash") || strings.Contains(exported, "a long password") {
		t.Error("the export shows a password")
	}
	run(exported, "2 users are in force", "object", "import", "users", "-")
	if again := run("", "", "object", "export", "users"); again != exported {
		t.Errorf("an export that was imported gives %s", again)
	}
	run("", "User alice is deleted.", "object", "delete", "users", "alice")
}
