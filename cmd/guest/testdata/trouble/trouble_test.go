//go:build guest

// Package trouble is what can go wrong in a guest.
package trouble

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestFails(t *testing.T) { t.Error("this is wrong") }

// TestHangs waits for a time: a wait for nothing at all is a deadlock, and that
// the runtime ends by itself.
func TestHangs(t *testing.T) { time.Sleep(time.Hour) }

func TestKernelPanics(t *testing.T) {
	t.Error(os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0))
}

// TestLacks is run on a kernel without the module.
func TestLacks(t *testing.T) {
	if out, err := exec.Command("ip", "link", "add", "d0", "type", "dummy").CombinedOutput(); err == nil {
		t.Error("the kernel has what it should lack")
	} else {
		fmt.Printf("%s", out)
	}
}
