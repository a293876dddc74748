package firewall

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netns"
)

// reexecuted marks the copy of the test binary that runs in a user namespace.
const reexecuted = "FIREWALL_TEST_IN_USER_NAMESPACE"

// TestMain gives the tests a kernel they may change: as root they make network
// namespaces of their own; without root the whole binary runs again as root of
// a user namespace. Where neither is allowed the tests fail, they do not skip.
func TestMain(m *testing.M) {
	if os.Geteuid() == 0 {
		os.Exit(m.Run())
	}
	if os.Getenv(reexecuted) != "" {
		fmt.Fprintln(os.Stderr, "firewall: not root even in a user namespace of our own")
		os.Exit(1)
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), reexecuted+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "firewall: these tests need root or user namespaces:", err)
		os.Exit(1)
	}
}

// space is a network namespace without a name: it ends with its last handle.
// A process in it is started by way of run.
type space struct {
	t      testing.TB
	handle netns.NsHandle
}

func newSpace(t testing.TB) *space {
	t.Helper()
	s := &space{t: t}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with this goroutine.
		runtime.LockOSThread()
		var err error
		s.handle, err = netns.New()
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	t.Cleanup(func() { s.handle.Close() })
	// An address that is being checked for duplicates cannot be used for a second.
	s.sh("ip link set lo up; for c in all default; do echo 0 > /proc/sys/net/ipv6/conf/$c/accept_dad; done")
	return s
}

// do runs fn on a thread inside the namespace.
func (s *space) do(fn func()) {
	s.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(s.handle)
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		s.t.Fatalf("enter a network namespace: %v", err)
	}
}

// try runs a shell command in the namespace and gives what it printed.
func (s *space) try(format string, args ...any) (string, error) {
	var out []byte
	var err error
	s.do(func() { out, err = exec.Command("sh", "-ec", fmt.Sprintf(format, args...)).CombinedOutput() })
	return string(out), err
}

// sh is try for what must work.
func (s *space) sh(format string, args ...any) string {
	s.t.Helper()
	out, err := s.try(format, args...)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", fmt.Sprintf(format, args...), err, out)
	}
	return out
}

// ip runs lines of ip(8) in one process, which is what counts where a process
// takes long to start.
func (s *space) ip(lines ...string) {
	s.t.Helper()
	s.sh("ip -batch - <<'END'\n%s\nEND", strings.Join(lines, "\n"))
}

// load gives text to nft in the namespace.
func (s *space) load(text string, flags ...string) error {
	var out []byte
	var err error
	s.do(func() {
		cmd := exec.Command("nft", append(flags, "-f", "-")...)
		cmd.Env = append(os.Environ(), "TZ=UTC")
		cmd.Stdin = strings.NewReader(text)
		out, err = cmd.CombinedOutput()
	})
	if err != nil {
		return fmt.Errorf("nft: %w\n%s", err, out)
	}
	return nil
}
