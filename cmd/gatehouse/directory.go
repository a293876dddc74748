package main

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"gatehouse/firewall"
	"gatehouse/store"
	"gatehouse/web"
)

// directory says who is behind an address and in which zone a device is, by
// the document in force. It is made anew when something changes and never
// changed, so reading it takes no lock.
type directory struct {
	names   map[netip.Addr]string
	zones   map[string]string // of devices
	sites   []site
	decider *firewall.Decider // nil if nothing is in force
	doc     store.Document
	policy  *firewall.Policy
	// country is two letters or empty; nil if nobody knows.
	country func(netip.Addr) string
}

// site is a network behind a tunnel.
type site struct {
	network netip.Prefix
	branch  string
}

// directoryEvery is how long what acts at once, such as the device of a user,
// may be unknown by name.
const directoryEvery = time.Minute

// newDirectory reads the names of a document and of the devices of users. The
// decider is taken over from the directory before if the policy is the same.
func newDirectory(doc store.Document, devices []store.Device, policy *firewall.Policy, before *directory) (*directory, error) {
	d := &directory{names: map[netip.Addr]string{}, zones: map[string]string{}, doc: doc, policy: policy}
	// The first who has an address gives it its name.
	name := func(a netip.Addr, name string) {
		if _, taken := d.names[a]; !taken && a.IsValid() {
			d.names[a] = name
		}
	}
	for _, i := range doc.Interfaces {
		d.zones[i.Device] = string(i.Zone)
		for _, a := range i.Addresses {
			name(a.Addr(), cmp.Or(doc.System.Name, "gateway")+" ("+i.Name+")")
		}
	}
	for _, r := range doc.Reservations {
		name(r.Address, r.Name)
	}
	for _, h := range doc.Hosts {
		for _, a := range h.Addresses {
			name(a, h.Name)
		}
	}
	for _, dev := range devices {
		for _, a := range dev.Addresses {
			name(a, dev.Name+" ("+dev.User+")")
		}
	}
	for _, b := range doc.Branches {
		for _, n := range doc.RemoteNetworks(b.Name) {
			d.sites = append(d.sites, site{n, b.Name})
		}
		if a, err := netip.ParseAddr(b.Peer); err == nil {
			name(a, b.Name+" (gateway)")
		}
	}
	if policy == nil {
		return d, nil
	}
	d.zones[policy.TunnelDevice] = firewall.ZoneVPN
	if before != nil && before.policy == policy {
		d.decider = before.decider
		return d, nil
	}
	var err error
	d.decider, err = firewall.NewDecider(*policy)
	return d, err
}

// party is one end of a packet or connection. The device is where it came in or
// goes out; if it is empty or leads to several zones, the address tells.
func (d *directory) party(a netip.Addr, port uint16, device string) web.Party {
	p := web.Party{Address: a, Port: port, Name: d.names[a]}
	p.Zone = d.zones[device]
	if (p.Zone == "" || p.Zone == firewall.ZoneVPN) && d.decider != nil && a.IsValid() {
		p.Zone = d.decider.Zone(a)
	}
	p.Branch = d.branch(a)
	if p.Name == "" && p.Branch == "" && d.country != nil && a.IsValid() {
		p.Country = d.country(a)
	}
	return p
}

// branch is behind whose tunnel an address is: the narrowest network has it.
func (d *directory) branch(a netip.Addr) string {
	best := site{}
	for _, s := range d.sites {
		if s.network.Contains(a) && (best.branch == "" || s.network.Bits() > best.network.Bits()) {
			best = s
		}
	}
	return best.branch
}

// directory is the present one, never nil.
func (g *gateway) directory() *directory {
	if d := g.seen.who.Load(); d != nil {
		return d
	}
	return &directory{}
}

// enforce remembers the policy whose rules are in force; nil if nobody knows.
// Needs g.applying.
func (g *gateway) enforce(p *firewall.Policy) {
	g.enforced = p
	g.seen.policy.Store(p)
	g.seen.change()
}

// change says that the directory is out of date.
func (s *sight) change() {
	select {
	case s.changed <- struct{}{}:
	default: // it is told already
	}
}

// keepDirectory makes the directory anew when the policy changes and now and
// then.
func (g *gateway) keepDirectory(ctx context.Context) error {
	tick := time.NewTicker(directoryEvery)
	defer tick.Stop()
	for {
		g.readDirectory(ctx)
		g.startCounting(ctx)
		g.noteRules(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-g.seen.changed:
		case <-tick.C:
		}
	}
}

func (g *gateway) readDirectory(ctx context.Context) {
	devices, err := g.devices(ctx)
	if err != nil {
		g.log.Error("the names of devices cannot be read", "err", err)
	}
	d, err := newDirectory(g.current().Document, devices, g.seen.policy.Load(), g.seen.who.Load())
	if err != nil {
		g.log.Error("zones cannot be told", "err", err)
	}
	if g.lists != nil {
		d.country = g.lists.Country
	}
	g.seen.who.Store(d)
}

// devices are those of users.
func (g *gateway) devices(ctx context.Context) ([]store.Device, error) {
	texts, err := g.db.ExportObjects(ctx, "device")
	if err != nil {
		return nil, err
	}
	out := make([]store.Device, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal(text, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
