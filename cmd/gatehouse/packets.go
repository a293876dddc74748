package main

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/firewall"
	"gatehouse/traffic"
	"gatehouse/web"
)

// sight is what the gateway remembers of what it sees.
type sight struct {
	packets *traffic.Ring[web.Packet]
	who     atomic.Pointer[directory]
	policy  atomic.Pointer[firewall.Policy]
	changed chan struct{}
	talkers *traffic.Talkers
	ends    chan traffic.Carried // not taken down yet
	// reading is held by who reads the table of connections: one at a time.
	reading sync.Mutex

	mu sync.Mutex
	// reported counts lines of the log, base is what the kernel had counted when
	// they began; both by rule, of those rules that report.
	reported, base map[string]uint64
	// second is when room for more lines comes, and room how many have place
	// until then. Only the reader of the log uses them.
	second time.Time
	room   int
}

// Bounds of the log.
const (
	packetsKept = 10_000
	// packetsASecond is how many lines are made at most, over all rules; the
	// kernel bounds those of each rule. More are only counted.
	packetsASecond = 500
)

// watch makes room for what is seen.
func (g *gateway) watch() {
	s := &g.seen
	s.packets, s.changed = traffic.NewRing[web.Packet](packetsKept), make(chan struct{}, 1)
	s.ends = make(chan traffic.Carried, endsKept)
	s.talkers = traffic.NewTalkers(g.inside)
	s.reported, s.base = map[string]uint64{}, map[string]uint64{}
}

// dropped takes down one packet that the perimeter refused or was told to log.
// It asks nobody, so that the reader keeps up.
func (g *gateway) dropped(d firewall.Dropped) {
	if now := time.Now(); now.Sub(g.seen.second) >= time.Second {
		g.seen.second, g.seen.room = now, packetsASecond
	}
	if g.seen.room == 0 {
		return
	}
	g.seen.room--
	who := g.directory()
	g.seen.packets.Add(web.Packet{
		Time: d.Time, Rule: d.Rule, Action: d.Action, In: d.InDevice, Out: d.OutDevice,
		From: who.party(d.Src, d.SrcPort, d.InDevice), To: who.party(d.Dst, d.DstPort, d.OutDevice),
		Protocol: web.ProtocolName(d.Protocol),
	})
	g.seen.mu.Lock()
	g.seen.reported[d.Rule]++
	g.seen.mu.Unlock()
	g.log.Debug("packet "+d.Action, "rule", d.Rule, "in", d.InDevice, "out", d.OutDevice,
		"src", d.Src, "dst", d.Dst, "proto", d.Protocol, "sport", d.SrcPort, "dport", d.DstPort)
}

// Packets, PacketsAfter and PacketNews are the log.
func (g *gateway) Packets(f web.PacketFilter, before uint64, limit int) ([]web.Packet, bool) {
	found, more := g.seen.packets.Before(before, limit, f.Matches)
	return numbered(found), more
}

func (g *gateway) PacketsAfter(f web.PacketFilter, after uint64, limit int) ([]web.Packet, uint64) {
	found, last := g.seen.packets.After(after, limit, f.Matches)
	return numbered(found), last
}

func (g *gateway) PacketNews(after uint64) <-chan struct{} { return g.seen.packets.News(after) }

func numbered(in []traffic.Numbered[web.Packet]) []web.Packet {
	out := make([]web.Packet, len(in))
	for i, n := range in {
		out[i] = n.Entry
		out[i].Number = n.Number
	}
	return out
}

// startCounting notes where the counters of rules stand that report from now
// on, and forgets those that do not any more.
func (g *gateway) startCounting(ctx context.Context) {
	counters, err := g.perimeter.Counters(ctx)
	if err != nil {
		g.log.Error("counters cannot be read", "err", err)
		return
	}
	reports := g.directory().reporting()
	g.seen.mu.Lock()
	defer g.seen.mu.Unlock()
	reported, base := map[string]uint64{}, map[string]uint64{}
	for _, c := range counters {
		if !reports(c.Rule) {
			continue
		}
		reported[c.Rule] = g.seen.reported[c.Rule]
		was, known := g.seen.base[c.Rule]
		if !known || was > c.Packets { // new, or begun anew
			was = c.Packets - min(c.Packets, reported[c.Rule])
		}
		base[c.Rule] = was
	}
	g.seen.reported, g.seen.base = reported, base
}

// Unreported is by how much more the counters have grown than the log.
func (g *gateway) Unreported(ctx context.Context) (map[string]uint64, error) {
	counters, err := g.perimeter.Counters(ctx)
	if err != nil {
		return nil, err
	}
	g.seen.mu.Lock()
	reported, base := maps.Clone(g.seen.reported), maps.Clone(g.seen.base)
	g.seen.mu.Unlock()
	return missing(counters, base, reported), nil
}

func missing(counters []firewall.Counter, base, reported map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for _, c := range counters {
		was, known := base[c.Rule]
		if told := was + reported[c.Rule]; known && c.Packets > told {
			out[c.Rule] = c.Packets - told
		}
	}
	return out
}

// reporting says of a rule or a reason of the firewall's own whether what it
// counts goes to the log.
func (d *directory) reporting() func(rule string) bool {
	silent := map[string]bool{}
	if d.policy != nil {
		for _, r := range d.policy.Rules {
			silent[r.ID] = r.Action == firewall.Allow && !r.Log
		}
		for _, f := range d.policy.Forwards {
			silent[f.ID] = !f.Log
		}
	}
	return func(rule string) bool { return !silent[rule] && !firewall.Allows(rule) }
}
