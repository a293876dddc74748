package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// job is what the guest is for.
type job struct {
	Args    []string
	Kernel  string
	Modules []string // files below the modules' directory, in order
}

// beInit is PID 1 of the guest: it makes the file systems that programs expect,
// runs the tests, says their exit code on the third serial port and switches off.
// It never returns; whatever goes wrong here ends without a code, which is a
// failure outside.
func beInit() {
	code, err := initGuest()
	if err == nil {
		err = say(code)
	}
	if err != nil {
		fmt.Println("guest: init:", err) // on the console
	}
	unix.Sync()
	// QEMU was told not to start again.
	unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	select {}
}

func initGuest() (int, error) {
	for _, m := range []struct{ kind, at, data string }{
		{"proc", "/proc", ""}, {"sysfs", "/sys", ""}, {"devtmpfs", "/dev", ""}, {"tmpfs", "/run", ""}, {"tmpfs", "/tmp", "mode=1777"},
	} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, m.data); err != nil {
			return 0, fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	text, err := os.ReadFile(jobAt)
	if err != nil {
		return 0, err
	}
	var j job
	if err := json.Unmarshal(text, &j); err != nil {
		return 0, err
	}
	for _, file := range j.Modules {
		if err := loadModule(filepath.Join("/lib/modules", j.Kernel, file)); err != nil {
			return 0, err
		}
	}
	out, err := openSerial("/dev/ttyS1")
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(testsAt, j.Args...)
	cmd.Dir = "/test"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = []string{"PATH=/bin", "HOME=/root", "TMPDIR=/tmp", "GUEST_KERNEL=" + j.Kernel}
	err = cmd.Run()
	drain(out)
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return max(1, failed.ExitCode()), nil
	}
	return 0, err
}

// loadModule gives a module's file to the kernel, which unpacks it if need be.
func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := 0
	if filepath.Ext(path) != ".ko" {
		flags = unix.MODULE_INIT_COMPRESSED_FILE
	}
	if err := unix.FinitModule(int(f.Fd()), "", flags); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load %s: %w", path, err)
	}
	return nil
}

func say(code int) error {
	f, err := openSerial("/dev/ttyS2")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, code); err != nil {
		return err
	}
	drain(f)
	return f.Close()
}

// openSerial opens a port that passes bytes on as they are.
func openSerial(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ICANON
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// drain waits until a port has sent everything (tcdrain).
func drain(f *os.File) { _ = unix.IoctlSetInt(int(f.Fd()), unix.TCSBRK, 1) }
