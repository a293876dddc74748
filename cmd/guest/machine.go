package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

func findQEMU() (string, error) {
	path, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return "", errors.New("the kernel tests need QEMU: install Debian's qemu-system-x86, or run scripts/deps.sh")
	}
	return path, nil
}

// machine is one virtual computer without disk and network. It has three serial
// ports: the kernel's console, what the tests print, and their exit code.
type machine struct {
	qemu        string
	kernel      kernel
	initrd, dir string
	options     options
}

// commandLine makes every trouble of the kernel the end of the guest, at once.
const commandLine = "console=ttyS0 loglevel=4 panic=-1 oops=panic 8250.nr_uarts=4 tsc=reliable random.trust_cpu=on " +
	"mitigations=off no5lvl apparmor=0 audit=0 cryptomgr.notests=1 rcupdate.rcu_expedited=1"

// boot runs the guest to its end and gives the tests' exit code as an error.
func (m machine) boot(ctx context.Context, out io.Writer) error {
	console, result := filepath.Join(m.dir, "console"), filepath.Join(m.dir, "result")
	limited, cancel := context.WithTimeout(ctx, m.options.timeout)
	defer cancel()
	var clock []string
	if m.options.counted {
		clock = []string{"-icount", "shift=0,sleep=off"}
	}
	cmd := exec.CommandContext(limited, m.qemu, append(clock,
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "pc", "-accel", "tcg,tb-size=512", "-cpu", "max", "-smp", strconv.Itoa(m.options.cpus), "-m", strconv.Itoa(m.options.memory),
		"-kernel", m.kernel.image, "-initrd", m.initrd, "-append", commandLine,
		"-serial", "file:"+console, "-serial", "stdio", "-serial", "file:"+result)...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = out, &said
	err := cmd.Run()
	code, read := readResult(result)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("the guest hangs: it was ended after %s%s", m.options.timeout, consoleEnd(console))
	case err != nil:
		return fmt.Errorf("qemu: %w: %s%s", err, said.String(), consoleEnd(console))
	case !read:
		return fmt.Errorf("the guest ended before its tests did%s", consoleEnd(console))
	case code != 0:
		fmt.Fprint(os.Stderr, strings.TrimPrefix(consoleEnd(console)+"\n", "; "))
		return exitCode(code)
	}
	return nil
}

// readResult reads what init wrote last of all.
func readResult(path string) (int, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	word, whole := strings.CutSuffix(string(text), "\n")
	code, err := strconv.Atoi(strings.TrimSpace(word))
	return code, whole && err == nil
}

// consoleEnd is what the kernel said last.
func consoleEnd(path string) string {
	const lines = 80
	text, err := os.ReadFile(path)
	if err != nil {
		return "; it has no console: " + err.Error()
	}
	all := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\r", "")), "\n")
	return "; its console ends with:\n" + strings.Join(all[max(0, len(all)-lines):], "\n")
}
