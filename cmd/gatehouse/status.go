package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/web"
)

func statusCommand(dir *string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how the running gateway is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := askStatus(cmd.Context(), *dir)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(st)
			}
			return printStatus(cmd.OutOrStdout(), st, time.Now())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	return c
}

func printStatus(out io.Writer, st web.Status, now time.Time) error {
	fmt.Fprintf(out, "%s, revision %d in force, running for %s\n", st.Name, st.Revision, since(st.Started, now))
	if st.Notice != "" {
		fmt.Fprintln(out, "PROBLEM:", st.Notice)
	}
	if st.Trial.Revision != 0 {
		fmt.Fprintf(out, "revision %d is on trial for another %s: gatehouse confirm keeps it\n", st.Trial.Revision, st.Trial.Deadline.Sub(now).Round(time.Second))
	}
	fmt.Fprintf(out, "data plane: %s. %s\n", st.Dataplane, st.DataplaneWhy)
	fmt.Fprintf(out, "flow offload: %s\n", st.Offload.State)
	fmt.Fprintf(out, "blocked packets: %d\n", st.Blocked)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\nINTERFACE\tDEVICE\tZONE\tSTATE\tADDRESSES")
	for _, i := range st.Interfaces {
		state := "down"
		if i.Up {
			state = "up"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\n", i.Name, i.Device, i.Zone, state, i.Addresses)
	}
	fmt.Fprintln(w, "\nBRANCH\tSTATE\tSINCE\tREMOTE\tIN\tOUT\tPROBLEM")
	for _, t := range st.Tunnels {
		problem := ""
		if t.Problem != nil {
			who := "this side"
			if t.Problem.ByPeer {
				who = "the peer"
			}
			problem = fmt.Sprintf("%s (%s) %s", t.Problem.Code, who, t.Problem.Detail)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d bytes\t%d bytes\t%s\n", t.Branch, t.State, since(t.Since, now), t.Remote, t.BytesIn, t.BytesOut, problem)
		if len(t.Children) < 2 {
			continue
		}
		for _, c := range t.Children {
			state := "down"
			if c.Up {
				state = "up"
			}
			fmt.Fprintf(w, "  %s\t%s\t\t%v\t%s %s\t%s\t\n", c.Name, state, c.RemoteNets, c.Protocol, c.Mode, c.Suite)
		}
	}
	if len(st.ManualSAs) > 0 {
		fmt.Fprintln(w, "\nMANUAL SA\tSTATE\tKEYS SINCE\tSPI\tPACKETS\tBYTES\tNUMBER\tCAME AGAIN\tPROBLEM")
	}
	for _, s := range st.ManualSAs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", s.Name, s.State, s.Since.UTC().Format(time.DateOnly), s.SPI, s.Packets, s.Bytes, s.Sequence, s.Replayed, s.Fault+s.NotKept)
	}
	return w.Flush()
}

func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return now.Sub(t).Round(time.Second).String()
}
