package office

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
)

// damagedDatabase does to the branch's database what a dying SD card does.
func damagedDatabase(ctx context.Context, l *Office) (string, error) {
	if err := l.Branch.Stop(syscall.SIGTERM); err != nil {
		return "", err
	}
	f, err := os.OpenFile(filepath.Join(l.Branch.data(), "gatehouse.db"), os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	_, err = f.WriteAt([]byte(strings.Repeat("damaged ", 2048)), 4096)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	if err := errors.Join(l.Branch.Boot(ctx), l.Branch.WaitUp(ctx, "hq"), l.BranchPC.reaches(ctx, hqPC)); err != nil {
		return "", err
	}
	st, err := l.Branch.Status(ctx)
	if err != nil {
		return "", err
	}
	if !strings.Contains(st.Notice, "was damaged") || !strings.Contains(st.Notice, "took its place") {
		return "", fmt.Errorf("the status says %q", st.Notice)
	}
	if err := l.branchPage().says(ctx, "/", "was damaged"); err != nil {
		return "", err
	}
	return "it was set aside, the last copy took its place, the tunnel came back, the page says so", nil
}

// otherHardware backs the running branch up, takes its disk and its LAN port
// away, and restores it on what is now another machine.
func otherHardware(ctx context.Context, l *Office) (seen string, err error) {
	const newPort = "enp9s0"
	file, phrase := filepath.Join(l.dir, "branch.age"), filepath.Join(l.dir, "phrase")
	if err := os.WriteFile(phrase, []byte("a passphrase of the lab\n"), 0o600); err != nil {
		return "", err
	}
	if _, err := l.Branch.tool(ctx, nil, "backup", file, "--passphrase-file", phrase); err != nil {
		return "", err
	}
	daily, err := l.Branch.dailyBackup(ctx, phrase)
	if err != nil {
		return "", err
	}
	if err := errors.Join(l.Branch.Stop(syscall.SIGTERM), os.RemoveAll(l.Branch.data()), l.Branch.rename("lan0", newPort)); err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, l.Branch.Stop(syscall.SIGTERM), l.Branch.rename(newPort, "lan0"), l.Branch.Boot(ctx),
			l.Branch.Configure(ctx, branchDocument(psk, rekeyInChecks)), l.Branch.WaitUp(ctx, "hq"), l.BranchPC.reaches(ctx, hqPC))
	}()
	if _, err := l.Branch.tool(ctx, nil, "restore", file, "--passphrase-file", phrase); err == nil || !strings.Contains(err.Error(), newPort) {
		return "", fmt.Errorf("without --port: %v", err)
	}
	if _, err := l.Branch.tool(ctx, nil, "restore", file, "--passphrase-file", phrase, "--port", "office="+newPort); err != nil {
		return "", err
	}
	if err := errors.Join(l.Branch.Boot(ctx), l.Branch.WaitUp(ctx, "hq"), l.BranchPC.reaches(ctx, hqPC), l.branchPage().says(ctx, "/", "Overview")); err != nil {
		return "", err
	}
	// The one that was written by itself is as good.
	if err := errors.Join(l.Branch.Stop(syscall.SIGTERM), os.RemoveAll(l.Branch.data())); err != nil {
		return "", err
	}
	if _, err := l.Branch.tool(ctx, nil, "restore", daily, "--passphrase-file", phrase, "--port", "office="+newPort); err != nil {
		return "", fmt.Errorf("the daily backup: %w", err)
	}
	if err := errors.Join(l.Branch.Boot(ctx), l.Branch.WaitUp(ctx, "hq"), l.BranchPC.reaches(ctx, hqPC)); err != nil {
		return "", fmt.Errorf("the daily backup: %w", err)
	}
	return "it asked which port is which; then the tunnel came up and the admin's password was as before; the backup that the gateway wrote by itself did the same", nil
}

// dailyBackup lets the running gateway write one by itself and gives its path.
func (g *Gateway) dailyBackup(ctx context.Context, phrase string) (string, error) {
	target := filepath.Join(g.dir, g.Name+"-backups")
	if err := os.Mkdir(target, 0o700); err != nil {
		return "", err
	}
	if _, err := g.tool(ctx, nil, "backup-daily", target, "--passphrase-file", phrase); err != nil {
		return "", err
	}
	// It looks whether one is due at its start and each hour.
	if err := errors.Join(g.Stop(syscall.SIGTERM), g.Boot(ctx)); err != nil {
		return "", err
	}
	path := ""
	err := until(ctx, 20*time.Second, "the daily backup", func() error {
		found, err := filepath.Glob(filepath.Join(target, "*.backup"))
		if err == nil && len(found) != 1 {
			err = fmt.Errorf("%d files", len(found))
		}
		if err == nil {
			path = found[0]
		}
		return err
	})
	return path, err
}

// rename gives a port another name, as other hardware would.
func (h *Host) rename(from, to string) error {
	return h.Do(func() error {
		link, err := netlink.LinkByName(from)
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetDown(link), netlink.LinkSetName(link, to))
	})
}
