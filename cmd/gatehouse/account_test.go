package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAccountsTokensAndInvites(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	run := shell(t, dir)
	run(officeText(t), "Not applied yet", "config", "import", "-")
	run("", "one-time password for admin", "reset-admin")
	run("", "one-time password for vera", "account", "add", "vera", "viewer")
	run("", "exists already", "account", "add", "vera", "owner")
	run("", "needs a name", "account", "add", "eve", "queen")
	run("", "vera\tviewer", "account", "list")
	run("", "the last owner", "account", "role", "admin", "viewer")
	run("", "the last owner", "account", "delete", "admin")
	run("", "", "account", "role", "vera", "operator")

	token := run("", "gatehouse_", "token", "add", "monitor", "--days", "1")
	run("", "used twice", "token", "add", "monitor")
	run("", "must be owner", "token", "add", "other", "--role", "king")
	run("", "not found", "token", "add", "other", "--account", "nobody")
	if list := run("", "monitor\tadmin\tviewer", "token", "list"); strings.Contains(list, token) {
		t.Error("the list shows the token")
	}
	run("", "", "token", "delete", "monitor")
	run("", "not found", "token", "delete", "monitor")

	run("", "user alice: not found", "invite", "add", "alice")
	run(`{"name":"alice","enabled":true}`, "User alice is saved", "object", "put", "users")
	invite := run("", "gatehouse_", "invite", "add", "alice", "--hours", "2")
	run("", "at most 168 hours", "invite", "add", "alice", "--hours", "1000")
	if list := run("", "1\talice\topen until", "invite", "list"); strings.Contains(list, invite) {
		t.Error("the list shows the invite's token")
	}
	run("", "", "invite", "revoke", "1")
	run("", "not found", "invite", "revoke", "1")
	// Who leaves takes the invites along, and renaming keeps them.
	run("", "gatehouse_", "invite", "add", "alice")
	run(`{"name":"alice-b","enabled":true}`, "is saved", "object", "put", "users", "alice")
	run("", "\talice-b\topen", "invite", "list")
	run("", "is deleted", "object", "delete", "users", "alice-b")
	if list := run("", "", "invite", "list"); list != "" {
		t.Errorf("left over: %s", list)
	}
	if log := run("", "Token monitor of account admin (viewer) was made", "audit"); strings.Contains(log, token) || strings.Contains(log, invite) {
		t.Error("the audit log shows a secret")
	}
}
