// Command guest runs the tests of one package on a plain Debian kernel: it
// compiles them with the build tag "guest", boots that kernel under QEMU without
// KVM from an initramfs with its modules, the tests and the programs they need,
// runs them there as root, prints what they print and ends with their exit code.
// A guest that hangs or panics is a failure that shows the end of its console.
// Several hosts are several network namespaces of one guest.
//
// Tests that are meant for the guest stand in files with
//
//	//go:build guest
//
// so that a plain go test neither runs nor skips them. The same binary is PID 1
// of the guest (init.go). Kernels come from scripts/kernels.sh.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	if os.Getpid() == 1 {
		beInit()
	}
	if err := command().Execute(); err != nil {
		if failed := (exitCode)(0); errors.As(err, &failed) {
			os.Exit(int(failed))
		}
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

// exitCode is that of tests which failed, and have said why.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// options are the flags.
type options struct {
	kernel  string        // directory with vmlinux and lib/modules
	with    []string      // programs and directories of the host to copy in
	modules []string      // to load before the tests
	without []string      // that this kernel shall not have
	memory  int           // MiB
	cpus    int           // virtual ones
	timeout time.Duration // of all from the boot on
	counted bool          // the clock counts instructions
}

// usual are the programs that tests in namespaces need.
var usual = []string{"sh", "cat", "sleep", "ip", "nft", "ping"}

func command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "guest [flags] PACKAGE [flags of the tests]",
		Short: "Run a package's tests on a plain Debian kernel under QEMU",
		Example: `  guest ./firewall -test.run TestKernel -test.v
  guest --kernel build/kernel/trixie --without nft_fib ./firewall -test.run TestAKernelWithout`,
		Args: cobra.MinimumNArgs(1), SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return run(ctx, o, cmd.OutOrStdout(), args[0], args[1:])
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&o.kernel, "kernel", "build/kernel/bookworm", "directory with vmlinux and lib/modules")
	c.Flags().StringSliceVar(&o.with, "with", nil, "further programs by name, or directories by path, of this host to copy in")
	c.Flags().StringSliceVar(&o.modules, "modules", nil, "further modules to load before the tests")
	c.Flags().StringSliceVar(&o.without, "without", nil, "modules that this kernel shall lack")
	c.Flags().IntVar(&o.memory, "memory", 768, "MiB of memory")
	c.Flags().IntVar(&o.cpus, "cpus", 1, "virtual processors")
	c.Flags().BoolVar(&o.counted, "instructions", false, "let the guest's clock count instructions as nanoseconds, whatever else this host does meanwhile")
	c.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "when the guest is taken to hang")
	return c
}

// run is one guest from the compiler to the exit code.
func run(ctx context.Context, o options, out io.Writer, pkg string, flags []string) error {
	qemu, err := findQEMU()
	if err != nil {
		return err
	}
	kernel, err := openKernel(o.kernel)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "guest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, testdata, err := compile(ctx, pkg, dir)
	if err != nil {
		return err
	}
	modules, err := loadOrder(kernel.modules, slices.Concat(usualModules, o.modules), o.without)
	if err != nil {
		return err
	}
	initrd := filepath.Join(dir, "initrd")
	if err := writeInitramfs(initrd, contents{
		kernel: kernel, without: o.without, binary: binary, testdata: testdata,
		programs: slices.Concat(usual, o.with), job: job{Args: flags, Kernel: kernel.release, Modules: modules},
	}); err != nil {
		return fmt.Errorf("write the initramfs: %w", err)
	}
	return machine{qemu: qemu, kernel: kernel, initrd: initrd, dir: dir, options: o}.boot(ctx, out)
}
