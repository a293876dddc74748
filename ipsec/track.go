package ipsec

import (
	"net/netip"
	"slices"
	"time"

	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
)

// raceWindow is how close in time two IKE SAs of one peer are taken for a race
// of both sides calling at once.
const raceWindow = 10 * time.Second

// sessionEstablished makes the session the active one of its connection.
func (m *Manager) sessionEstablished(s *session, e ike.Established) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endHalfOpen(s)
	c := m.conns[e.Peer]
	if c == nil || (s.conn != nil && s.conn != c) {
		s.cancel() // the connection changed meanwhile
		return
	}
	s.conn, s.log = c, m.log.With("branch", c.Name)
	s.established = m.now()
	if c.trying == s {
		c.trying = nil
	}
	if other := c.active; other != nil && other != s {
		if !m.prefer(s, other, e) {
			m.log.Info("both sides called at once; keeping the other tunnel", "branch", c.Name)
			s.cancel()
			return
		}
		s.succeeds = m.now().Add(oldStays)
		time.AfterFunc(oldStays, other.cancel)
	}
	c.active, c.inherits = s, false
	c.up, c.rekeys = e, 0
	m.log.Info("peer authenticated", "branch", c.Name, "peer", e.RemoteID.String(),
		"remote", e.Remote, "suite", e.Suite.String())
}

// moved notes the peer's new address.
func (m *Manager) moved(s *session, e ike.Moved) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := s.conn; c != nil && c.active == s {
		c.up.Local, c.up.Remote = e.Local, e.Remote
		m.log.Info("the path moved", "branch", c.Name, "local", e.Local, "remote", e.Remote)
	}
}

// prefer says whether a new IKE SA takes over from an older one of the same
// peer. The newer one does, because the peer may have lost the older; unless
// both sides called at once, where each must choose the same one: the one that
// the side with the smaller IKE address initiated.
func (m *Manager) prefer(s, other *session, e ike.Established) bool {
	if s.initiator == other.initiator || s.established.Sub(other.established) > raceWindow {
		return true
	}
	weAreSmaller := e.Local.Addr().Less(e.Remote.Addr())
	return s.initiator == weAreSmaller
}

// childUp records a pair of SAs in use.
func (m *Manager) childUp(s *session, e ike.ChildUp) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.pairs[e.Child] = e
	c := s.conn
	if c == nil || c.active != s {
		return
	}
	if e.Replaces != 0 {
		c.rekeys++
	}
	if len(s.pairs) == len(c.Children) {
		c.problem = nil
	}
	if c.state != Up {
		c.set(Up, m.now())
		m.event(Event{Time: c.since, Connection: c.Name, Up: true, Remote: c.up.Remote})
	}
	m.log.Info("tunnel in use", "branch", c.Name, "child", e.Child, "spi_in", e.In, "spi_out", e.Out, "suite", e.Suite.String(), "rekey", e.Replaces != 0)
}

// childDown notes that a pair is gone; the tunnel is down if it was the last one
// in use.
func (m *Manager) childDown(s *session, e ike.ChildDown) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := s.conn
	if s.pairs[e.Child].In != e.In {
		return
	}
	delete(s.pairs, e.Child)
	if c != nil && c.active == s && len(s.pairs) == 0 {
		c.set(Connecting, m.now())
	}
}

// problem notes a failure that leaves the IKE SA alive. peer is the connection
// that the failure is about, if the state machine knows it.
func (m *Manager) problem(s *session, peer string, r ike.Reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := s.conn
	if c == nil {
		c = m.conns[peer]
	}
	if c != nil {
		c.fail(m.now(), r)
	}
}

// failed notes that an attempt did not even start.
func (m *Manager) failed(c *connection, r ike.Reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.fail(m.now(), r)
}

// closed notes why an IKE SA ended.
func (m *Manager) closed(s *session, e ike.Closed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.reason = e.Reason
	if m.refusal != nil && !s.initiator && s.established.IsZero() && unproven(e.Reason) {
		m.refusal(s.remote, e.Reason)
	}
	c := s.conn
	if c == nil {
		if c = m.refused(s, e); c == nil {
			s.log.Info("a caller was refused", "remote", s.remote, "reason", e.Reason.Error())
			return
		}
	}
	if c.active != nil && c.active != s {
		return // another IKE SA serves the connection
	}
	switch e.Reason.Code {
	case ike.ClosedHere, ike.Replaced:
		if c.state == Up {
			c.set(Connecting, m.now())
		}
	default:
		c.fail(m.now(), e.Reason)
	}
}

// unproven says that a caller failed to prove who it is. It has keys in common
// with us by then, so it receives at its address.
func unproven(r ike.Reason) bool {
	switch r.Code {
	case ike.WrongKey, ike.UnknownPeer, ike.WrongIdentity, ike.UnsupportedMethod, ike.CertificateMissing,
		ike.PPKMissing, ike.CertificateUntrusted, ike.CertificateRevoked, ike.CertificateName, ike.BadSignature:
		return !r.ByPeer
	}
	return false
}

// refused finds the connection that a refused caller belongs to: the one it
// named, or, when the algorithms did not match before it could, the one that is
// called from its address. Needs m.mu.
func (m *Manager) refused(s *session, e ike.Closed) *connection {
	if c := m.conns[e.Peer]; c != nil || e.Reason.Code != ike.NoProposal {
		return c
	}
	for _, name := range m.order {
		if c := m.conns[name]; c.Peer != "" && c.mayCallFrom(s.remote) {
			return c
		}
	}
	return nil
}

// forget removes a session that has ended from every index.
func (m *Manager) forget(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endHalfOpen(s)
	delete(m.sessions, s)
	for spi, held := range m.byIKE {
		if held == s {
			delete(m.byIKE, spi)
		}
	}
	for key, held := range m.initial {
		if held == s {
			delete(m.initial, key)
		}
	}
	c := s.conn
	if c == nil {
		return
	}
	if c.trying == s {
		c.trying = nil
	}
	if c.active == s {
		c.active = nil
		if c.state == Up {
			c.set(Connecting, m.now())
		}
		if !c.Initiate && c.state == Connecting {
			c.set(Waiting, m.now())
		}
		c.wake()
	}
}

// track keeps the index of IKE SPIs right: a rekeyed IKE SA has new ones.
func (m *Manager) track(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, alive := m.sessions[s]; !alive {
		return
	}
	now := s.sa.LocalSPIs()
	for _, spi := range s.spis {
		if !slices.Contains(now, spi) {
			delete(m.byIKE, spi)
		}
	}
	for _, spi := range now {
		m.byIKE[spi] = s
	}
	s.spis = now
}

func (m *Manager) endHalfOpen(s *session) {
	if !s.halfOpen {
		return
	}
	s.halfOpen = false
	m.halfTotal--
	if m.halfOpen[s.remote]--; m.halfOpen[s.remote] <= 0 {
		delete(m.halfOpen, s.remote)
	}
}

// owned notes whose SA it is, for news of the data plane.
func (m *Manager) owned(s *session, sa sad.SA) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byESP[sa.ID()] = s
	m.sad[sa.ID()] = holding{withoutKeys(sa), m.now()}
}

// renamed is for an SA that leads elsewhere from now on.
func (m *Manager) renamed(from sad.ID, to sad.SA) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, held := m.byESP[from], m.sad[from]
	delete(m.byESP, from)
	delete(m.sad, from)
	held.sa = withoutKeys(to)
	m.byESP[to.ID()], m.sad[to.ID()] = s, held
}

// settle adds what an SA carried to its connection before it goes.
func (m *Manager) settle(s *session, key sad.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byESP, key)
	held := m.sad[key]
	delete(m.sad, key)
	u, ok := m.plane.Usage(key)
	if !ok || s.conn == nil {
		return
	}
	m.wentAway(held, u)
	if key.Direction == sad.In {
		add(&s.conn.settled.received, u)
	} else {
		add(&s.conn.settled.sent, u)
	}
}

// add sums what SAs have carried.
func add(to *sad.Usage, u sad.Usage) {
	to.Packets += u.Packets
	to.Bytes += u.Bytes
	to.Replayed += u.Replayed
	to.Invalid += u.Invalid
	to.Refused += u.Refused
	if u.Last.After(to.Last) {
		to.Last = u.Last
	}
}

// set changes the state. Needs m.mu.
func (c *connection) set(to State, now time.Time) {
	if c.state == to {
		return
	}
	c.m.log.Info("tunnel state", "branch", c.Name, "from", string(c.state), "to", string(to))
	c.state, c.since = to, now
}

// fail notes a failure. Needs m.mu.
func (c *connection) fail(now time.Time, r ike.Reason) {
	again := c.problem != nil && c.problem.Code == r.Code && c.problem.ByPeer == r.ByPeer
	c.problem, c.failedAt = &r, now
	if c.active == nil || len(c.active.pairs) == 0 {
		c.set(Down, now)
	}
	if !again {
		// A retry that fails in the same way is not news.
		c.m.log.Warn("tunnel failed", "branch", c.Name, "reason", string(r.Code), "by_peer", r.ByPeer, "detail", r.Detail)
		c.m.event(Event{Time: now, Connection: c.Name, Reason: &r})
	}
}

// Status tells how every connection is, in the order of Apply.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Status, 0, len(m.order))
	for _, name := range m.order {
		c := m.conns[name]
		st := Status{
			Name: c.Name, State: c.state, Since: c.since,
			Received: c.settled.received, Sent: c.settled.sent,
		}
		if c.problem != nil {
			r := *c.problem
			st.Problem, st.ProblemAt = &r, c.failedAt
		}
		for key, s := range m.byESP {
			if s.conn != c {
				continue
			}
			u, _ := m.plane.Usage(key)
			if key.Direction == sad.In {
				add(&st.Received, u)
			} else {
				add(&st.Sent, u)
			}
		}
		if s := c.active; s != nil {
			st.Local, st.Remote, st.NAT = c.up.Local, c.up.Remote, c.up.NAT
			st.RemoteID, st.IKESuite = c.up.RemoteID.String(), c.up.Suite.String()
			st.Rekeys = c.rekeys
		}
		for _, child := range c.Children {
			st.Children = append(st.Children, c.childStatus(child))
		}
		out = append(out, st)
	}
	return out
}

// childStatus is how one child is. Needs m.mu.
func (c *connection) childStatus(child Child) ChildStatus {
	st := ChildStatus{
		Name: child.Name, Protocol: child.Protocol, Mode: child.Mode,
		LocalTS: selectors(child.LocalNetworks), RemoteTS: selectors(child.RemoteNetworks),
	}
	if c.active == nil {
		return st
	}
	up, ok := c.active.pairs[child.Name]
	if !ok {
		return st
	}
	st.Up, st.Suite, st.ESN, st.In, st.Out = true, up.Suite.String(), up.ESN, up.In, up.Out
	st.LocalTS, st.RemoteTS = up.LocalTS, up.RemoteTS
	return st
}

// taken says which other connection has a transport mode SA to an address.
func (m *Manager) taken(peer string, remote netip.Addr) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range m.order {
		c := m.conns[name]
		if name == peer || c.active == nil || c.up.Remote.Addr() != remote {
			continue
		}
		for _, up := range c.active.pairs {
			if up.Mode == sad.Transport {
				return name
			}
		}
	}
	return ""
}
