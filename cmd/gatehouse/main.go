// Command gatehouse is the router, perimeter firewall and IPsec gateway of a
// small office, in one binary.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"gatehouse/store"
)

// version is set by the linker.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "gatehouse:", err)
		os.Exit(1)
	}
}

// command is the tree of subcommands.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "gatehouse",
		Short:         "Router, firewall and IPsec gateway of a small office",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	dir := root.PersistentFlags().String("data", "/var/lib/gatehouse", "directory of the database, keys and control socket")
	root.AddCommand(runCommand(dir), configCommand(dir), applyCommand(dir), confirmCommand(dir), takeBackCommand(dir), statusCommand(dir),
		reconnectCommand(dir), resetAdminCommand(dir), backupCommand(dir), backupDailyCommand(dir), restoreCommand(dir), auditCommand(dir), factoryResetCommand(dir), objectCommand(dir),
		accountCommand(dir), tokenCommand(dir), inviteCommand(dir), firewallCommand(dir), ipsecCommand(dir))
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		cmd.SetContext(store.WithActor(cmd.Context(), store.Actor{Name: commandLine}))
	}
	return root
}
