package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/web"
)

// databaseCommand lists a part of the databases of the gateway that runs.
func databaseCommand[T any](dir *string, use, short, path string, print func(io.Writer, []T, time.Time) error) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: use + " [TEXT]", Short: short, Args: cobra.MaximumNArgs(1),
		Long: short + ".\nA text limits the list to what has it in a name, an address or an SPI.",
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := asked[[]T](cmd.Context(), *dir, http.MethodGet, path, url.Values{"q": args})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, all)
			}
			return print(cmd.OutOrStdout(), all, time.Now())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	return c
}

func ipsecSAsCommand(dir *string) *cobra.Command {
	return databaseCommand(dir, "sas", "List the security associations in use, never their keys", "/sas", printSAs)
}

func ipsecPoliciesCommand(dir *string) *cobra.Command {
	return databaseCommand(dir, "policies", "List the policies in force, in their order", "/policies", printPolicies)
}

func ipsecRefusedCommand(dir *string) *cobra.Command {
	return databaseCommand(dir, "refused", "Count the packets that IPsec refused, by reason", "/refused",
		func(out io.Writer, all []web.RefusedPackets, _ time.Time) error {
			w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
			for _, r := range all {
				fmt.Fprintf(w, "%s\t%d\n", r.Reason, r.Packets)
			}
			return w.Flush()
		})
}

func printSAs(out io.Writer, all []web.Association, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "SPI\tFOR\tWAY\tFROM\tTO\tPROTECTION\tALGORITHMS\tNUMBER\tWINDOW\tPACKETS\tBYTES\tREPLAYED\tINVALID\tREFUSED\tLIFETIME\tMTU")
	for _, a := range all {
		esn, window, mtu := "", "-", "-"
		if a.ESN {
			esn = " esn"
		}
		if a.Window > 0 {
			window = fmt.Sprint(a.Window)
		}
		if a.NoReplayCheck {
			window = "off"
		}
		if a.PathMTU > 0 {
			mtu = fmt.Sprint(a.PathMTU)
		}
		protection := a.Protocol + " " + a.Mode
		if a.UDP != "" {
			protection += " in UDP " + a.UDP
		}
		life := strings.Join(a.Lifetime(now), ", ")
		if life == "" {
			life = "no end"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", a.SPI, a.Owner, a.Direction, a.Source, a.Destination, protection, a.Algorithms,
			a.Sequence, esn, window, a.Packets, a.Bytes, a.Replayed, a.Invalid, a.Refused, life, mtu)
	}
	return w.Flush()
}

func printPolicies(out io.Writer, all []web.PolicyInForce, _ time.Time) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PLACE\tPOLICY\tWAY\tHERE\tTHERE\tACTION\tSAS\tSENT\tRECEIVED\tREFUSED")
	for _, p := range all {
		there := strings.Join(append([]string{strings.Join(p.Far, ", ")}, p.Further...), "; ")
		action := strings.TrimSpace(p.Action + " " + strings.Join(p.Protection, " in "))
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\n", p.Place, p.Name, p.Direction, strings.Join(p.Near, ", "), there, action, p.SAs, p.PacketsOut, p.PacketsIn, p.Refused)
	}
	return w.Flush()
}
