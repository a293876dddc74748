package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/web"
)

// flowsPart is what the control socket tells of the connections.
type flowsPart struct {
	Connections []web.Connection
	Total       int
}

func (g *gateway) controlConnections(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, err := web.ParseConnectionFilter(q)
	var part flowsPart
	if err == nil {
		lines, _ := strconv.Atoi(q.Get("lines"))
		part.Connections, part.Total, err = g.Connections(r.Context(), f, web.Ordering(q.Get("order")), 0, max(lines, 1))
	}
	g.tell(w, part, err)
}

func (g *gateway) controlEnd(w http.ResponseWriter, r *http.Request) {
	f, err := web.ParseEnding(r.URL.Query())
	n := 0
	if err == nil {
		n, err = g.EndConnections(r.Context(), f)
	}
	g.tell(w, n, err)
}

func (g *gateway) controlTalkers(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	minutes, _ := strconv.Atoi(q.Get("minutes"))
	lines, _ := strconv.Atoi(q.Get("lines"))
	g.tell(w, g.Talkers(time.Duration(minutes)*time.Minute, max(lines, 1)), nil)
}

// tell answers a command.
func (g *gateway) tell(w http.ResponseWriter, v any, err error) {
	if err != nil {
		answer(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		g.log.Debug("an answer was not read", "err", err)
	}
}

// asked gets an answer of the gateway that runs on dir.
func asked[T any](ctx context.Context, dir, method, path string, q url.Values) (answer T, err error) {
	body, err := ask(ctx, dir, method, path+"?"+q.Encode())
	if err != nil {
		return answer, err
	}
	return answer, json.Unmarshal(body, &answer)
}

func connectionsCommand(dir *string) *cobra.Command {
	var host, zone, protocol, order string
	var port, lines int
	c := &cobra.Command{
		Use:   "connections",
		Short: "Print who talks to whom now",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"host": {host}, "zone": {zone}, "protocol": {protocol}, "order": {order}, "lines": {strconv.Itoa(lines)}}
			if port != 0 {
				q.Set("port", strconv.Itoa(port))
			}
			if _, err := web.ParseConnectionFilter(q); err != nil {
				return flagged(err)
			}
			part, err := asked[flowsPart](cmd.Context(), *dir, http.MethodGet, "/firewall/connections", q)
			if err != nil {
				return err
			}
			return printConnections(cmd.OutOrStdout(), part, time.Now())
		},
	}
	c.Flags().StringVar(&host, "host", "", "only from or to this address, network or host")
	c.Flags().StringVar(&zone, "zone", "", "only from or to this zone")
	c.Flags().StringVar(&protocol, "protocol", "", "tcp, udp, icmp or a number")
	c.Flags().StringVar(&order, "order", string(web.ByVolume), "what comes first: volume, start (the newest) or age (the oldest)")
	c.Flags().IntVar(&port, "port", 0, "only from or to this port")
	c.Flags().IntVarP(&lines, "lines", "n", 100, "how many")
	c.AddCommand(killCommand(dir))
	return c
}

func printConnections(out io.Writer, part flowsPart, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tPROTOCOL\tFROM\tTO\tSENT\tRECEIVED\tAGE\tALLOWED BY")
	for _, c := range part.Connections {
		to := partyText(c.To)
		if c.Led != nil {
			to += ", led to " + partyText(*c.Led)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", c.ID, c.Protocol, partyText(c.From), to, c.Sent, c.Received, since(c.Began, now), c.Rule)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d of %d\n", len(part.Connections), part.Total)
	return err
}

func killCommand(dir *string) *cobra.Command {
	var host string
	c := &cobra.Command{
		Use:   "kill [ID]",
		Short: "End one connection, or with --host all of a host",
		Long: `End one connection, or with --host all of a host.

Neither end is told; a TCP connection stops at once. What the rules allow may
begin anew: to keep it out, add a rule.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{"host": {host}}
			if len(args) == 1 {
				q.Set("id", args[0])
			}
			if _, err := web.ParseEnding(q); err != nil {
				return fmt.Errorf("name one connection by its ID, or one host with --host")
			}
			n, err := asked[int](cmd.Context(), *dir, http.MethodPost, "/firewall/connections/end", q)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d ended\n", n)
			return err
		},
	}
	c.Flags().StringVar(&host, "host", "", "an address or a host's name")
	return c
}

func talkersCommand(dir *string) *cobra.Command {
	var minutes, lines int
	c := &cobra.Command{
		Use:   "talkers",
		Short: "Print who inside sent and received most",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if minutes < 1 || minutes > 60 {
				return fmt.Errorf("--minutes %d: choose 1 to 60", minutes)
			}
			q := url.Values{"minutes": {strconv.Itoa(minutes)}, "lines": {strconv.Itoa(lines)}}
			top, err := asked[web.Talkers](cmd.Context(), *dir, http.MethodGet, "/firewall/talkers", q)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "HOST\tSENT\tRATE\tRECEIVED\tRATE")
			for _, t := range top.Hosts {
				fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\n", partyText(t.Party), t.Sent, top.Rate(t.Sent), t.Received, top.Rate(t.Received))
			}
			fmt.Fprintf(w, "all others\t%d\t%s\t%d\t%s\n", top.Others.Sent, top.Rate(top.Others.Sent), top.Others.Received, top.Rate(top.Others.Received))
			return w.Flush()
		},
	}
	c.Flags().IntVar(&minutes, "minutes", 5, "over how long, 1 to 60")
	c.Flags().IntVarP(&lines, "lines", "n", 10, "how many hosts")
	return c
}
