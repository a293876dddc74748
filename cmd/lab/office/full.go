package office

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// smallDisk is what the branch's data directory gets, in bytes.
const smallDisk = 4 << 20

// diskFull fills the disk under a running gateway.
func diskFull(ctx context.Context, l *Office) (seen string, err error) {
	if err := errors.Join(l.Branch.Stop(syscall.SIGTERM), onSmallDisk(l.Branch.data()), l.Branch.Boot(ctx), l.Branch.WaitUp(ctx, "hq")); err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, l.Branch.Stop(syscall.SIGTERM), offSmallDisk(l.Branch.data()), l.Branch.Boot(ctx),
			l.Branch.WaitUp(ctx, "hq"), l.BranchPC.reaches(ctx, hqPC))
	}()
	filler := filepath.Join(l.Branch.data(), "filler")
	if err := fill(filler); err != nil {
		return "", err
	}
	doc := branchDocument(psk, rekeyInChecks)
	doc.Branches[0].Note = strings.Repeat("a note that needs room ", 40)
	// A page that is rewritten may still fit; what does not must say so.
	var refused error
	for range 50 {
		if refused = l.Branch.Import(ctx, doc); refused != nil {
			break
		}
	}
	if refused == nil || !strings.Contains(refused.Error(), "full") {
		return "", fmt.Errorf("an import onto a full disk said: %v", refused)
	}
	if err := l.BranchPC.reaches(ctx, hqPC); err != nil {
		return "", fmt.Errorf("the gateway stopped forwarding: %w", err)
	}
	if err := os.Remove(filler); err != nil {
		return "", err
	}
	if err := l.Branch.Configure(ctx, doc); err != nil {
		return "", fmt.Errorf("with room again: %w", err)
	}
	if _, err := l.Branch.tool(ctx, nil, "audit", "verify"); err != nil {
		return "", err
	}
	return "the import was refused in words, traffic went on, and with room again it worked", nil
}

// fill writes until nothing more fits.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, unix.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}

// onSmallDisk moves a directory onto a file system of its own.
func onSmallDisk(dir string) error {
	aside := dir + "-aside"
	if err := errors.Join(os.Rename(dir, aside), os.Mkdir(dir, 0o700)); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("mode=0700,size=%d", smallDisk)); err != nil {
		return fmt.Errorf("mount a small disk: %w", err)
	}
	return moveFiles(aside, dir)
}

func offSmallDisk(dir string) error {
	aside := dir + "-aside"
	return errors.Join(moveFiles(dir, aside), unix.Unmount(dir, 0), os.Remove(dir), os.Rename(aside, dir))
}

// moveFiles moves what is in a directory, also to another file system.
func moveFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		source, target := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if e.IsDir() {
			if err := errors.Join(os.MkdirAll(target, 0o700), moveFiles(source, target), os.Remove(source)); err != nil {
				return err
			}
			continue
		}
		// A socket or a lock is made anew.
		if e.Type().IsRegular() {
			text, err := os.ReadFile(source)
			if err != nil {
				return err
			}
			if err := os.WriteFile(target, text, 0o600); err != nil {
				return err
			}
		}
		if err := os.Remove(source); err != nil {
			return err
		}
	}
	return nil
}
