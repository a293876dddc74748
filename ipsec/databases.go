package ipsec

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"gatehouse/ipsec/sad"
)

// Association is an entry of the SAD in use, without its keys (RFC 4301 section
// 4.4.2).
type Association struct {
	sad.SA
	// Owner is the connection that negotiated it or, with ByHand, its own name.
	Owner  string
	ByHand bool
	// Entry is the name of the policy that it serves.
	Entry string
	// Since is when its keys were first used.
	Since time.Time
	// Usage of keys made by hand also counts what they carried before this
	// process, but not what was refused then.
	Usage sad.Usage
	place int
}

// holding is an SA that IKE made, while the data plane has it.
type holding struct {
	sa    sad.SA // without keys
	since time.Time
}

// traffic is what SAs that are gone have carried for one policy.
type traffic struct{ received, sent sad.Usage }

// wentAway remembers what an SA carried that goes now. Needs m.mu.
func (m *Manager) wentAway(h holding, u sad.Usage) {
	t := m.gone[h.sa.Policy]
	if t == nil {
		t = &traffic{}
		m.gone[h.sa.Policy] = t
	}
	if h.sa.Direction == sad.In {
		add(&t.received, u)
	} else {
		add(&t.sent, u)
	}
}

// inForce notes the SPD that the data plane has now. Needs m.mu.
func (m *Manager) inForce(policies []sad.Policy) {
	m.spd = policies
	maps.DeleteFunc(m.gone, func(id uint32, _ *traffic) bool {
		return !slices.ContainsFunc(policies, func(p sad.Policy) bool { return p.ID == id })
	})
}

func withoutKeys(sa sad.SA) sad.SA {
	sa.EncryptionKey, sa.IntegrityKey = nil, nil
	return sa
}

// Associations are the SAs in the data plane that match, by the order of their
// policies, from an offset on; total is how many match. Only those that are
// given are asked what they carried.
func (m *Manager) Associations(match func(Association) bool, offset, limit int) (part []Association, total int) {
	m.keeping.Lock()
	defer m.keeping.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	places := map[uint32]int{}
	for i, p := range m.spd {
		places[p.ID] = i
	}
	type found struct {
		*Association // what is sorted should be small
		carried      func() sad.Usage
	}
	var all []found
	take := func(a Association, carried func() sad.Usage) {
		a.place = places[a.Policy]
		if a.place < len(m.spd) {
			a.Entry = m.spd[a.place].Name
		}
		if !match(a) {
			return
		}
		if total++; limit > 0 { // else they are only counted
			all = append(all, found{&a, carried})
		}
	}
	for id, h := range m.sad {
		a := Association{SA: h.sa, Since: h.since}
		if s := m.byESP[id]; s != nil && s.conn != nil {
			a.Owner = s.conn.Name
			if i := slices.Index(s.conn.policies, a.Policy); i >= 0 {
				// IKE replaces it before, and ends it then.
				a.Lifetime.Hard.Time = s.conn.Children[i].Lifetime
			}
		}
		take(a, func() sad.Usage {
			u, _ := m.plane.Usage(id)
			return u
		})
	}
	for _, h := range m.byHand {
		for _, k := range h.sas {
			if !k.installed {
				continue
			}
			sa := withoutKeys(k.SA)
			sa.Policy, sa.LocalTS, sa.RemoteTS = h.id, h.LocalTS, h.RemoteTS
			take(Association{SA: sa, Owner: k.Name, ByHand: true, Since: k.before.Since}, func() sad.Usage {
				u, _ := m.plane.Usage(sa.ID())
				kept := k.state(m, false)
				u.Packets, u.Bytes, u.Sequence = kept.Packets, kept.Bytes, kept.Sequence
				return u
			})
		}
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.Owner, b.Owner), -cmp.Compare(a.Direction, b.Direction),
			a.Since.Compare(b.Since), cmp.Compare(a.SPI, b.SPI), cmp.Compare(a.Protocol, b.Protocol))
	})
	all = all[min(max(offset, 0), len(all)):]
	all = all[:min(max(limit, 0), len(all))]
	for _, f := range all {
		f.Usage = f.carried()
		part = append(part, *f.Association)
	}
	return part, total
}

// Entry is an entry of the SPD in force (RFC 4301 section 4.4.1) and what it did.
type Entry struct {
	sad.Policy
	// Place is from 1: the first that matches decides.
	Place int
	// Owner is the connection that it belongs to; empty with ByHand.
	Owner  string
	ByHand bool
	// SAs is how many serve it now.
	SAs int
	// Sent and Received are what all its SAs carried, also those that are gone.
	// What goes past IPsec is not seen here: its routes lead elsewhere.
	Sent, Received sad.Usage
	// Refused are packets that it refused itself, before any SA.
	Refused uint64
}

// Entries are the policies in force that match, in their order; offset, limit and
// total are as those of Associations.
func (m *Manager) Entries(match func(Entry) bool, offset, limit int) (part []Entry, total int) {
	m.keeping.Lock()
	defer m.keeping.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	hands := map[uint32]*handMade{}
	for _, h := range m.byHand {
		hands[h.id] = h
	}
	owners := map[uint32]string{}
	for _, c := range m.conns {
		for _, id := range c.policies {
			owners[id] = c.Name
		}
	}
	var all []Entry
	for i, p := range m.spd {
		e := Entry{Policy: p, Place: i + 1, Owner: owners[p.ID], ByHand: hands[p.ID] != nil}
		if match(e) {
			all = append(all, e)
		}
	}
	total = len(all)
	all = all[min(max(offset, 0), total):]
	all = all[:min(max(limit, 0), len(all))]
	for i := range all {
		m.carried(&all[i], hands[all[i].ID])
	}
	return all, total
}

// carried fills in what an entry did. Needs m.mu.
func (m *Manager) carried(e *Entry, h *handMade) {
	if a, ok := m.plane.(sad.Auditor); ok {
		e.Refused = a.RefusedBy(e.ID)
	}
	sum := func(d sad.Direction, u sad.Usage) {
		if d == sad.In {
			add(&e.Received, u)
		} else {
			add(&e.Sent, u)
		}
	}
	if h != nil {
		for _, k := range h.sas {
			if k.Protocol != h.SAs[0].Protocol {
				continue // a bundle carries each packet once
			}
			kept := k.state(m, false)
			u := sad.Usage{}
			if k.installed {
				e.SAs++
				u, _ = m.plane.Usage(k.SA.ID())
			}
			u.Packets, u.Bytes = kept.Packets, kept.Bytes
			sum(k.Direction, u)
		}
		return
	}
	if gone := m.gone[e.ID]; gone != nil {
		e.Received, e.Sent = gone.received, gone.sent
	}
	for id, held := range m.sad {
		if held.sa.Policy == e.ID {
			e.SAs++
			u, _ := m.plane.Usage(id)
			sum(id.Direction, u)
		}
	}
}

// Refused are the packets that the data plane refused since it began, by reason;
// false if it cannot tell.
func (m *Manager) Refused() ([sad.Refusals]uint64, bool) {
	if a, ok := m.plane.(sad.Auditor); ok {
		return a.Refused()
	}
	return [sad.Refusals]uint64{}, false
}
