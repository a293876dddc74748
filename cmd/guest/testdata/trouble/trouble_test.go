//go:build guest

// Package trouble is what can go wrong in a guest.
package trouble

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

func TestFails(t *testing.T) { t.Error("this is wrong") }

func TestHangs(t *testing.T) { select {} }

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
