package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/store"
)

// onStore runs a command with the database.
func onStore(dir *string, work func(cmd *cobra.Command, db *store.DB, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return withStore(cmd.Context(), *dir, func(db *store.DB) error { return work(cmd, db, args) })
	}
}

func accountCommand(dir *string) *cobra.Command {
	c := &cobra.Command{Use: "account", Short: "Who may use the page, and as what: owner, admin, operator or viewer"}
	c.AddCommand(
		&cobra.Command{Use: "list", Short: "Print all accounts with their roles", Args: cobra.NoArgs,
			RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, _ []string) error {
				all, err := db.Admins(cmd.Context())
				for _, a := range all {
					fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\n", a.Name, a.Role)
				}
				return err
			})},
		&cobra.Command{Use: "add NAME ROLE", Short: "Make an account and print its password for one login", Args: cobra.ExactArgs(2),
			RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, args []string) error {
				if _, err := db.Admin(cmd.Context(), args[0]); !errors.Is(err, store.ErrNotFound) {
					return errors.Join(err, fmt.Errorf("account %s exists already", args[0]))
				}
				return oneTimePassword(cmd.Context(), db, args[0], store.Role(args[1]), cmd.OutOrStdout())
			})},
		&cobra.Command{Use: "role NAME ROLE", Short: "Change what an account may do", Args: cobra.ExactArgs(2),
			RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, args []string) error {
				return db.SetRole(cmd.Context(), args[0], store.Role(args[1]))
			})},
		&cobra.Command{Use: "delete NAME", Short: "Delete an account and its tokens; its sessions end", Args: cobra.ExactArgs(1),
			RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, args []string) error {
				return db.DeleteAdmin(cmd.Context(), args[0])
			})},
	)
	return c
}

func tokenCommand(dir *string) *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Let a program use the API (Authorization: Bearer TOKEN)"}
	account, role, days := "", "", 0
	add := &cobra.Command{Use: "add NAME", Short: "Make a token and print it, once", Args: cobra.ExactArgs(1),
		RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, args []string) error {
			now := time.Now()
			if _, err := db.Admin(cmd.Context(), account); err != nil {
				return err
			}
			text, err := db.AddToken(cmd.Context(), store.Token{Name: args[0], Admin: account, Role: store.Role(role),
				Created: now, Expires: now.AddDate(0, 0, days)})
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), text)
			}
			return err
		})}
	add.Flags().StringVar(&account, "account", adminName, "the account it acts for; its role is a limit")
	add.Flags().StringVar(&role, "role", string(store.RoleViewer), "owner, admin, operator or viewer")
	add.Flags().IntVar(&days, "days", 90, "how long it is good")
	c.AddCommand(add,
		&cobra.Command{Use: "list", Short: "Print all tokens, without their text", Args: cobra.NoArgs,
			RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, _ []string) error {
				all, err := db.Tokens(cmd.Context())
				for _, t := range all {
					fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\t%s\tuntil %s\n", t.Name, t.Admin, t.Role, t.Expires.Local().Format(time.DateTime))
				}
				return err
			})},
		&cobra.Command{Use: "delete NAME", Short: "End a token at once", Args: cobra.ExactArgs(1),
			RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, args []string) error {
				return db.DeleteToken(cmd.Context(), args[0])
			})},
	)
	return c
}

// listedInvites is how many invites are printed.
const listedInvites = 100

func inviteCommand(dir *string) *cobra.Command {
	c := &cobra.Command{Use: "invite", Short: "Invites of remote users; this version has no page yet that takes one"}
	hours := 0
	add := &cobra.Command{Use: "add USER", Short: "Invite a user and print the invite's token, once", Args: cobra.ExactArgs(1),
		RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, args []string) error {
			text, err := db.AddInvite(cmd.Context(), args[0], time.Duration(hours)*time.Hour, time.Now())
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), text)
			}
			return err
		})}
	add.Flags().IntVar(&hours, "hours", 24, "how long it is open")
	c.AddCommand(add,
		&cobra.Command{Use: "list", Short: "Print the newest invites", Args: cobra.NoArgs,
			RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, _ []string) error { return printInvites(cmd.Context(), cmd, db) })},
		&cobra.Command{Use: "revoke NUMBER", Short: "End an invite at once", Args: cobra.ExactArgs(1),
			RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, args []string) error {
				id, err := strconv.ParseInt(args[0], 10, 64)
				if err != nil {
					return fmt.Errorf("%q is not the number of an invite", args[0])
				}
				return db.RevokeInvite(cmd.Context(), id)
			})},
	)
	return c
}

func printInvites(ctx context.Context, cmd *cobra.Command, db *store.DB) error {
	all, err := db.Invites(ctx, listedInvites)
	for _, i := range all {
		state := "open until " + i.Expires.Local().Format(time.DateTime)
		switch {
		case !i.Used.IsZero():
			state = "used"
		case time.Now().After(i.Expires):
			state = "over"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d\t%s\t%s\n", i.ID, i.User, state)
	}
	return err
}
