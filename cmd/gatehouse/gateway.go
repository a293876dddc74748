package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/firewall"
	"gatehouse/firewall/lists"
	"gatehouse/ipsec"
	"gatehouse/ipsec/sad"
	"gatehouse/network"
	"gatehouse/store"
	"gatehouse/web"
)

// gateway is the running whole: it owns one of each package and is what the
// page and the control socket talk to.
type gateway struct {
	log       *slog.Logger
	db        *store.DB
	perimeter *firewall.Applier
	bans      *bans
	links     *network.Applier
	ipsec     *ipsec.Manager
	// connections are those that ipsec was given last. Guarded by applying.
	connections []ipsec.Connection
	lists       *lists.Keeper
	plane       choice
	carrier     plane
	adminPort   uint16
	started     time.Time
	events      chan store.Event
	lost        atomic.Int64 // events that found no room
	notice      string       // what the start found wrong, for the page; or empty
	seen        sight

	// applying serialises changes of the running state. enforced is the policy of
	// the rules in force; nil if nobody knows.
	applying sync.Mutex
	enforced *firewall.Policy
	// manual is what was made by hand when the tunnels were last applied.
	manual ipsec.Manual

	mu       sync.Mutex
	doc      store.Document // in force
	revision int64          // in force; 0 before the first apply
	peers    resolved
	// addresses are those that devices had for a time when they were last seen.
	addresses network.Addresses
	// toldAddresses are those that events have told of.
	toldAddresses network.Addresses
	trial         *trial // nil when the revision in force is confirmed
	// backupFault says why there is no backup of today; empty if all is well.
	backupFault string
	// beginning is set until what Begin began is carried out; outcome is the
	// sentence about the last change that did not stay.
	beginning *web.Trial
	outcome   string
}

// Brief is what every page needs; it asks nobody.
func (g *gateway) Brief() web.Brief {
	now := g.current()
	return web.Brief{Name: now.Document.System.Name, Revision: now.ID, Trial: g.trialStatus()}
}

// Status is a snapshot for pages and commands.
func (g *gateway) Status() web.Status {
	now := g.current()
	doc, revision := now.Document, now.ID
	g.mu.Lock()
	notice := strings.TrimSpace(g.notice + " " + g.backupFault)
	g.mu.Unlock()
	st := web.Status{
		Name: doc.System.Name, Version: version, Started: g.started,
		Dataplane: g.plane.name, DataplaneWhy: g.plane.why + helped(g.carrier), Revision: revision,
		Interfaces: g.interfaces(doc), Trial: g.trialStatus(), Notice: notice,
		Offload: offload(g.perimeter.Offloading()),
	}
	// Nothing is fatal here: a page that shows half is better than none.
	if counters, err := g.perimeter.Counters(context.Background()); err != nil {
		g.log.Warn("cannot read the firewall's counters", "err", err)
	} else {
		st.Blocked = blocked(counters, doc)
	}
	live := map[string]ipsec.Status{}
	for _, s := range g.ipsec.Status() {
		live[s.Name] = s
	}
	for _, b := range doc.Branches {
		st.Tunnels = append(st.Tunnels, tunnel(b, doc, live[b.Name]))
	}
	for _, s := range g.ipsec.ManualStatus() {
		st.ManualSAs = append(st.ManualSAs, web.ManualSA{
			Name: s.Name, Policy: s.Policy, SPI: s.SPI.String(), State: string(s.State), Fault: s.Fault, Since: s.Since,
			Packets: s.Usage.Packets, Bytes: s.Usage.Bytes, Sequence: s.Usage.Sequence, Replayed: s.Usage.Replayed,
			Invalid: s.Usage.Invalid, Refused: s.Usage.Refused, Last: s.Usage.Last, NotKept: s.NotKept,
		})
	}
	return st
}

func offload(o firewall.Offloading) web.Offload {
	return web.Offload{InUse: len(o.Devices) > 0, State: o.String()}
}

// blocked sums the counters of everything that refuses; what allows has
// counters too.
func blocked(counters []firewall.Counter, doc store.Document) uint64 {
	allows := map[string]bool{}
	for _, r := range doc.Firewall.Rules {
		allows[r.Name] = r.Action == store.Allow
	}
	for _, f := range doc.Firewall.Forwards {
		allows[f.Name] = true
	}
	var n uint64
	for _, c := range counters {
		if !allows[c.Rule] && !firewall.Allows(c.Rule) {
			n += c.Packets
		}
	}
	return n
}

func (g *gateway) interfaces(doc store.Document) []web.Interface {
	found, err := network.Links(context.Background())
	if err != nil {
		g.log.Warn("cannot list the interfaces", "err", err)
	}
	seen := map[string]network.LinkStatus{}
	for _, l := range found {
		seen[l.Device] = l
	}
	var out []web.Interface
	for _, i := range doc.Interfaces {
		l := seen[i.Device]
		out = append(out, web.Interface{
			Name: i.Name, Device: i.Device, Zone: string(i.Zone), Up: l.Up && l.Carrier,
			Addresses: texts(l.Addresses), RxBytes: l.RxBytes, TxBytes: l.TxBytes,
		})
	}
	return out
}

// tunnel is one branch as the pages show it.
func tunnel(b store.Branch, doc store.Document, s ipsec.Status) web.Tunnel {
	t := web.Tunnel{
		Branch: b.Name, State: web.TunnelState(s.State), Since: s.Since,
		LocalNets: texts(b.LocalNetworks), RemoteNets: texts(doc.RemoteNetworks(b.Name)),
	}
	if !b.Enabled {
		t.State = web.TunnelOff
		return t
	}
	t.Local, t.Remote = addrPort(s.Local), addrPort(s.Remote)
	t.NAT, t.RemoteID = s.NAT, s.RemoteID
	t.IKESuite = s.IKESuite
	t.BytesIn, t.PacketsIn, t.LastInbound = s.Received.Bytes, s.Received.Packets, s.Received.Last
	t.BytesOut, t.PacketsOut = s.Sent.Bytes, s.Sent.Packets
	t.Rekeys = s.Rekeys
	for _, c := range s.Children {
		tc := web.TunnelChild{Name: c.Name, Up: c.Up, Protocol: "ESP", Mode: "tunnel", Suite: c.Suite, ESN: c.ESN, LocalNets: texts(c.LocalTS), RemoteNets: texts(c.RemoteTS)}
		if c.Protocol == sad.AH {
			tc.Protocol = "AH"
		}
		if c.Mode == sad.Transport {
			tc.Mode = "transport"
		}
		if c.Up {
			tc.SPIIn, tc.SPIOut = c.In.String(), c.Out.String()
		}
		if c.Up && t.SPIIn == "" {
			t.ESPSuite, t.SPIIn, t.SPIOut = tc.Suite, tc.SPIIn, tc.SPIOut
		}
		t.Children = append(t.Children, tc)
	}
	if p := s.Problem; p != nil {
		t.Problem = &web.Problem{Code: string(p.Code), ByPeer: p.ByPeer, Ours: p.Sent, Theirs: p.Got, Detail: p.Detail, At: s.ProblemAt}
	}
	return t
}

func texts[T fmt.Stringer](in []T) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = v.String()
	}
	return out
}

func addrPort(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// Reconnect closes a branch's tunnel and starts it again.
func (g *gateway) Reconnect(_ context.Context, branch string) error {
	if !g.ipsec.Reconnect(branch) {
		return fmt.Errorf("branch %s has no tunnel to reconnect: it does not exist, is switched off or is not applied yet", branch)
	}
	return nil
}

// tunnelEvent files what a person may want to read later. It must not block
// the manager, so a full queue loses the line, not the tunnel.
func (g *gateway) tunnelEvent(e ipsec.Event) {
	ev := store.Event{Time: e.Time, Severity: "info", Kind: "tunnel", Subject: e.Connection}
	switch {
	case e.What == sad.Refused:
		ev = refusedEvent(e)
	case e.SA != "":
		ev = manualEvent(e)
	case e.Up:
		ev.Message = fmt.Sprintf("The tunnel is up (%s).", e.Remote.Addr())
	case e.Reason != nil:
		ev.Severity = "warn"
		ev.Message = "The tunnel failed: " + e.Reason.Error()
	}
	g.file(ev)
}
