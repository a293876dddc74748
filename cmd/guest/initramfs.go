package main

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// contents are what the guest's memory holds at its start.
type contents struct {
	kernel           kernel
	without          []string
	binary, testdata string
	programs         []string
	job              job
}

// Where things are in the guest.
const (
	testsAt = "/test/tests" // the working directory is /test, beside testdata
	jobAt   = "/job.json"
)

// writeInitramfs writes the archive that the kernel unpacks as its root.
func writeInitramfs(path string, c contents) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriterSize(f, 1<<20)
	a := &archive{to: cpio.NewWriter(buffered), has: map[string]bool{}}
	// As Debian since 12: what a program's libraries are called elsewhere is found here.
	for _, link := range [][2]string{
		{"/bin", "usr/bin"}, {"/sbin", "usr/bin"}, {"/usr/sbin", "bin"}, {"/lib", "usr/lib"}, {"/lib64", "usr/lib64"},
	} {
		a.link(link[0], link[1])
	}
	for _, d := range []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/root", "/etc", "/var/run", "/var/log", "/usr/lib64"} {
		a.dir(d)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	a.program(self, "/init")
	a.program(c.binary, testsAt)
	a.named("modprobe")
	for _, p := range c.programs {
		if filepath.IsAbs(p) {
			a.tree(p, usr(p), nil)
		} else {
			a.named(p)
		}
	}
	a.tree(c.kernel.modules, "/usr/lib/modules/"+c.kernel.release, func(file string) bool { return lacks(c.without, file) })
	if c.testdata != "" {
		a.tree(c.testdata, "/test/testdata", nil)
	}
	// Names that programs print in place of numbers.
	for _, file := range []string{"/etc/protocols", "/etc/services"} {
		if text, err := os.ReadFile(file); err == nil {
			a.file(file, 0o644, text)
		}
	}
	a.file("/etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	a.file("/etc/group", 0o644, []byte("root:x:0:\n"))
	text, err := json.Marshal(c.job)
	if err != nil {
		return err
	}
	a.file(jobAt, 0o644, text)
	return errors.Join(a.err, a.to.Close(), buffered.Flush())
}

// archive writes files with the directories above them, each once. The first
// error stays.
type archive struct {
	to  *cpio.Writer
	has map[string]bool
	err error
}

func (a *archive) entry(path string, mode cpio.FileMode, content []byte) {
	if a.err != nil || a.has[path] {
		return
	}
	a.has[path] = true
	if parent := filepath.Dir(path); parent != "/" {
		a.dir(parent)
	}
	if a.err = a.to.WriteHeader(&cpio.Header{Name: strings.TrimPrefix(path, "/"), Mode: mode, Size: int64(len(content))}); a.err == nil {
		_, a.err = a.to.Write(content)
	}
}

func (a *archive) dir(path string) { a.entry(path, cpio.TypeDir|0o755, nil) }

func (a *archive) file(path string, mode fs.FileMode, content []byte) {
	a.entry(path, cpio.TypeReg|cpio.FileMode(mode.Perm()), content)
}

// link writes a symbolic link.
func (a *archive) link(path, target string) {
	if a.err != nil {
		return
	}
	a.has[path] = true
	if a.err = a.to.WriteHeader(&cpio.Header{
		Name: strings.TrimPrefix(path, "/"), Mode: cpio.TypeSymlink | 0o777, Linkname: target, Size: int64(len(target)),
	}); a.err == nil {
		_, a.err = io.WriteString(a.to, target)
	}
}

// tree copies a directory of the host, and the libraries of what can be run or
// loaded in it.
func (a *archive) tree(from, to string, leaveOut func(file string) bool) {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || a.err != nil {
			return errors.Join(err, a.err)
		}
		at := to + strings.TrimPrefix(path, from)
		switch {
		case d.IsDir():
			a.dir(at)
		case leaveOut == nil || !leaveOut(path):
			a.program(path, at)
		}
		return nil
	})
	a.err = errors.Join(a.err, err)
}

// named copies a program of the host that tests call by its name.
func (a *archive) named(name string) {
	path, err := exec.LookPath(name)
	if err != nil {
		a.err = errors.Join(a.err, fmt.Errorf("the guest needs %s: %w; run scripts/deps.sh", name, err))
		return
	}
	a.program(path, "/usr/bin/"+name)
}

// program copies one file and, if a loader has to start it, its libraries.
func (a *archive) program(path, at string) {
	if a.err != nil || a.has[at] {
		return
	}
	content, err := os.ReadFile(path)
	if err != nil {
		a.err = err
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		a.err = err
		return
	}
	a.file(at, info.Mode(), content)
	if !linked(content) {
		return
	}
	libraries, err := librariesOf(path)
	if err != nil {
		a.err = errors.Join(a.err, err)
	}
	for _, l := range libraries {
		a.program(l, usr(l))
	}
}

// linked says whether a file is a program or library that names others.
func linked(content []byte) bool {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return false
	}
	libraries, err := f.ImportedLibraries()
	return err == nil && len(libraries) > 0
}

// librariesOf asks the host's loader, which knows where it would find them.
func librariesOf(path string) ([]string, error) {
	out, err := exec.Command("ldd", path).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w: %s", path, err, out)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "not found") {
			return nil, fmt.Errorf("%s needs a library that is not here: %s", path, strings.TrimSpace(line))
		}
		for _, word := range strings.Fields(line) {
			if filepath.IsAbs(word) {
				found = append(found, word)
			}
		}
	}
	return found, nil
}

// usr is where a path leads when /bin and /lib are links into /usr.
func usr(path string) string {
	for _, top := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(path, top) {
			return "/usr" + path
		}
	}
	return path
}
