package office

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
