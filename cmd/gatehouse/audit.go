package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/store"
)

func auditCommand(dir *string) *cobra.Command {
	var lines int
	c := &cobra.Command{
		Use:   "audit",
		Short: "Print who did what, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd.Context(), *dir, func(db *store.DB) error {
				all, err := db.Audit(cmd.Context(), 0, lines)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				for _, e := range all {
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Time.Local().Format(time.DateTime), e.Who, e.From, e.Action,
						strings.ReplaceAll(e.Detail, "\n", " "))
				}
				return w.Flush()
			})
		},
	}
	c.Flags().IntVarP(&lines, "lines", "n", 100, "how many")
	c.AddCommand(&cobra.Command{
		Use:   "verify",
		Short: "Check that nobody changed the log; exits non-zero if somebody did",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd.Context(), *dir, func(db *store.DB) error {
				n, err := db.VerifyAudit(cmd.Context())
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d entries, all as they were written.\n", n)
				return nil
			})
		},
	})
	return c
}
