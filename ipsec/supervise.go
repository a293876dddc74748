package ipsec

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
)

// Tuning of attempts. The first retry is quick because most failures are a
// restart on the other side; the last is slow enough to trouble nobody.
const (
	firstRetry   = time.Second
	slowestRetry = 30 * time.Second
	// resolveEvery is how often the name of a peer is looked up while its
	// tunnel needs nothing.
	resolveEvery   = time.Minute
	resolveTimeout = 5 * time.Second
)

// connection is a Connection and what is known of it. Everything but the
// embedded value, m, policies, credential, trust and kick is guarded by m.mu.
type connection struct {
	Connection
	m *Manager
	// policies are the IDs of the children's, in their order.
	policies []uint32
	// credential and trust are Certified, read; nil for a shared key.
	credential *auth.Credential
	trust      *auth.Trust
	kick       chan struct{}
	cancel     context.CancelFunc

	addrs    []netip.Addr
	active   *session // established; the one that counts
	trying   *session // ours, not established yet
	state    State
	since    time.Time
	problem  *ike.Reason
	failedAt time.Time
	settled  struct{ received, sent sad.Usage }
	up       ike.Established
	rekeys   int
	// wanted is the packet that waits for a tunnel; nil if none does.
	wanted *ike.Acquire
	// inherits says that the peer takes the IKE SA of an earlier process for alive,
	// because traffic comes by its SAs: it will not call, so this side has to.
	inherits bool
}

func newConnection(m *Manager, c Connection) (*connection, error) {
	conn := &connection{Connection: c, m: m, kick: make(chan struct{}, 1),
		cancel: func() {}, state: Waiting, since: m.now()}
	if c.Initiate && !c.OnTraffic {
		conn.state = Connecting
	}
	if addr, err := netip.ParseAddr(c.Peer); err == nil {
		conn.addrs = []netip.Addr{addr}
	}
	if c.Certified != nil {
		var err error
		if conn.credential, conn.trust, err = c.Certified.Open(); err != nil {
			return nil, fmt.Errorf("connection %s: %w", c.Name, err)
		}
	}
	return conn, nil
}

// start supervises a connection. Needs m.mu.
func (m *Manager) start(c *connection) {
	ctx, cancel := context.WithCancel(m.ctx)
	c.cancel = cancel
	m.wg.Go(func() { c.run(ctx) })
}

// stop ends a connection and its IKE SAs, telling the peer. Needs m.mu.
func (m *Manager) stop(c *connection) {
	c.cancel()
	for s := range m.sessions {
		if s.conn == c {
			s.cancel()
		}
	}
}

// wantedBy is for a packet that waits for an SA. Needs m.mu.
func (c *connection) wantedBy(a ike.Acquire) {
	if c.active != nil {
		if a.Source.IsValid() {
			c.active.post(a)
		}
		return
	}
	c.wanted = &a
	c.wake()
}

// wake makes the supervisor look again now.
func (c *connection) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// run keeps the connection up until ctx ends: it looks up the peer, calls it
// when this side initiates and nobody else has, and waits for the end of what
// there is.
func (c *connection) run(ctx context.Context) {
	retry := firstRetry
	for attempt := 0; ctx.Err() == nil; attempt++ {
		if err := c.lookUp(ctx); err != nil {
			c.m.failed(c, ike.Reason{Code: ike.ResolveFailed, Detail: err.Error()})
		}
		s, calls := c.current()
		if s == nil && calls {
			s = c.call(attempt)
		}
		if s != nil {
			if c.await(ctx, s) {
				retry = firstRetry
			}
		}
		if s, calls = c.current(); s != nil {
			continue
		}
		pause := retry/2 + rand.N(retry)
		if !calls {
			pause = resolveEvery
		}
		retry = min(2*retry, slowestRetry)
		select {
		case <-ctx.Done():
		case <-c.kick:
			// Traffic wants the tunnel, but not more often than this.
			select {
			case <-ctx.Done():
			case <-time.After(firstRetry):
			}
		case <-time.After(pause):
		}
	}
}

// await returns when the session has ended, looking up the peer's name now
// and then. It reports whether the session had been established.
func (c *connection) await(ctx context.Context, s *session) bool {
	for {
		select {
		case <-s.done:
			c.m.mu.Lock()
			defer c.m.mu.Unlock()
			return !s.established.IsZero()
		case <-time.After(resolveEvery):
			if err := c.lookUp(ctx); err != nil {
				c.m.log.Warn("cannot look up the peer", "branch", c.Name, "err", err)
			}
			c.m.PathsChanged()
		}
	}
}

// current is the session that is up, if any, and whether this side calls if none is.
func (c *connection) current() (s *session, calls bool) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	return c.active, c.Initiate && (!c.OnTraffic || c.wanted != nil) || c.inherits
}

// lookUp finds the addresses of the peer's name. Old ones stay when it fails.
func (c *connection) lookUp(ctx context.Context) error {
	if c.Peer == "" {
		return nil
	}
	if _, err := netip.ParseAddr(c.Peer); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, err := c.m.resolve(ctx, c.Peer)
	if err != nil {
		return fmt.Errorf("look up %s: %w", c.Peer, err)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	c.m.mu.Lock()
	c.addrs = found
	c.m.mu.Unlock()
	return nil
}

// call starts an IKE SA as initiator and returns its session, or nil when
// there is no way to the peer.
func (c *connection) call(attempt int) *session {
	m := c.m
	m.mu.Lock()
	addrs := slices.Clone(c.addrs)
	m.mu.Unlock()
	if len(addrs) == 0 {
		return nil
	}
	remote := netip.AddrPortFrom(addrs[attempt%len(addrs)], ikePort)
	local, err := m.source(remote)
	if err != nil {
		m.failed(c, ike.Reason{Code: ike.NoAnswer, Detail: err.Error()})
		return nil
	}
	sa, effects, err := ike.NewInitiator(m.env(), c.peer(m.forceEncap), local, remote, m.now())
	if err != nil {
		m.failed(c, ike.Reason{Code: ike.InternalError, Detail: err.Error()})
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closing || m.conns[c.Name] != c {
		return nil
	}
	if c.wanted != nil && c.wanted.Source.IsValid() {
		effects = append(effects, sa.Step(m.now(), *c.wanted)...)
	}
	c.wanted = nil
	s := m.newSession(sa, true)
	s.conn, s.remote, s.log = c, remote.Addr(), m.log.With("branch", c.Name)
	c.trying = s
	m.launch(s, effects)
	return s
}

// sourceFor is the address this host would send from. Connecting a UDP socket
// sends nothing; it asks the routing table.
func sourceFor(remote netip.AddrPort) (netip.AddrPort, error) {
	conn, err := net.Dial("udp", remote.String())
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("no way to %s: %w", remote.Addr(), err)
	}
	defer conn.Close()
	addr, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("no way to %s", remote.Addr())
	}
	return netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), ikePort), nil
}
