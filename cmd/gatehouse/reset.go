package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func factoryResetCommand(dir *string) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "factory-reset",
		Short: "Start anew at the next run; the gateway must be stopped",
		Long: `Start anew: the next run has no configuration, no accounts and a new device key,
and its perimeter is shut. The data directory is set aside, not deleted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return errors.New("this takes everything out of force; say --yes")
			}
			path, err := filepath.Abs(*dir)
			if err != nil {
				return err
			}
			if _, err := os.Stat(path); err != nil {
				return err
			}
			unlock, err := lockDirectory(path)
			if err != nil {
				return err
			}
			defer unlock()
			aside, err := setAside(path, "reset")
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "The next run starts anew. What was here is in %s.\n", aside)
			return nil
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}
