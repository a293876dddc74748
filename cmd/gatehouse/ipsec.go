package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gatehouse/store"
)

func ipsecCommand(dir *string) *cobra.Command {
	c := &cobra.Command{Use: "ipsec", Short: "Show SAs and policies; make keys by hand, and the settings for their other side"}
	c.AddCommand(ipsecSAsCommand(dir), ipsecPoliciesCommand(dir), ipsecRefusedCommand(dir), ipsecGenerateCommand(dir), ipsecExportCommand(dir))
	return c
}

func ipsecGenerateCommand(dir *string) *cobra.Command {
	var here, there, mode, protocol, encryption, integrity string
	var near, far []string
	var esn bool
	c := &cobra.Command{
		Use:   "generate NAME",
		Short: "Make policies and SAs for both directions with fresh keys, and print the other side's half",
		Long: `Makes two policies, and for each an SA with fresh keys, in the draft, and prints
what the other side needs: the settings of another Gatehouse, and commands for a
plain Linux. The keys are in both. This is the only time that they are shown
without being asked for.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			asked, err := json.Marshal(map[string]any{
				"name": args[0], "here": here, "there": there, "near": near, "far": far, "mode": mode, "protocol": protocol,
				"encryption": encryption, "integrity": integrity, "esn": esn,
			})
			if err != nil {
				return err
			}
			return withStore(cmd.Context(), *dir, func(db *store.DB) error {
				made, err := db.MakeByHand(cmd.Context(), store.Input{JSON: asked})
				if err != nil {
					return err
				}
				return printOtherSide(cmd, made)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&here, "here", "", "this gateway's address")
	f.StringVar(&there, "there", "", "the other side's address")
	f.StringSliceVar(&near, "near", nil, "networks on this side (tunnel mode)")
	f.StringSliceVar(&far, "far", nil, "networks on the other side (tunnel mode)")
	f.StringVar(&mode, "mode", "tunnel", "tunnel, or transport between the gateways themselves")
	f.StringVar(&protocol, "protocol", "esp", "esp, ah or esp+ah")
	f.StringVar(&encryption, "encryption", "", "of ESP; aes256-cbc if it is left out")
	f.StringVar(&integrity, "integrity", "", "hmac-sha256 if it is left out")
	f.BoolVar(&esn, "esn", false, "extended sequence numbers")
	return c
}

func ipsecExportCommand(dir *string) *cobra.Command {
	var keys bool
	c := &cobra.Command{
		Use:   "export POLICY...",
		Short: "Print the other side's half of policies made by hand, with the commands for a plain Linux",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !keys {
				return errors.New("what the other side needs has the keys in it: say --keys, and mind where it goes")
			}
			return withStore(cmd.Context(), *dir, func(db *store.DB) error {
				shown, err := db.OtherSide(cmd.Context(), args...)
				if err != nil {
					return err
				}
				return printOtherSide(cmd, shown)
			})
		},
	}
	c.Flags().BoolVar(&keys, "keys", false, "print the keys, which the other side needs")
	return c
}

// printOtherSide prints the other side's half, as settings and as commands.
func printOtherSide(cmd *cobra.Command, o store.OtherSide) error {
	if err := printJSON(cmd, o.Settings); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "\n# The same for a plain Linux:\n%s", o.IPXfrm)
	return err
}
