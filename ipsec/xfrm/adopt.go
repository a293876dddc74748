package xfrm

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"gatehouse/ipsec/sad"
)

// The kernel goes on when the process ends: its SAs carry what they carried, by
// its policies. The next process takes over what it finds. Its policies get the
// reqids of the policies that stand in their places, so that the SAs found serve
// them; an SA that is installed with the keys of one found is that one, counters
// and replay window included. The SAs of an IKE SA that ended with the process
// carry traffic until those of another take their place, or their lifetime ends.

// retireAfter is how long an SA that was found stays when another has taken its
// place: more than a packet is on its way, and than the other side needs.
const retireAfter = 10 * time.Second

// plausibleLead is how far a number that was set aside for an SA (sad.SA.Sent)
// may be ahead of what the kernel has sent by it. If it is farther ahead, someone
// else has counted with the same keys meanwhile.
const plausibleLead = 1 << 22

// readHeld reads what an earlier process left. Nothing is changed.
func (p *Plane) readHeld() (err error) {
	if p.entries, err = p.conn.spd(p.cfg.IfID); err != nil {
		return err
	}
	states, err := p.conn.states(p.cfg.IfID)
	if err != nil {
		return err
	}
	// What the policies lead to is the newest.
	named := map[reference]bool{}
	for _, e := range p.entries {
		if e.direction == policyOut {
			for _, r := range references(e.templates) {
				named[r] = true
			}
		}
	}
	ends := map[uint32]reference{} // by reqid: where its outbound SAs lead
	for r := range named {
		for _, h := range states {
			if h.reference == r {
				ends[h.reqid] = r
			}
		}
	}
	slices.SortStableFunc(states, func(a, b held) int {
		switch {
		case named[a.reference] != named[b.reference] && named[b.reference], a.added < b.added && named[a.reference] == named[b.reference]:
			return -1
		case named[a.reference] != named[b.reference], a.added > b.added:
			return 1
		}
		return 0
	})
	for _, h := range states {
		sa := sad.SA{SPI: h.spi, Protocol: h.protocol, Mode: sad.Tunnel, Direction: sad.In, Local: h.destination, Remote: h.source}
		if h.mode == modeTransport {
			sa.Mode = sad.Transport
		}
		if ends[h.reqid].destination == h.destination {
			sa.Direction, sa.Local, sa.Remote = sad.Out, h.source, h.destination
		}
		if b := h.attributes[attrCPU]; len(b) == 4 {
			n := native.Uint32(b)
			sa.CPU = &n
		}
		p.sas = append(p.sas, &installed{SA: sa, reqid: h.reqid, found: &h, offloaded: h.attributes[attrOffload] != nil})
	}
	return nil
}

// claim gives new policies their reqids, and to those that stand where an earlier
// process had one the SAs that were found. It gives the IDs of the latter.
func (p *Plane) claim() (inherited []uint32, err error) {
	current := map[uint32]bool{}
	for _, pol := range p.policies {
		current[pol.ID] = true
	}
	taken, found, fresh := map[uint32]bool{}, map[uint32]bool{}, map[uint32]uint32{}
	for _, s := range p.sas {
		taken[s.reqid] = true
		if s.found != nil && s.Policy == 0 {
			found[s.reqid] = true
		}
	}
	for id, r := range p.reqids {
		if taken[r] = true; !current[id] {
			delete(p.reqids, id)
		}
	}
	for _, pol := range p.policies {
		if p.reqids[pol.ID] == 0 {
			p.reqids[pol.ID] = p.freeReqID(taken)
			fresh[p.reqids[pol.ID]] = pol.ID
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	wanted, err := p.wanted()
	if err != nil {
		return nil, err
	}
	for at, e := range wanted {
		id := fresh[reqIDIn(e.templates)]
		r := reqIDIn(p.entries[at].templates)
		if id == 0 || !found[r] || p.leadsElsewhere(r, id) {
			continue
		}
		delete(fresh, p.reqids[id])
		delete(found, r)
		p.reqids[id] = r
		inherited = append(inherited, id)
		for _, s := range p.sas {
			if s.found != nil && s.reqid == r {
				s.Policy = id
			}
		}
	}
	return inherited, nil
}

// leadsElsewhere says whether SAs that were found lead to another peer than the one
// of a policy: the admin has changed it meanwhile.
func (p *Plane) leadsElsewhere(reqid, policy uint32) bool {
	i := slices.IndexFunc(p.policies, func(pol sad.Policy) bool { return pol.ID == policy })
	peer := p.policies[i].Peer
	return peer.IsValid() && slices.ContainsFunc(p.sas, func(s *installed) bool {
		return s.found != nil && s.reqid == reqid && s.Remote != peer
	})
}

// freeReqID is one that nobody has.
func (p *Plane) freeReqID(taken map[uint32]bool) uint32 {
	for {
		p.lastReqID = firstReqID | (p.lastReqID+1)&(lastReqID-firstReqID)
		if !taken[p.lastReqID] {
			taken[p.lastReqID] = true
			return p.lastReqID
		}
	}
}

// adopt looks whether an SA that is about to be installed is one that was found,
// and takes it over. One in its place with other keys goes.
func (p *Plane) adopt(sa sad.SA, m message) (bool, error) {
	i := slices.IndexFunc(p.sas, func(s *installed) bool { return s.found != nil && s.ID() == sa.ID() })
	if i < 0 {
		return false, nil
	}
	s := p.sas[i]
	p.sas = slices.Delete(p.sas, i, i+1)
	if !s.found.same(sa, m) {
		return false, p.conn.removeSA(s.found.reference)
	}
	u, err := p.conn.usage(s.SA)
	if errors.Is(err, errGone) {
		return false, nil // its lifetime ended just now
	}
	if err != nil {
		return false, err
	}
	in := &installed{SA: sa, reqid: s.reqid, before: u, offloaded: s.offloaded}
	p.sas = append(p.sas, in)
	// What bounds its life may be otherwise than it was. The kernel counts it from
	// when the SA was made.
	age := time.Duration(max(0, time.Now().Unix()-int64(s.found.added))) * time.Second
	in.bounds = sad.Lifetime{Soft: later(sa.Lifetime.Soft, age, u), Hard: later(sa.Lifetime.Hard, age, u)}
	sa.Lifetime = in.bounds
	if m, err = saMessage(sa, p.ifIDOf(p.hostToHost(sa.Policy)), s.reqid, p.cfg.Mark); err == nil {
		err = p.conn.do(msgUpdSA, 0, m.body, m.attributes)
	}
	if err != nil {
		p.cfg.Log.Warn("the lifetime of an SA stays as it was", "spi", sa.SPI, "err", err)
	}
	return true, nil
}

// later is a bound of what is still to come, counted from the beginning.
func later(b sad.Bound, age time.Duration, u sad.Usage) sad.Bound {
	if b.Time > 0 {
		b.Time += age
	}
	if b.Bytes > 0 {
		b.Bytes += u.Bytes
	}
	if b.Packets > 0 {
		b.Packets += u.Packets
	}
	return b
}

// same says whether an SA is the one found: the same keys, the same form. What
// bounds its life may differ.
func (h held) same(sa sad.SA, m message) bool {
	source, destination := addresses(sa)
	sent, _ := h.counters()
	if h.reference != (reference{destination, sa.SPI, sa.Protocol}) || h.source != source || h.reqid != m.reqid ||
		h.mode != m.mode || h.flags != m.flags || sa.Direction == sad.In && h.window != sa.ReplayWindow ||
		sa.Direction == sad.Out && sa.Sent > sent+plausibleLead {
		return false
	}
	mine := map[uint16][]byte{}
	for _, a := range m.attributes {
		mine[a.Type] = a.Data
	}
	for _, kind := range []uint16{attrCrypt, attrAEAD, attrAuthTrunc, attrEncap, attrIfID, attrExtra, attrTFC, attrSetMark, attrCPU} {
		if !bytes.Equal(mine[kind], h.attributes[kind]) {
			return false
		}
	}
	return true
}

// retire lets SAs that were found go when another does their work.
func (p *Plane) retire(by sad.SA) {
	for _, s := range p.sas {
		if s.found != nil && s.leaves.IsZero() && s.Policy == by.Policy && s.Direction == by.Direction && s.Protocol == by.Protocol && s.Mode == by.Mode {
			s.leaves = time.Now().Add(retireAfter)
		}
	}
}

// leave removes those whose time has come.
func (p *Plane) leave(now time.Time) {
	p.mu.Lock()
	var ids []sad.ID
	for _, s := range p.sas {
		if !s.leaves.IsZero() && now.After(s.leaves) {
			ids = append(ids, s.ID())
		}
	}
	p.mu.Unlock()
	for _, id := range ids {
		if err := p.Remove(id); err != nil {
			p.cfg.Log.Error("an SA of an earlier start could not be removed", "spi", id.SPI, "err", err)
		}
	}
}
