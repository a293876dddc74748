package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/store"
)

func ipsecCommand(dir *string) *cobra.Command {
	c := &cobra.Command{Use: "ipsec", Short: "Make keys for SAs keyed by hand, and the settings for their other side"}
	c.AddCommand(ipsecGenerateCommand(dir), ipsecExportCommand(dir))
	return c
}

func ipsecGenerateCommand(dir *string) *cobra.Command {
	var here, there, mode, protocol string
	var near, far []string
	c := &cobra.Command{
		Use:   "generate NAME",
		Short: "Make policies and SAs for both directions with fresh keys, and print the other side's half",
		Long: `Makes two policies, and for each an SA with fresh keys, in the draft, and prints
what the other side needs: the settings of another Gatehouse, and commands for a
plain Linux. The keys are in both. This is the only time that they are shown
without being asked for.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask := store.ByHand{Name: args[0], Mode: mode, Protocols: strings.Split(protocol, "+")}
			var err error
			if ask.Here, err = netip.ParseAddr(here); err != nil {
				return fmt.Errorf("--here: %w", err)
			}
			if ask.There, err = netip.ParseAddr(there); err != nil {
				return fmt.Errorf("--there: %w", err)
			}
			for into, texts := range map[*[]store.AddressRange][]string{&ask.Near: near, &ask.Far: far} {
				for _, text := range texts {
					r, err := store.ParseAddressRange(text)
					if err != nil {
						return err
					}
					*into = append(*into, r)
				}
			}
			return withStore(cmd.Context(), *dir, func(db *store.DB) error {
				doc, err := db.Draft(cmd.Context())
				if err != nil {
					return err
				}
				made := ask.Make()
				doc.ManualSAs, doc.Policies = append(doc.ManualSAs, made.ManualSAs...), append(doc.Policies, made.Policies...)
				if err := db.Import(cmd.Context(), doc); err != nil {
					return err
				}
				return printMirror(cmd, doc, made.Policies)
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
				doc, err := db.Draft(cmd.Context())
				if err != nil {
					return err
				}
				var policies []store.Policy
				for _, name := range args {
					policies = append(policies, store.Policy{Name: name})
				}
				return printMirror(cmd, doc, policies)
			})
		},
	}
	c.Flags().BoolVar(&keys, "keys", false, "print the keys, which the other side needs")
	return c
}

// printMirror prints the other side's half of some policies, as settings and as
// commands.
func printMirror(cmd *cobra.Command, doc store.Document, policies []store.Policy) error {
	var names []string
	for _, p := range policies {
		names = append(names, p.Name)
	}
	m, err := doc.Mirror(names...)
	if err != nil {
		return err
	}
	if err := printJSON(cmd, m); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n# The same for a plain Linux:\n%s", m.IPXfrm(doc.Services))
	return err
}
