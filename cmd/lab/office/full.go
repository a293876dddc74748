package office

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// diskReadOnly: a card that is dying takes no more writes, and then the gateway
// is restarted.
func diskReadOnly(ctx context.Context, l *Office) (seen string, err error) {
	dir := l.Branch.data()
	// The first password is chosen while that can be saved.
	if err := l.branchPage().says(ctx, "/", "Overview"); err != nil {
		return "", err
	}
	if err := errors.Join(l.Branch.Stop(syscall.SIGTERM), onSmallDisk(dir), remount(dir, unix.MS_RDONLY)); err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, l.Branch.Stop(syscall.SIGTERM), remount(dir, 0), offSmallDisk(dir), l.Branch.Boot(ctx),
			l.Branch.WaitUp(ctx, "hq"), l.BranchPC.reaches(ctx, hqPC))
	}()
	if err := errors.Join(l.Branch.Boot(ctx), l.Branch.WaitUp(ctx, "hq"), l.BranchPC.reaches(ctx, hqPC)); err != nil {
		return "", err
	}
	const told = "is read-only"
	if err := l.branchPage().says(ctx, "/", told); err != nil {
		return "", err
	}
	client, err := l.branchPage().logIn()
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	resp, err := client.PostForm(l.branchPage().url("/branches/hq/delete"), nil)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusInsufficientStorage || !strings.Contains(string(text), told) {
		return "", fmt.Errorf("an edit was answered with %s, %v", resp.Status, err)
	}
	if err := l.Branch.Import(ctx, branchDocument(psk, rekeyInChecks)); err == nil || !strings.Contains(err.Error(), "read-only") {
		return "", fmt.Errorf("an import said: %v", err)
	}
	if _, err := l.Branch.tool(ctx, nil, "apply", "--now"); err == nil {
		return "", errors.New("an apply was accepted")
	}
	return "after a restart on it tunnel and traffic are as before, the page says so in red and refuses edits", l.BranchPC.reaches(ctx, hqPC)
}

// remount changes how a file system that the check mounted may be used.
func remount(dir string, flags uintptr) error {
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
		return fmt.Errorf("remount %s: %w", dir, err)
	}
	return nil
}
