package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/web"
)

// keptList is a list in force that comes from elsewhere.
type keptList struct {
	Name    string           `json:"name"`
	Sources []web.ListSource `json:"sources"`
}

func (g *gateway) controlLists(w http.ResponseWriter, _ *http.Request) {
	all := []keptList{}
	for _, l := range g.current().Document.Lists {
		if l.FromElsewhere() {
			sources, _ := g.ListSources(l.Name)
			all = append(all, keptList{l.Name, sources})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(all); err != nil {
		g.log.Debug("the lists were not read", "err", err)
	}
}

func listsCommand(dir *string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "lists",
		Short: "Say how fresh the lists are that come from elsewhere",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := ask(cmd.Context(), *dir, http.MethodGet, "/firewall/lists")
			if err != nil {
				return err
			}
			if asJSON {
				_, err := cmd.OutOrStdout().Write(body)
				return err
			}
			var all []keptList
			if err := json.Unmarshal(body, &all); err != nil {
				return err
			}
			return printLists(cmd.OutOrStdout(), all, time.Now())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	return c
}

func printLists(out io.Writer, all []keptList, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "LIST\tFROM\tENTRIES\tFETCHED\tNEXT\tPROBLEM")
	for _, l := range all {
		for _, s := range l.Sources {
			fetched, next := "never", "-"
			if !s.Fetched.IsZero() {
				fetched = since(s.Fetched, now) + " ago"
			}
			if !s.Next.IsZero() {
				next = "in " + max(s.Next.Sub(now), 0).Round(time.Second).String()
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", l.Name, s.From, s.Entries, fetched, next, s.Problem)
		}
	}
	return w.Flush()
}

func fetchCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "fetch LIST",
		Short: "Fetch a list that comes from elsewhere now",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := ask(cmd.Context(), *dir, http.MethodPost, "/firewall/fetch/"+url.PathEscape(args[0]))
			return err
		},
	}
}
