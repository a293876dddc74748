package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
)

func TestModulesComeBehindWhatTheyNeed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("modules.dep", `kernel/a.ko.xz: kernel/b-b.ko.xz kernel/c.ko
kernel/b-b.ko.xz: kernel/c.ko
kernel/c.ko:
kernel/d.ko:
`)
	write("modules.softdep", "# comment\nsoftdep c pre: d\nsoftdep d post: built_in\n")
	for name, row := range map[string]struct{ names, without, want string }{
		"all of one":                    {"a", "", "kernel/d.ko kernel/c.ko kernel/b-b.ko.xz kernel/a.ko.xz"},
		"each once":                     {"c a built_in", "", "kernel/d.ko kernel/c.ko kernel/b-b.ko.xz kernel/a.ko.xz"},
		"what needs a missing one":      {"d a", "b_b", "kernel/d.ko"},
		"one that is named with a dash": {"b_b", "a", "kernel/d.ko kernel/c.ko kernel/b-b.ko.xz"},
	} {
		got, err := loadOrder(dir, strings.Fields(row.names), strings.Fields(row.without))
		if err != nil {
			t.Error(name, err)
		}
		if diff := cmp.Diff(row.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := loadOrder(dir, []string{"nothing"}, nil); err == nil {
		t.Error("a kernel with none of the modules is taken")
	}
}

func TestAMissingKernelSaysWhatToRun(t *testing.T) {
	if _, err := openKernel("no/such/trixie"); err == nil || !strings.Contains(err.Error(), "scripts/kernels.sh trixie") {
		t.Error(err)
	}
}

func TestAMissingQEMUSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", "")
	if _, err := findQEMU(); err == nil || !strings.Contains(err.Error(), "install Debian's qemu-system-x86") {
		t.Error(err)
	}
}

func TestAProgramBringsItsLibraries(t *testing.T) {
	var b bytes.Buffer
	a := &archive{to: cpio.NewWriter(&b), has: map[string]bool{}}
	a.link("/lib", "usr/lib")
	a.named("sh")
	if a.err != nil || a.to.Close() != nil {
		t.Fatal(a.err)
	}
	seen := map[string]bool{}
	for r := cpio.NewReader(&b); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if parent := filepath.Dir(h.Name); parent != "." && !seen[parent] {
			t.Errorf("%s comes before its directory", h.Name)
		}
		seen[h.Name] = true
		seen["a libc"] = seen["a libc"] || strings.HasPrefix(filepath.Base(h.Name), "libc.so")
	}
	if !seen["usr/bin/sh"] || !seen["a libc"] {
		t.Error(seen)
	}
}
