package ipsec

import (
	"bytes"
	"context"
	"crypto/x509"
	"net/netip"
	"slices"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// ikePort is UDP 500 (RFC 7296 section 2.11).
const ikePort = 500

// Limits on callers who have not proved who they are (RFC 7296 section 2.6).
// Above the cookie limits a caller must first show that it receives at its
// address; above the hard ones it must wait.
const (
	cookiesAbove        = 30
	cookiesAbovePerAddr = 3
	maxHalfOpen         = 200
	maxHalfOpenPerAddr  = 10
)

// Deliver takes one received IKE message, without the non-ESP marker. It does
// not block and does not keep msg.
func (m *Manager) Deliver(local, remote netip.AddrPort, msg []byte) {
	h, err := wire.ParseHeader(msg)
	if err != nil {
		m.log.Debug("dropped a datagram that is no IKE message", "remote", remote, "err", err)
		return
	}
	response := h.Flags&wire.FlagResponse != 0
	fromInitiator := h.Flags&wire.FlagInitiator != 0
	in := ike.Datagram{Local: local, Remote: remote, Data: msg}

	m.mu.Lock()
	defer m.mu.Unlock()
	if h.Exchange == wire.IKESAInit && fromInitiator && !response && h.SPIr == 0 && h.MessageID == 0 {
		m.firstMessage(initKey{h.SPIi, remote}, in)
		return
	}
	ours := h.SPIi
	if fromInitiator {
		ours = h.SPIr
	}
	if s := m.byIKE[ours]; s != nil {
		s.postCopy(in)
	}
}

// postCopy keeps the bytes beyond the call that lent them.
func (s *session) postCopy(in ike.Datagram) {
	if len(s.inbox) == cap(s.inbox) {
		return // not worth a copy
	}
	in.Data = bytes.Clone(in.Data)
	s.post(in)
}

// firstMessage handles an IKE_SA_INIT request: a retransmit goes to its IKE
// SA, a new one makes a half-open IKE SA if the limits allow. Needs m.mu.
func (m *Manager) firstMessage(key initKey, in ike.Datagram) {
	if s := m.initial[key]; s != nil {
		s.postCopy(in)
		return
	}
	if m.ctx == nil || m.closing || key.spi == 0 {
		return
	}
	addr := key.remote.Addr()
	if !m.expects(addr) {
		m.log.Debug("no connection expects this address", "remote", key.remote)
		return
	}
	if m.halfTotal >= cookiesAbove || m.halfOpen[addr] >= cookiesAbovePerAddr {
		if !m.cookies.Check(in.Data, in.Remote, m.now()) {
			if reply, err := m.cookies.Challenge(in.Data, in.Remote, m.now()); err == nil {
				m.send(m.log, ike.Send{Local: in.Local, Remote: in.Remote, Data: reply})
			}
			return
		}
	}
	if m.halfTotal >= maxHalfOpen || m.halfOpen[addr] >= maxHalfOpenPerAddr {
		return
	}
	sa, err := ike.NewResponder(m.env(), m.now())
	if err != nil {
		m.log.Error("could not answer an IKE_SA_INIT", "remote", key.remote, "err", err)
		return
	}
	s := m.newSession(sa, false)
	s.remote, s.halfOpen = addr, true
	m.halfTotal++
	m.halfOpen[addr]++
	m.initial[key] = s
	s.postCopy(in)
	m.launch(s, nil)
}

// newSession makes a session that is not running yet. Needs m.mu.
func (m *Manager) newSession(sa *ike.SA, initiator bool) *session {
	return &session{
		m: m, sa: sa, initiator: initiator, log: m.log,
		inbox: make(chan ike.Input, inboxSize), done: make(chan struct{}),
		installed: map[saKey]sad.SA{}, pairs: map[string]ike.ChildUp{},
	}
}

// launch starts a session's goroutine. Needs m.mu.
func (m *Manager) launch(s *session, first []ike.Effect) {
	ctx, cancel := context.WithCancel(m.ctx)
	s.cancel = cancel
	m.sessions[s] = struct{}{}
	for _, spi := range s.sa.LocalSPIs() {
		m.byIKE[spi] = s
	}
	m.wg.Go(func() {
		defer cancel()
		s.run(ctx, first)
	})
}

// env is what state machines ask of this manager.
func (m *Manager) env() ike.Env {
	return ike.Env{
		Rand: m.rand, AllocateSPI: m.plane.AllocateSPI,
		FindPeer: m.findPeer, Suites: m.suites, Trusted: m.trusted, UsePPK: m.usePPK, ForceEncap: m.forceEncap, Taken: m.taken,
		Addresses: m.addresses, MayMove: m.mayMove,
	}
}

// usePPK says whether any connection that may be called from this address has a
// post-quantum preshared key.
func (m *Manager) usePPK(remote netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		if c.PPK != nil && c.mayCallFrom(remote) {
			return true
		}
	}
	return false
}

// trusted gathers the authorities of all connections that may be called from
// this address; false if none of them uses certificates.
func (m *Manager) trusted(remote netip.Addr) (all []*x509.Certificate, any bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range m.order {
		c := m.conns[name]
		if c.trust == nil || !c.mayCallFrom(remote) {
			continue
		}
		any = true
		for _, a := range c.trust.Authorities {
			if !slices.ContainsFunc(all, a.Equal) {
				all = append(all, a)
			}
		}
	}
	return all, any
}

// expects says whether any connection may be called from this address. Needs
// m.mu.
func (m *Manager) expects(addr netip.Addr) bool {
	for _, c := range m.conns {
		if c.mayCallFrom(addr) {
			return true
		}
	}
	return false
}

// suites gathers the IKE suites of all connections that may be called from
// this address, in the order of the connections.
func (m *Manager) suites(remote netip.Addr) []crypto.Suite {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []crypto.Suite
	for _, name := range m.order {
		c := m.conns[name]
		if !c.mayCallFrom(remote) {
			continue
		}
		for _, s := range c.IKE {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// PlaneEvent takes news of the data plane. It does not block.
func (m *Manager) PlaneEvent(ev sad.Event) {
	// The plane calls from its packet path, which must never wait for a lock
	// that is held while the plane is being changed.
	go m.planeEvent(ev)
}

// refusedPackets is the auditable event about packets (RFC 4301 section 5.2). Needs
// m.mu.
func (m *Manager) refusedPackets(ev sad.Event) Event {
	out := Event{Time: m.now(), What: sad.Refused, Refusal: ev.Refusal, Count: ev.Count, SPI: ev.SA.SPI,
		Source: ev.Source, Destination: ev.Destination}
	for _, h := range m.byHand {
		if h.id == ev.Policy {
			out.Policy = h.Name
		}
	}
	for _, c := range m.conns {
		if i := slices.Index(c.policies, ev.Policy); i >= 0 {
			out.Policy = c.Children[i].Name
		}
	}
	return out
}

func (m *Manager) planeEvent(ev sad.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.byKeys[ev.SA]; k != nil && m.handEvent(k, ev) {
		return
	}
	switch ev.Kind {
	case sad.Refused:
		m.event(m.refusedPackets(ev))
	case sad.Acquire:
		for _, c := range m.conns {
			if i := slices.Index(c.policies, ev.Policy); i >= 0 {
				c.wantedBy(ike.Acquire{Child: c.Children[i].Name, Source: ev.Source, Destination: ev.Destination})
			}
		}
	case sad.Inherited:
		for _, c := range m.conns {
			if slices.Contains(c.policies, ev.Policy) && c.active == nil {
				c.inherits = true
				c.wake()
			}
		}
	case sad.FirstInbound:
		if s := m.byESP[ev.SA]; s != nil {
			s.post(ike.PlaneEvent{Event: ev})
		}
	case sad.Exhausted:
		if s := m.byESP[ev.SA]; s != nil {
			s.post(ike.PlaneEvent{Event: ev})
		}
	}
}
