package office

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Options of a lab.
type Options struct {
	Command   string
	Gatehouse string // the binary
	Listen    string // on the host, for hq's page
	Only      string // a regular expression over check names
	WireGuard string // the binary
}

// insideVar tells the second process that it is inside.
const insideVar = "GATEHOUSE_LAB_INSIDE"

// pageFD is the page's listening socket, made outside.
const pageFD = 3

// Inside says whether this process is in the lab's own namespaces.
func Inside() bool { return os.Getenv(insideVar) != "" }

// DefaultGatehouse is the binary beside this one.
func DefaultGatehouse() string {
	self, err := os.Executable()
	if err != nil {
		return "build/gatehouse"
	}
	return filepath.Join(filepath.Dir(self), "gatehouse")
}

// Enter runs this program again in namespaces of its own: network, mounts and
// processes, and without root a user namespace. Everything that the lab makes
// lives there and ends with it, also if it is killed, because the kernel ends
// all processes of a process namespace with its first. What failed inside has
// been said inside; it comes back as an *exec.ExitError.
func Enter(o Options) error {
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil && o.Command != "run" {
		// Checks do not care which port.
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return fmt.Errorf("the page cannot be shown at %s: %w", o.Listen, err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	return enter(exec.Command("/proc/self/exe", os.Args[1:]...), listener.Addr().String(), file)
}

// enter starts cmd inside and waits for it.
func enter(cmd *exec.Cmd, page string, file *os.File) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, os.Stdout, os.Stderr
	spare, err := makeSpares()
	if err != nil {
		return err
	}
	cmd.ExtraFiles = append([]*os.File{file}, spare...)
	cmd.Env = append(os.Environ(), insideVar+"="+page)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // Ctrl-C reaches the inside once, from here
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot make namespaces (as root, or with unprivileged user namespaces): %w", err)
	}
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if err := cmd.Process.Signal(s); err != nil {
				return err
			}
		case err := <-done:
			return err
		}
	}
}

// settleIn gives this process what a fresh set of namespaces lacks: its own
// /proc, and a /run that nobody else sees.
func settleIn() error {
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return os.MkdirAll("/run/netns", 0o755)
}
