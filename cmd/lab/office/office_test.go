//go:build !guest

package office

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain runs the whole test binary again inside the lab's namespaces, with
// the real gatehouse binary beside it.
func TestMain(m *testing.M) {
	if Inside() {
		os.Exit(m.Run())
	}
	err := outside()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		os.Exit(1) // the inner process has said why
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the lab cannot run:", err)
		os.Exit(1)
	}
}

// binaryVar names the gatehouse binary under test to the inner process.
const binaryVar = "GATEHOUSE_LAB_BINARY"

func outside() error {
	dir, err := os.MkdirTemp("", "gatehouse-lab-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "gatehouse")
	build := exec.Command("go", "build", "-race", "-tags", "netgo osusergo sqlite_omit_load_extension",
		"-o", binary, "gatehouse/cmd/gatehouse")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build gatehouse: %w", err)
	}
	if err := os.Setenv(binaryVar, binary); err != nil {
		return err
	}
	return Enter(Options{Command: "test", Listen: "127.0.0.1:0"})
}

// TestOffice runs every check of `lab verify` against a gateway built with the
// race detector.
func TestOffice(t *testing.T) {
	l, err := New(Options{Gatehouse: os.Getenv(binaryVar)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Open(context.Background(), rekeyInChecks); err != nil {
		t.Fatal(err)
	}
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			seen, err := l.Check(t.Context(), c)
			if err != nil {
				t.Fatalf("%s: %v\nend of hq's log:\n%s\nend of branch's log:\n%s", c.What, err, l.HQ.Log(3000), l.Branch.Log(2000))
			}
			t.Log(seen)
		})
	}
	for _, g := range []*Gateway{l.HQ, l.Branch} {
		if said, err := g.tool(context.Background(), nil, "audit", "verify"); err != nil {
			t.Error(err)
		} else {
			t.Log(g.Name, said)
		}
		if err := g.Stop(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		for _, word := range []string{"DATA RACE", "panic:", psk, partnerKey} {
			if strings.Contains(g.Log(maxLog), word) {
				t.Errorf("%s's log has %q:\n%s", g.Name, word, g.Log(maxLog))
			}
		}
	}
}
