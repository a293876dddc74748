package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"gatehouse/firewall"
	"gatehouse/store"
	"gatehouse/web"
)

// Review says what applying the draft would do to the firewall, and whether it
// could cut off who asks: client is where they come from, server the address
// of the page that they use. It touches nothing.
func (g *gateway) Review(ctx context.Context, client, server netip.Addr) (web.Review, error) {
	draft, err := g.db.Draft(ctx)
	if err != nil {
		return web.Review{}, fmt.Errorf("read the draft: %w", err)
	}
	now := g.current()
	around, err := g.known(ctx, draft)
	if err != nil {
		return web.Review{}, err
	}
	next, err := compile(draft, around, g.adminPort)
	if err != nil {
		return web.Review{}, err
	}
	held, err := firewall.Compile(firewall.Lockdown(tunnelDevice, logGroup))
	if now.ID != 0 {
		var d desired
		if around, err = g.known(ctx, now.Document); err == nil {
			d, err = compile(now.Document, around, g.adminPort)
		}
		held = d.ruleset
	}
	if err != nil {
		return web.Review{}, err
	}
	return web.Review{
		Firewall: diffLines(firewall.Differing(held, next.ruleset)),
		Risks:    g.risks(now.Document, draft, client, server),
		Notes:    idleRules(draft, next.firewall),
	}, nil
}

// diffLines are the lines of a unified diff, without its file names.
func diffLines(old, new string) (out []web.DiffLine) {
	for _, line := range strings.Split(strings.TrimSuffix(udiff.Unified("", "", old, new), "\n"), "\n") {
		switch {
		case line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "+++") || strings.HasPrefix(line, `\`):
		case strings.HasPrefix(line, "+"):
			out = append(out, web.DiffLine{Kind: "added", Text: line})
		case strings.HasPrefix(line, "-"):
			out = append(out, web.DiffLine{Kind: "removed", Text: line})
		default:
			out = append(out, web.DiffLine{Text: line})
		}
	}
	return out
}

// mostNotes is how many of one kind a person reads.
const mostNotes = 20

// idleRules are sentences about the rules that can never match. A rule that only
// waits for a prefix of the provider's is none.
func idleRules(doc store.Document, p firewall.Policy) (out []string) {
	waits := map[string]bool{}
	for _, r := range doc.Firewall.Rules {
		waits[r.Name] = slices.ContainsFunc(slices.Concat(r.Sources, r.Destinations), func(n store.Network) bool { return n.Interface != "" })
	}
	for _, l := range doc.Lists {
		if len(l.Following) == 0 {
			continue
		}
		for _, r := range doc.Firewall.Rules {
			waits[r.Name] = waits[r.Name] || slices.Contains(r.SourceLists, l.Name) || slices.Contains(r.DestinationLists, l.Name)
		}
	}
	all := slices.DeleteFunc(p.Shadowed(), func(s firewall.Shadow) bool { return len(s.By) == 0 && waits[s.Rule] })
	for i, s := range all {
		if i == mostNotes {
			return append(out, fmt.Sprintf("%d more rules can never match.", len(all)-i))
		}
		if len(s.By) == 0 {
			out = append(out, fmt.Sprintf("Rule %s can never match: the lists that it names are empty.", s.Rule))
			continue
		}
		last := len(s.By) - 1
		before, verb := "rule "+s.By[last], "decides"
		if last > 0 {
			before, verb = "rules "+strings.Join(s.By[:last], ", ")+" and "+s.By[last], "decide"
		}
		out = append(out, fmt.Sprintf("Rule %s can never match: %s %s all of it before.", s.Rule, before, verb))
	}
	return out
}

// risks are sentences about how the draft could cut off who reviews it.
func (g *gateway) risks(now, draft store.Document, client, server netip.Addr) (out []string) {
	if ownsAddress(now, server) && !ownsAddress(draft, server) {
		text := "The gateway gives up the address of this page, " + server.String() + "."
		if there := g.pageAddresses(draft); len(there) > 0 {
			text += " Open it at " + strings.Join(there, " or ") + " and log in, or everything goes back."
		}
		out = append(out, text)
	}
	if inOffice(now, client) && !inOffice(draft, client) {
		out = append(out, fmt.Sprintf("Your computer, %s, is in none of the office's networks any more. It may be cut off.", client))
	}
	return out
}

func ownsAddress(doc store.Document, addr netip.Addr) bool {
	for _, i := range doc.Interfaces {
		for _, a := range i.Addresses {
			if a.Addr() == addr {
				return true
			}
		}
	}
	return false
}

// inOffice says whether the perimeter lets this address come in by a LAN port:
// it is in one of the port's networks, or behind a router there.
func inOffice(doc store.Document, addr netip.Addr) bool {
	for _, i := range doc.Interfaces {
		if !doc.Manages(i.Zone) {
			continue
		}
		if inNetworks(doc, i, addr) {
			return true
		}
	}
	return false
}
