package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows are the imports of our own that each room may have; a room that is
// not named may have none. "x/..." stands for everything in x.
var arrows = map[string][]string{
	"store":    {},
	"firewall": {},
	// What comes from elsewhere is ranges for the firewall, and no more.
	"firewall/lists": {"firewall"},
	"network":        {},
	"web":            {"store"},
	"traffic":        {},
	"ipsec/wire":     {},
	"ipsec/crypto":   {"ipsec/wire"},
	"ipsec/sad":      {"ipsec/wire", "ipsec/crypto"},
	"ipsec/auth":     {"ipsec/wire", "ipsec/crypto"},
	"ipsec/authtest": {},
	"ipsec/ike":      {"ipsec/wire", "ipsec/crypto", "ipsec/sad", "ipsec/auth"},
	// A scripted peer: it speaks to the state machine in memory.
	"ipsec/ike/conformance": {"ipsec/wire", "ipsec/crypto", "ipsec/sad", "ipsec/auth", "ipsec/ike"},
	"ipsec/pathmtu":         {},
	"ipsec/esp":             {"ipsec/crypto", "ipsec/sad", "ipsec/pathmtu"},
	"ipsec/xfrm":            {"ipsec/crypto", "ipsec/sad", "ipsec/pathmtu"},
	"ipsec/planetest":       {"ipsec/crypto", "ipsec/sad"},
	"ipsec/wycheproof":      {},
	"ipsec":                 {"ipsec/..."},
	"cmd/gatehouse":         {"store", "firewall", "firewall/lists", "network", "traffic", "web", "ipsec", "ipsec/..."},
	"cmd/guest":             {},
	// The lab drives the binary like an admin; it knows the document, the
	// status and how IKE messages look, and nothing that runs a gateway.
	"cmd/lab":        {"cmd/lab/office"},
	"cmd/lab/office": {"store", "web", "ipsec/wire", "ipsec/authtest"},
}

// unreachable are packages through which the state machine could reach a
// socket, a kernel or a file.
var unreachable = []string{"net", "os", "syscall", "net/http", "golang.org/x/sys/unix", "github.com/vishvananda/netlink"}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) (out []listed) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "gatehouse/...")
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
}

func TestImportsPointOneWay(t *testing.T) {
	const module = "gatehouse/"
	found := packages(t)
	if len(found) < len(arrows) {
		t.Errorf("%d packages found, %d are known", len(found), len(arrows))
	}
	for _, p := range found {
		room := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := arrows[room]
		if !known {
			t.Errorf("%s has no place in the arrows", room)
		}
		for _, i := range p.Imports {
			ours, is := strings.CutPrefix(i, module)
			if is && !mayImport(allowed, ours) {
				t.Errorf("%s imports %s", room, ours)
			}
			if room == "ipsec/ike" && slices.Contains(unreachable, i) {
				t.Errorf("the state machine imports %s", i)
			}
		}
	}
}

func mayImport(allowed []string, room string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		parent, all := strings.CutSuffix(a, "...")
		return a == room || all && strings.HasPrefix(room, parent)
	})
}
