package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/spf13/cobra"

	"gatehouse/store"
	"gatehouse/web"
)

// firewallCommand is what the running firewall sees and does.
func firewallCommand(dir *string) *cobra.Command {
	c := &cobra.Command{
		Use:   "firewall",
		Short: "Ask what the firewall would do, and see what it does",
	}
	c.AddCommand(traceCommand(dir), exportRulesCommand(dir), firewallLogCommand(dir), connectionsCommand(dir), talkersCommand(dir))
	c.AddCommand(listsCommand(dir), fetchCommand(dir), countryFileCommand(dir))
	c.AddCommand(bansCommand(dir), banCommand(dir), unbanCommand(dir))
	return c
}

// firewallRoutes are the control socket's part of it.
func (g *gateway) firewallRoutes(r chi.Router) {
	g.traceRoutes(r)
	r.Get("/firewall/log", g.controlLog)
	r.Get("/firewall/connections", g.controlConnections)
	r.Post("/firewall/connections/end", g.controlEnd)
	r.Get("/firewall/talkers", g.controlTalkers)
	r.Get("/firewall/lists", g.controlLists)
	r.Post("/firewall/fetch/{list}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, g.fetchNow(chi.URLParam(r, "list")))
	})
	r.Post("/firewall/country-file", g.controlCountryFile)
	g.banRoutes(r)
}

// controlPart is how many packets one answer has at most, and controlWait how
// long the first of them is waited for.
const (
	controlPart = 1000
	controlWait = 20 * time.Second
)

// loggedPart is a part of the log, the oldest first; Last is where to go on.
type loggedPart struct {
	Packets []web.Packet
	Last    uint64
}

// controlLog answers the newest packets, or those after a number, and then
// waits until there is one.
func (g *gateway) controlLog(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, err := web.ParsePacketFilter(q)
	if err != nil {
		answer(w, err)
		return
	}
	var part loggedPart
	if text := q.Get("after"); text != "" {
		if part.Last, err = strconv.ParseUint(text, 10, 64); err != nil {
			answer(w, err)
			return
		}
		select {
		case <-g.seen.packets.News(part.Last):
		case <-time.After(controlWait):
		case <-r.Context().Done():
			return
		}
		part.Packets, part.Last = g.PacketsAfter(f, part.Last, controlPart)
	} else {
		lines, err := strconv.Atoi(q.Get("lines"))
		if err != nil || lines < 1 || lines > packetsKept {
			lines = 100
		}
		if newest, _ := g.Packets(web.PacketFilter{}, 0, 1); len(newest) > 0 {
			part.Last = newest[0].Number
		}
		found, _ := g.Packets(f, part.Last+1, lines)
		for i := range found {
			part.Packets = append(part.Packets, found[len(found)-1-i])
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(part); err != nil {
		g.log.Debug("the log was not read", "err", err)
	}
}

func firewallLogCommand(dir *string) *cobra.Command {
	var rule, address, zone, action string
	var port, lines int
	var follow bool
	c := &cobra.Command{
		Use:   "log",
		Short: "Print the packets that the firewall refused or was told to log, the newest last",
		Long: `Print the packets that the firewall refused or was told to log, the newest last.

The running gateway has the last 10,000 of them in memory. Of each rule the
kernel reports at most 20 a second.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"rule": {rule}, "address": {address}, "zone": {zone}, "action": {action}, "lines": {strconv.Itoa(lines)}}
			if port != 0 {
				q.Set("port", strconv.Itoa(port))
			}
			if _, err := web.ParsePacketFilter(q); err != nil {
				return flagged(err)
			}
			return printLog(cmd.Context(), cmd.OutOrStdout(), *dir, q, follow)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "wait for more until interrupted")
	c.Flags().IntVarP(&lines, "lines", "n", 100, "how many")
	c.Flags().StringVar(&rule, "rule", "", "only of this rule, forward or built-in reason (spoof-wan, wan-default, ...)")
	c.Flags().StringVar(&address, "address", "", "only from or to this address, network or host")
	c.Flags().StringVar(&zone, "zone", "", "only from or to this zone")
	c.Flags().StringVar(&action, "action", "", "drop, reject or allow")
	c.Flags().IntVar(&port, "port", 0, "only from or to this port")
	return c
}

// flagged says of a filter's first wrong field which flag it is.
func flagged(err error) error {
	var found store.ValidationError
	if errors.As(err, &found) {
		return fmt.Errorf("--%s: %s", found[0].Field, found[0].Message)
	}
	return err
}

func printLog(ctx context.Context, out io.Writer, dir string, q url.Values, follow bool) error {
	for {
		body, err := ask(ctx, dir, http.MethodGet, "/firewall/log?"+q.Encode())
		if err != nil {
			if follow && ctx.Err() != nil {
				return nil
			}
			return err
		}
		var part loggedPart
		if err := json.Unmarshal(body, &part); err != nil {
			return err
		}
		for _, p := range part.Packets {
			fmt.Fprintln(out, logLine(p))
		}
		if !follow {
			return nil
		}
		q.Set("after", strconv.FormatUint(part.Last, 10))
	}
}

// logLine is a packet as it is printed.
func logLine(p web.Packet) string {
	return fmt.Sprintf("%s %s %s %s > %s %s", p.Time.Local().Format(time.DateTime), p.Action, p.Protocol, partyText(p.From), partyText(p.To), p.Rule)
}

// partyText is an address with what is known of it: "10.1.0.7:40000 (alice-pc, lan)".
func partyText(p web.Party) string {
	known := ""
	for _, word := range []string{p.Name, p.Zone, p.Branch, p.Country} {
		if word != "" && known != "" {
			known += ", "
		}
		known += word
	}
	if known == "" {
		return p.Where()
	}
	return p.Where() + " (" + known + ")"
}
