//go:build qemu

package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// boot runs one of the tests in testdata/trouble in a guest.
func boot(t *testing.T, test string, change func(*options)) (string, error) {
	t.Helper()
	o := options{kernel: "../../build/kernel/bookworm", memory: 512, cpus: 1, timeout: 2 * time.Minute}
	if change != nil {
		change(&o)
	}
	var out bytes.Buffer
	err := run(t.Context(), o, &out, "./testdata/trouble", []string{"-test.run", "^" + test + "$", "-test.v"})
	return out.String(), err
}

// TestMain is PID 1 in the guest, because that is a copy of the running binary.
func TestMain(m *testing.M) {
	if os.Getpid() == 1 {
		beInit()
	}
	os.Exit(m.Run())
}

func TestAFailureComesOut(t *testing.T) {
	out, err := boot(t, "TestFails", nil)
	if failed := exitCode(0); !errors.As(err, &failed) || failed != 1 || !strings.Contains(out, "this is wrong") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAHangIsEndedAndSaid(t *testing.T) {
	_, err := boot(t, "TestHangs", func(o *options) { o.timeout = 8 * time.Second })
	if err == nil || !strings.Contains(err.Error(), "hangs") || !strings.Contains(err.Error(), "console ends with") {
		t.Error(err)
	}
}

func TestAPanicOfTheKernelIsSaid(t *testing.T) {
	_, err := boot(t, "TestKernelPanics", nil)
	if err == nil || !strings.Contains(err.Error(), "sysrq triggered crash") {
		t.Error(err)
	}
}

func TestAKernelCanLackAModule(t *testing.T) {
	if out, err := boot(t, "TestLacks", func(o *options) { o.without = []string{"dummy"} }); err != nil || !strings.Contains(out, "Unknown device type") {
		t.Errorf("%v: %s", err, out)
	}
}
