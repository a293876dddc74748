// Command lab is a small internet in network namespaces: two offices with
// Gatehouse, a web server, an attacker and a partner with strongSwan. It shows
// the product (`lab run`), checks it (`lab verify`) and measures it (`lab
// bench`). It touches nothing of the host but one listening socket.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"gatehouse/cmd/lab/office"
)

func main() {
	if err := command().Execute(); err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
			os.Exit(exit.ExitCode())
		}
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{Use: "lab", Short: "Two offices on a small internet", SilenceUsage: true, SilenceErrors: true}
	var o office.Options
	root.PersistentFlags().StringVar(&o.Gatehouse, "gatehouse", office.DefaultGatehouse(), "the gatehouse binary")
	root.PersistentFlags().StringVar(&o.Listen, "listen", "127.0.0.1:8443", "where this host shows hq's page")
	add := func(use, short string, run func(context.Context, office.Options) error) *cobra.Command {
		c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
			o.Command = use
			if !office.Inside() {
				return office.Enter(o)
			}
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return run(ctx, o)
		}}
		root.AddCommand(c)
		return c
	}
	add("run", "Start everything and show it until Ctrl-C", office.Run)
	verify := add("verify", "Run every check, one line each", office.Verify)
	verify.Flags().StringVar(&o.Only, "run", "", "only checks whose name matches this regular expression")
	add("scale", "Measure a gateway with a large configuration", office.Scale)
	bench := add("bench", "Measure the tunnel beside the bare path and wireguard-go", office.Bench)
	bench.Flags().StringVar(&o.WireGuard, "wireguard-go", "build/wireguard", "the wireguard-go binary")
	return root
}
