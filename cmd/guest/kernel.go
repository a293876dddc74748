package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// kernel is a directory that scripts/kernels.sh made.
type kernel struct {
	image   string // vmlinux
	modules string // lib/modules/RELEASE
	release string
}

func openKernel(dir string) (kernel, error) {
	found, err := filepath.Glob(filepath.Join(dir, "lib/modules/*"))
	if err != nil || len(found) != 1 {
		return kernel{}, fmt.Errorf("no kernel in %s: run scripts/kernels.sh %s", dir, filepath.Base(dir))
	}
	k := kernel{image: filepath.Join(dir, "vmlinux"), modules: found[0], release: filepath.Base(found[0])}
	_, err = os.Stat(k.image)
	return k, err
}

// moduleName is the name of the module in a file: modules call themselves with
// underscores, and Debian compresses some kernels' files.
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// lacks says whether a file of the modules' directory shall be left out. Only
// the file is missing then: modprobe finds the name and not the module, and the
// kernel answers as one that was built without it.
func lacks(without []string, file string) bool {
	return strings.Contains(filepath.Base(file), ".ko") && slices.Contains(without, moduleName(file))
}

// compile builds the tests of a package for the guest.
func compile(ctx context.Context, pkg, dir string) (binary, testdata string, err error) {
	home, err := exec.CommandContext(ctx, "go", "list", "-tags", "guest", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		return "", "", fmt.Errorf("no package %s: %w", pkg, err)
	}
	binary = filepath.Join(dir, "tests")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-tags", "guest", "-o", binary, pkg)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", "", fmt.Errorf("compile the tests of %s: %w", pkg, err)
	}
	testdata = filepath.Join(strings.TrimSpace(string(home)), "testdata")
	if _, err := os.Stat(testdata); err != nil {
		testdata = ""
	}
	return binary, testdata, nil
}
