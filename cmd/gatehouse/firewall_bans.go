package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/spf13/cobra"

	"gatehouse/web"
)

// banRoutes are the control socket's part of bans.
func (g *gateway) banRoutes(r chi.Router) {
	r.Get("/firewall/bans", func(w http.ResponseWriter, req *http.Request) {
		all, err := g.Bans(req.Context())
		if err != nil {
			answer(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(append([]web.Ban{}, all...)); err != nil {
			g.log.Debug("the bans were not read", "err", err)
		}
	})
	r.Post("/firewall/ban", func(w http.ResponseWriter, req *http.Request) {
		q := req.URL.Query()
		source, err := web.ParseBanSource(q.Get("source"))
		var d time.Duration
		if err == nil {
			d, err = time.ParseDuration(q.Get("for"))
		}
		if err == nil {
			err = g.Ban(context.WithoutCancel(req.Context()), source, d, q.Get("reason"))
		}
		answer(w, err)
	})
	r.Post("/firewall/unban", func(w http.ResponseWriter, req *http.Request) {
		source, err := web.ParseBanSource(req.URL.Query().Get("source"))
		if err == nil {
			err = g.LiftBan(context.WithoutCancel(req.Context()), source)
		}
		answer(w, err)
	})
}

func bansCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "bans",
		Short: "Print the sources on the internet that are refused for a while",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := asked[[]web.Ban](cmd.Context(), *dir, http.MethodGet, "/firewall/bans", nil)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "SOURCE\tREASON\tSINCE\tUNTIL\tREFUSED")
			for _, b := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d packets\n", b.Source, b.Reason, b.Since.Format(time.DateTime), b.Until.Format(time.DateTime), b.Packets)
			}
			return w.Flush()
		},
	}
}

func banCommand(dir *string) *cobra.Command {
	var d time.Duration
	var reason string
	c := &cobra.Command{
		Use:   "ban SOURCE",
		Short: "Refuse an address or a network on the internet for a while",
		Long: `Refuse an address or a network on the internet for a while.

An address of IPv6 stands for its /64. Hosts inside, and the key exchange and
ESP of peers, are never refused by a ban.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := web.ParseBanSource(args[0]); err != nil {
				return err
			}
			_, err := ask(cmd.Context(), *dir, http.MethodPost, "/firewall/ban?"+url.Values{"source": {args[0]}, "for": {d.String()}, "reason": {reason}}.Encode())
			return err
		},
	}
	c.Flags().DurationVar(&d, "for", time.Hour, "how long, as in 30m or 24h")
	c.Flags().StringVar(&reason, "reason", "", "why, for who reads the list")
	return c
}

func unbanCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "unban SOURCE",
		Short: "Lift a ban before its time",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := web.ParseBanSource(args[0]); err != nil {
				return err
			}
			_, err := ask(cmd.Context(), *dir, http.MethodPost, "/firewall/unban?"+url.Values{"source": {args[0]}}.Encode())
			return err
		},
	}
}
