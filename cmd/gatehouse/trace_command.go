package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/spf13/cobra"

	"gatehouse/store"
	"gatehouse/web"
)

// traceRoutes are the control socket's part of questions: the running gateway
// knows the addresses of peers and the members of lists.
func (g *gateway) traceRoutes(r chi.Router) {
	r.Get("/firewall/trace", func(w http.ResponseWriter, r *http.Request) {
		a, err := g.Trace(r.Context(), web.ParseQuestion(r.URL.Query()))
		if err != nil {
			answer(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(a); err != nil {
			g.log.Debug("an answer was not read", "err", err)
		}
	})
	r.Get("/firewall/export", func(w http.ResponseWriter, r *http.Request) {
		text, err := g.FirewallText(r.Context(), r.URL.Query().Get("draft") != "")
		if err != nil {
			answer(w, err)
			return
		}
		fmt.Fprint(w, text)
	})
}

// traceCommand answers "would this be allowed?".
func traceCommand(dir *string) *cobra.Command {
	var q web.Question
	asJSON, page := false, ""
	c := &cobra.Command{
		Use:   "trace [SOURCE] DESTINATION PROTOCOL [PORT]",
		Short: "Say what would become of a new connection: the rule, the NAT, the route, the tunnel",
		Long: `Say what would become of a new connection: which rule decides, where it is led,
how it goes on, under which source, and whether a tunnel takes it.

PROTOCOL is tcp, udp, icmp, gre, esp or the number of an IP protocol. With
--user there is no SOURCE: it is a fixed address of that user's devices. It is
the configuration in force that is asked, or with --draft the one that is being
edited. Nothing is sent.`,
		Args: cobra.RangeArgs(2, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.User == "" {
				if len(args) < 3 {
					return errors.New("give the source, or name a user with --user")
				}
				q.Source, args = args[0], args[1:]
			} else if len(args) > 3 {
				return errors.New("give the source, or name a user with --user, not both")
			}
			q.Destination, q.Protocol = args[0], args[1]
			if len(args) == 3 {
				q.Port = args[2]
			}
			port, err := listenPort(page)
			if err != nil {
				return err
			}
			a, err := askTrace(cmd.Context(), *dir, port, q)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, a)
			}
			for _, sentence := range a.Words {
				fmt.Fprintln(cmd.OutOrStdout(), sentence)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&q.User, "user", "", "from a fixed address of this user's devices")
	f.StringVar(&q.Time, "time", "", `when, as in "2026-11-25 14:30" in the system's time zone; now if it is left out`)
	f.StringVar(&q.From, "from", "", "the zone or interface that it comes by; the one where its source is if it is left out")
	f.StringVar(&q.Message, "message", "", "the ICMP message, as in echo-request or \"icmp 3/4\"")
	f.StringVar(&q.MAC, "mac", "", "the machine's hardware address")
	f.StringVar(&q.DSCP, "dscp", "", "the packet's code point")
	f.BoolVar(&q.Draft, "draft", false, "ask the draft")
	f.BoolVar(&asJSON, "json", false, "print everything as JSON")
	f.StringVar(&page, "listen", defaultListen, "address of the page, as given to run; only while no gateway runs")
	return c
}

// askTrace asks the gateway that runs, or else the database.
func askTrace(ctx context.Context, dir string, page uint16, q web.Question) (a web.Answer, err error) {
	body, err := ask(ctx, dir, http.MethodGet, "/firewall/trace?"+q.Query().Encode())
	if err == nil {
		return a, json.Unmarshal(body, &a)
	}
	if !errors.Is(err, errNotRunning) {
		return a, err
	}
	err = withStore(ctx, dir, func(db *store.DB) error {
		doc, err := storedDocument(ctx, db, q.Draft)
		if err == nil {
			a, err = trace(ctx, db, doc, keptIn(dir), page, q, time.Now())
		}
		return err
	})
	return a, err
}

// storedDocument is the document that would be in force, or the draft.
func storedDocument(ctx context.Context, db *store.DB, draft bool) (store.Document, error) {
	if draft {
		return db.Draft(ctx)
	}
	rev, err := db.Confirmed(ctx)
	if errors.Is(err, store.ErrNotFound) {
		err = errNothingInForce
	}
	return rev.Document, err
}

// exportRulesCommand prints the rules for a bug report, or for another tool.
func exportRulesCommand(dir *string) *cobra.Command {
	draft, page := false, ""
	c := &cobra.Command{
		Use:   "export",
		Short: "Print the rules in force as nft text",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			query := url.Values{}
			if draft {
				query.Set("draft", "on")
			}
			body, err := ask(ctx, *dir, http.MethodGet, "/firewall/export?"+query.Encode())
			if err == nil {
				_, err = cmd.OutOrStdout().Write(body)
				return err
			}
			if !errors.Is(err, errNotRunning) {
				return err
			}
			port, err := listenPort(page)
			if err != nil {
				return err
			}
			return withStore(ctx, *dir, func(db *store.DB) error {
				doc, err := storedDocument(ctx, db, draft)
				if err != nil {
					return err
				}
				now, err := lookAt(ctx, db, doc, resolved{}, time.Now())
				if err != nil {
					return err
				}
				now.elsewhere = keptIn(*dir).elsewhere
				d, err := compile(doc, now, port)
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), d.ruleset.String())
				return err
			})
		},
	}
	c.Flags().BoolVar(&draft, "draft", false, "print those of the draft")
	c.Flags().StringVar(&page, "listen", defaultListen, "address of the page, as given to run; only while no gateway runs")
	return c
}
