//go:build guest

package office

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
)

// TestMain runs the whole test binary again inside the lab's namespaces, as the
// plain tests do. The gatehouse binary was copied into the guest.
func TestMain(m *testing.M) {
	if Inside() {
		patience, fetched = 6, 1_000_000
		os.Exit(m.Run())
	}
	err := Enter(Options{Command: "test", Listen: "127.0.0.1:0"})
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		os.Exit(1) // the inner process has said why
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the lab cannot run:", err)
		os.Exit(1)
	}
}

// inGuest are the checks that say something about who carries IPsec packets.
var inGuest = []string{"1-tunnel-v4", "1-tunnel-v6", "3-no-leak", "4-kill"}

// rekeyInGuest is the lifetime of child SAs in seconds: shorter than the test, longer
// than what a busy guest takes for any step of it.
const rekeyInGuest = 60

// TestKernelCarriesTheOffice runs checks of the lab on a kernel that has IPsec of
// its own: both gateways must choose it.
func TestKernelCarriesTheOffice(t *testing.T) {
	binary, err := exec.LookPath("gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(Options{Gatehouse: binary})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Open(context.Background(), rekeyInGuest); err != nil {
		t.Fatalf("%v\nend of hq's log:\n%s\nend of branch's log:\n%s", err, l.HQ.Log(3000), l.Branch.Log(2000))
	}
	for _, g := range []*Gateway{l.HQ, l.Branch} {
		if st, err := g.Status(t.Context()); err != nil || st.Dataplane != "kernel" {
			t.Fatalf("%s carries IPsec in %s (%s), %v", g.Name, st.Dataplane, st.DataplaneWhy, err)
		}
	}
	for _, c := range Checks() {
		if !slices.Contains(inGuest, c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			seen, err := l.Check(t.Context(), c)
			if err != nil {
				t.Fatalf("%s: %v\nend of hq's log:\n%s\nend of branch's log:\n%s", c.What, err, l.HQ.Log(3000), l.Branch.Log(2000))
			}
			t.Log(seen)
		})
	}
	for _, g := range []*Gateway{l.HQ, l.Branch} {
		if err := g.Stop(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
}
