package ipsec

import (
	"net/netip"
	"slices"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/ike"
)

// findPeer answers a responder's question whose identities these are. When
// none fits, a connection that is called from this very address learns why,
// because its admin is the one who must act.
func (m *Manager) findPeer(q ike.Query) (ike.Peer, *ike.Reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	remote := q.Remote.Addr()
	for _, name := range m.order {
		c := m.conns[name]
		if !c.mayCallFrom(remote) || !c.recognises(q) {
			continue
		}
		if !q.LocalID.IsZero() && !c.LocalID.IsZero() && q.LocalID != c.LocalID {
			continue
		}
		return c.peer(m.forceEncap), nil
	}
	var expected []string
	var caller *connection
	for _, name := range m.order {
		c := m.conns[name]
		if c.mayCallFrom(remote) {
			expected = append(expected, c.expectedID(remote).String())
		}
		if c.Peer != "" && c.mayCallFrom(remote) {
			caller = c
		}
	}
	r := &ike.Reason{Code: ike.UnknownPeer, Got: []string{q.RemoteID.String()},
		Detail: "called from " + remote.String()}
	if caller != nil {
		told := ike.Reason{Code: ike.WrongIdentity, Sent: expected, Got: r.Got, Detail: r.Detail}
		caller.fail(m.now(), told)
	}
	m.log.Warn("refused a caller with an unknown identity", "peer", q.RemoteID.String(), "remote", q.Remote)
	return ike.Peer{}, r
}

// recognises says whether the caller is, by what it claims, this connection's
// peer. Proving it comes later; a certificate is believed only then.
func (c *connection) recognises(q ike.Query) bool {
	want := c.expectedID(q.Remote.Addr())
	if c.trust == nil || !q.Signed {
		// One that uses the wrong method is told so, by the same name.
		return want == q.RemoteID
	}
	if q.Certificate == nil {
		return want == q.RemoteID
	}
	if c.RemoteID.IsZero() && len(c.trust.Pinned) > 0 {
		return slices.ContainsFunc(c.trust.Pinned, q.Certificate.Equal)
	}
	return want == q.RemoteID || slices.Contains(auth.Names(q.Certificate), want)
}

// mayCallFrom says whether the peer may have this address: any, if it is
// configured without one, else one of those its name has. Needs m.mu.
func (c *connection) mayCallFrom(addr netip.Addr) bool {
	return c.Peer == "" || slices.Contains(c.addrs, addr)
}

// expectedID is who the peer must prove to be when it comes from addr.
func (c *connection) expectedID(addr netip.Addr) auth.Identity {
	if !c.RemoteID.IsZero() {
		return c.RemoteID
	}
	return auth.IdentityFromAddr(addr)
}
