package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"

	"github.com/spf13/cobra"

	"gatehouse/firewall"
	"gatehouse/store"
)

// traceCommand answers "would this be allowed?".
func traceCommand(dir *string) *cobra.Command {
	draft, page := false, ""
	c := &cobra.Command{
		Use:   "trace SOURCE DESTINATION PROTOCOL [PORT]",
		Short: "Say what the firewall would do with a new connection, and which rule decides",
		Long: `Say what the firewall would do with a new connection, and which rule decides.

PROTOCOL is tcp, udp, icmp or the number of an IP protocol. It is the
configuration in force that is asked, or with --draft the one that is being
edited. Where an address is, is taken from the configuration: a packet that
comes by another port than its source belongs to is refused as spoofed, which
this does not show.`,
		Args: cobra.RangeArgs(3, 4),
		RunE: onStore(dir, func(cmd *cobra.Command, db *store.DB, args []string) error {
			f, err := parseFlow(args)
			if err != nil {
				return err
			}
			var doc store.Document
			if draft {
				doc, err = db.Draft(cmd.Context())
			} else {
				var rev store.Revision
				if rev, err = db.Confirmed(cmd.Context()); errors.Is(err, store.ErrNotFound) {
					return errors.New("nothing is in force yet, so nothing is allowed; --draft asks the draft")
				}
				doc = rev.Document
			}
			if err != nil {
				return err
			}
			port, err := listenPort(page)
			if err != nil {
				return err
			}
			return trace(cmd.OutOrStdout(), doc, port, f)
		}),
	}
	c.Flags().StringVar(&page, "listen", defaultListen, "address of the page, as given to run")
	c.Flags().BoolVar(&draft, "draft", false, "ask the draft")
	return c
}

func parseFlow(args []string) (firewall.Flow, error) {
	var f firewall.Flow
	var err error
	if f.Source, err = netip.ParseAddr(args[0]); err != nil {
		return f, fmt.Errorf("source: %q is not an IP address", args[0])
	}
	if f.Destination, err = netip.ParseAddr(args[1]); err != nil {
		return f, fmt.Errorf("destination: %q is not an IP address", args[1])
	}
	f.Source, f.Destination = f.Source.Unmap(), f.Destination.Unmap()
	if f.Source.Is4() != f.Destination.Is4() {
		return f, errors.New("source and destination must both be IPv4 or both IPv6")
	}
	icmp := map[bool]uint8{true: 1, false: 58}[f.Source.Is4()]
	number, known := map[string]uint8{"tcp": 6, "udp": 17, "icmp": icmp}[args[2]]
	if !known {
		n, err := strconv.ParseUint(args[2], 10, 8)
		if err != nil {
			return f, fmt.Errorf("protocol: %q is not tcp, udp, icmp or a number up to 255", args[2])
		}
		number = uint8(n)
	}
	f.Protocol = number
	ports := number == 6 || number == 17
	if ports != (len(args) == 4) {
		return f, errors.New("tcp and udp need a port, and nothing else has one")
	}
	if ports {
		port, err := strconv.ParseUint(args[3], 10, 16)
		if err != nil || port == 0 {
			return f, fmt.Errorf("port: %q is not a number from 1 to 65535", args[3])
		}
		f.Port = uint16(port)
	}
	return f, nil
}

func trace(out io.Writer, doc store.Document, page uint16, f firewall.Flow) error {
	d, err := firewall.NewDecider(perimeter(doc, world{}, page))
	if err != nil {
		return err
	}
	led := d.Lead(f)
	if led.Translated {
		to := led.Destination.String()
		if led.Port != 0 {
			to = netip.AddrPortFrom(led.Destination, led.Port).String()
		}
		fmt.Fprintf(out, "It is led to %s.\n", to)
	}
	action, id := d.Decide(led)
	verdict := map[firewall.Action]string{firewall.Allow: "allowed", firewall.Drop: "dropped", firewall.Reject: "rejected"}[action]
	why := "by what the zones may do"
	if id != "" {
		why = "by " + id
	}
	fmt.Fprintf(out, "It is %s, %s (from %s to %s).\n", verdict, why, d.Zone(led.Source), d.Zone(led.Destination))
	return nil
}
