package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"

	"gatehouse/firewall"
	"gatehouse/store"
)

// members makes lists of the addresses of users, groups and branches, those
// that something names.
type members struct {
	doc   store.Document
	now   world
	lists []firewall.List
	id    map[string]string // of "user alice"
	taken map[string]bool   // IDs of lists
}

// newMembers begins behind the lists that the admin has named.
func newMembers(doc store.Document, now world, named []firewall.List) *members {
	m := &members{doc: doc, now: now, lists: named, id: map[string]string{}, taken: map[string]bool{}}
	for _, l := range named {
		m.taken[l.ID] = true
	}
	return m
}

// maxListID is how long the ID of a firewall.List can be, in bytes.
const maxListID = 40

// ids are the lists of users, groups and branches.
func (m *members) ids(users, groups, branches []string) (out []string) {
	for _, name := range users {
		out = append(out, m.list("user", name, true, func() []netip.Prefix { return nil }, func(h store.Holder) bool { return h.User == name }))
	}
	for _, name := range groups {
		out = append(out, m.group(name))
	}
	for _, name := range branches {
		out = append(out, m.list("branch", name, false, func() []netip.Prefix { return m.networks(name) }, nil))
	}
	return out
}

func (m *members) group(name string) string {
	pools := func() []netip.Prefix {
		for _, g := range m.doc.Groups {
			if g.Name == name {
				return g.Pools
			}
		}
		return nil
	}
	return m.list("group", name, true, pools, func(h store.Holder) bool { return h.Group == name })
}

// networks are those of a branch.
func (m *members) networks(branch string) []netip.Prefix {
	return m.doc.RemoteNetworks(branch)
}

// list gives the ID of the list of somebody, which it makes once.
func (m *members) list(kind, name string, live bool, networks func() []netip.Prefix, holds func(store.Holder) bool) string {
	if id, ok := m.id[kind+" "+name]; ok {
		return id
	}
	l := firewall.List{ID: m.free(kind + "-" + name), Live: live}
	for _, p := range networks() {
		l.Ranges = append(l.Ranges, firewall.Range(store.RangeOf(p)))
	}
	for _, h := range m.now.holders {
		if holds != nil && holds(h) {
			l.Ranges = append(l.Ranges, firewall.Range{First: h.Address, Last: h.Address})
		}
	}
	m.lists = append(m.lists, l)
	m.id[kind+" "+name] = l.ID
	return l.ID
}

// free is an ID that no list has: an admin may have called one user-alice, and
// a long name does not fit behind its kind.
func (m *members) free(want string) string {
	id := want
	for m.taken[id] || len(id) > maxListID {
		sum := sha256.Sum256([]byte(want + " of " + id))
		id = want[:min(len(want), maxListID-9)] + "-" + hex.EncodeToString(sum[:4])
	}
	m.taken[id] = true
	return id
}

// zones are the zones that consist of branches and groups.
func (m *members) zones() []firewall.TunnelZone {
	var out []firewall.TunnelZone
	for _, z := range m.doc.Zones {
		if len(z.Branches)+len(z.Groups) == 0 {
			continue
		}
		t := firewall.TunnelZone{Zone: string(z.Name)}
		for _, name := range z.Branches {
			t.Networks = slices.Concat(t.Networks, m.networks(name))
		}
		for _, name := range z.Groups {
			t.Lists = append(t.Lists, m.group(name))
		}
		out = append(out, t)
	}
	return out
}
