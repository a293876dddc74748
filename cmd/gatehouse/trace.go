package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gatehouse/firewall"
	"gatehouse/network"
	"gatehouse/store"
	"gatehouse/web"
)

// errNothingInForce answers a question about what does not exist yet.
var errNothingInForce = errors.New("nothing is in force yet, so nothing is allowed; ask the draft instead")

// Trace answers what would become of a connection.
func (g *gateway) Trace(ctx context.Context, q web.Question) (web.Answer, error) {
	doc, err := g.document(ctx, q.Draft)
	if err != nil {
		return web.Answer{}, err
	}
	now, err := g.known(ctx, doc)
	if err != nil {
		return web.Answer{}, err
	}
	return trace(ctx, g.db, doc, now, g.adminPort, q, time.Now())
}

// document is what a question is about.
func (g *gateway) document(ctx context.Context, draft bool) (store.Document, error) {
	if draft {
		return g.db.Draft(ctx)
	}
	now := g.current()
	if now.ID == 0 {
		return store.Document{}, store.ValidationError{{Field: "draft", Code: "required", Message: "Nothing is in force yet, so nothing is allowed. Ask the draft instead."}}
	}
	return now.Document, nil
}

// FirewallText is the whole of the rules as nft text.
func (g *gateway) FirewallText(ctx context.Context, draft bool) (string, error) {
	if !draft && g.current().ID == 0 {
		rules, err := firewall.Compile(firewall.Lockdown(tunnelDevice, logGroup))
		return rules.String(), err
	}
	doc, err := g.document(ctx, draft)
	if err != nil {
		return "", err
	}
	now, err := g.known(ctx, doc)
	if err != nil {
		return "", err
	}
	d, err := compile(doc, now, g.adminPort)
	return d.ruleset.String(), err
}

// trace is the one answer for the page, the API and the command line. Of what is
// known it takes what is not looked up at the time of the question.
func trace(ctx context.Context, db *store.DB, doc store.Document, known world, page uint16, q web.Question, now time.Time) (web.Answer, error) {
	zone, err := doc.System.Location()
	if err != nil {
		return web.Answer{}, err
	}
	at, err := timeOf(q.Time, zone, now)
	if err != nil {
		return web.Answer{}, err
	}
	around, err := lookAt(ctx, db, doc, known.peers, at)
	if err != nil {
		return web.Answer{}, err
	}
	around.elsewhere = known.elsewhere
	a, err := understand(q, doc, around.holders, at)
	if err != nil {
		return web.Answer{}, err
	}
	policy := perimeter(doc, around, page)
	d, err := firewall.NewDecider(policy)
	if err != nil {
		return web.Answer{}, fmt.Errorf("the rules cannot be asked: %w", err)
	}
	out := judge(d, policy, a, doc, around)
	out.At, out.Draft = at.In(zone), q.Draft
	for _, h := range around.holders {
		if h.Address == a.flow.Source {
			out.User = h.User
		}
	}
	return out.InWords(), nil
}

// judge asks the rules, then what comes behind them.
func judge(d *firewall.Decider, p firewall.Policy, a enquiry, doc store.Document, around world) web.Answer {
	out := web.Answer{
		Source: a.flow.Source, Destination: a.flow.Destination, Protocol: web.ProtocolName(a.flow.Protocol), Port: a.flow.Port,
		From: d.Zone(a.flow.Source), Kind: "built-in",
	}
	if out.Rule = a.spoofed(doc, out.From); out.Rule != "" {
		out.Verdict, out.From, out.To = firewall.Drop.String(), strings.TrimPrefix(out.Rule, "spoof-"), d.Zone(a.flow.Destination)
		return out
	}
	led := d.Lead(a.flow)
	if led.Translated {
		out.Led = &web.Translation{By: ledBy(p, a.flow, led), Address: led.Destination, Port: led.Port}
	}
	decision := d.Explain(led)
	out.To, out.Verdict, out.Rule = d.Zone(led.Destination), decision.Action.String(), decision.ID
	out.Kind, out.Limit = kindOf(doc, out.Rule), limitWords(doc, out.Rule)
	out.Tunnel = tunnelOf(doc, led)
	if route, ok := routeTo(doc, around, led.Destination, out.To == firewall.ZoneGateway); ok {
		out.Route = &route
	}
	if left, by := d.Leave(led); by != "" {
		out.Seen = &web.Translation{By: by, Address: left.Source, Kept: left.Source == led.Source}
	}
	return out
}

// ledBy names the forward or NAT entry that led a flow elsewhere.
func ledBy(p firewall.Policy, from, to firewall.Flow) string {
	for _, f := range p.Forwards {
		if f.To == to.Destination && f.Ports.First <= from.Port && from.Port <= f.Ports.Last && (!f.Address.IsValid() || f.Address == from.Destination) {
			return "Port forward " + f.ID
		}
	}
	for _, n := range p.NAT {
		if n.Outside.IsValid() && n.Outside.Contains(from.Destination) {
			return "NAT entry " + n.ID
		}
	}
	return "A translation"
}

// kindOf is what sort of thing decided.
func kindOf(doc store.Document, id string) string {
	switch {
	case id == "":
		return "default"
	case slices.ContainsFunc(doc.Firewall.Rules, func(r store.Rule) bool { return r.Name == id }):
		return "rule"
	case slices.ContainsFunc(doc.Firewall.Forwards, func(f store.Forward) bool { return f.Name == id }):
		return "forward"
	}
	return "built-in"
}

// limitWords say how much the rule allows.
func limitWords(doc store.Document, id string) string {
	for _, r := range doc.Firewall.Rules {
		if r.Name != id {
			continue
		}
		var all []string
		if r.LimitRate > 0 {
			text := fmt.Sprintf("%d new connections in a %s", r.LimitRate, r.LimitPer)
			if r.LimitBurst > 0 {
				text += fmt.Sprintf(", %d at once", r.LimitBurst)
			}
			all = append(all, text)
		}
		if r.LimitOpen > 0 {
			all = append(all, fmt.Sprintf("%d open ones", r.LimitOpen))
		}
		if all == nil {
			return ""
		}
		whose := " of all together"
		if r.LimitPerSource {
			whose = " of each source"
		}
		return strings.Join(all, " and ") + whose
	}
	return ""
}

// routeTo is the route of a destination: the longest that has it, as the kernel
// chooses, of the document's and those of the interfaces' own networks, also
// those that they have for a time.
func routeTo(doc store.Document, around world, to netip.Addr, here bool) (web.RouteTaken, bool) {
	if here {
		return web.RouteTaken{Network: netip.PrefixFrom(to, to.BitLen())}, true
	}
	names := map[string]string{}
	var all []network.Route
	for _, i := range doc.Interfaces {
		names[i.Device] = i.Name
		for _, a := range slices.Concat(i.Addresses, around.addresses[i.Device]) {
			all = append(all, network.Route{Destination: a.Masked(), Device: i.Device})
		}
	}
	all = append(all, links(doc, around).Routes...)
	best := network.Route{}
	for _, r := range all {
		if !r.Destination.Contains(to) {
			continue
		}
		longer := r.Destination.Bits() - best.Destination.Bits()
		if !best.Destination.IsValid() || longer > 0 || longer == 0 && r.Metric < best.Metric {
			best = r
		}
	}
	if !best.Destination.IsValid() {
		return web.RouteTaken{}, false
	}
	out := web.RouteTaken{Network: best.Destination, Device: best.Device, Via: best.Via, Unreachable: best.Unreachable}
	for _, i := range doc.Interfaces {
		if out.Device == "" && best.Via.IsValid() && onLink(i, best.Via) {
			out.Device = i.Device
		}
	}
	out.Interface = names[out.Device]
	return out, true
}

// tunnelOf is the branch whose networks have one end of a flow, and whether its
// tunnel joins both.
func tunnelOf(doc store.Document, f firewall.Flow) *web.TunnelTaken {
	has := func(all []netip.Prefix, a netip.Addr) bool {
		return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	// Of overlapping networks the longest has it, as the routes do.
	longest := func(all []netip.Prefix, a netip.Addr) int {
		bits := -1
		for _, p := range all {
			if p.Contains(a) {
				bits = max(bits, p.Bits())
			}
		}
		return bits
	}
	var into, out *web.TunnelTaken
	best := -1
	for _, j := range doc.Joints() {
		selected := has(j.Local, f.Source)
		if bits := longest(j.Remote, f.Destination); bits > best || bits == best && bits >= 0 && selected {
			best = bits
			into = &web.TunnelTaken{Branch: j.Branch, Enters: true, Selected: selected, Off: !j.Enabled}
		}
		if has(j.Remote, f.Source) && (out == nil || !out.Selected) {
			out = &web.TunnelTaken{Branch: j.Branch, Selected: has(j.Local, f.Destination), Off: !j.Enabled}
		}
	}
	if into != nil {
		return into
	}
	return out
}
