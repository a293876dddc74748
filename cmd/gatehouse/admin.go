package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/store"
	"gatehouse/web"
)

// adminName is the account of the first start.
const adminName = "admin"

// firstAdmin makes the first account, with a password for one login, and
// prints it. There is no default password.
func firstAdmin(ctx context.Context, db *store.DB, out io.Writer) error {
	admins, err := db.Admins(ctx)
	if err != nil || len(admins) > 0 {
		return err
	}
	return oneTimePassword(ctx, db, adminName, store.RoleOwner, out)
}

// oneTimePassword makes an account, or gives one a new password.
func oneTimePassword(ctx context.Context, db *store.DB, name string, role store.Role, out io.Writer) error {
	password, err := web.NewOneTimePassword(rand.Reader)
	if err != nil {
		return err
	}
	hash, err := web.HashPassword(password)
	if err != nil {
		return err
	}
	err = db.PutAdmin(ctx, store.Admin{Name: name, Role: role, Hash: hash, OneTime: true, Changed: time.Now()})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "one-time password for %s: %s\n", name, password)
	return err
}

func resetAdminCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "reset-admin",
		Short: "Give the account admin a new password for one login, and make it an owner",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, err := store.Open(cmd.Context(), *dir)
			if err != nil {
				return err
			}
			defer db.Close()
			return oneTimePassword(cmd.Context(), db, adminName, store.RoleOwner, cmd.OutOrStdout())
		},
	}
}
