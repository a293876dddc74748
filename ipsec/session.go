package ipsec

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
)

// inboxSize bounds what waits for one IKE SA. A peer has at most one request
// in flight (window 1), so a full inbox means a flood: more is dropped and
// will be retransmitted.
const inboxSize = 32

// closeGrace is how long an IKE SA that was told to close may wait for the
// peer's answer to its Delete.
const closeGrace = 3 * time.Second

// session is one IKE SA and the goroutine that owns it.
type session struct {
	m         *Manager
	sa        *ike.SA
	initiator bool
	inbox     chan ike.Input
	// done closes when the goroutine has ended and nothing of it is left in
	// the data plane.
	done   chan struct{}
	cancel context.CancelFunc
	log    *slog.Logger

	// Owned by the goroutine.
	installed map[saKey]sad.SA
	keepalive time.Time
	nat       bool
	broken    bool // the data plane refused an SA
	// succeeds is until when the SAs of an older IKE SA of the peer carry its traffic.
	succeeds time.Time
	waiting  []sad.SA // to be installed at takeOver, or when the peer uses their pair
	takeOver time.Time
	path     struct{ local, remote netip.AddrPort }

	// Guarded by m.mu.
	conn        *connection // nil until the peer is known
	spis        []uint64    // of the IKE SA, in m.byIKE
	remote      netip.Addr  // for the half-open limits
	halfOpen    bool
	established time.Time
	pairs       map[string]ike.ChildUp // in use, by the child's name
	reason      ike.Reason
}

// saKey names an SA within one IKE SA.
type saKey struct {
	spi       sad.SPI
	protocol  sad.Protocol
	direction sad.Direction
}

// How an IKE SA takes over from an older one of the same peer (RFC 7296 section
// 2.4). The peer that called may not have the keys yet when this side has: traffic
// goes the old way until it uses them, for takeOverAfter at most, and what it sent
// before comes by the old SAs for oldStays.
const (
	takeOverAfter = time.Second
	oldStays      = 3 * time.Second
)

// natKeepalive is the interval of RFC 3948 section 4.
const natKeepalive = 20 * time.Second

// post gives the session an input without waiting; a full inbox drops it.
func (s *session) post(in ike.Input) {
	select {
	case s.inbox <- in:
	default:
	}
}

// run owns the IKE SA until it closes or ctx ends.
func (s *session) run(ctx context.Context, first []ike.Effect) {
	defer close(s.done)
	defer s.m.forget(s)
	defer s.clear()
	if s.carryOut(first) {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var kill <-chan time.Time
	stop := ctx.Done()
	for {
		timer.Reset(time.Until(s.wake()))
		var in ike.Input
		select {
		case in = <-s.inbox:
		case <-timer.C:
			in = ike.Tick{}
		case <-stop:
			stop, kill = nil, time.After(closeGrace)
			in = ike.Close
		case <-kill:
			return
		}
		if s.step(in) {
			return
		}
	}
}

// wake is when the goroutine has something to do without being asked.
func (s *session) wake() time.Time {
	next := s.sa.Deadline()
	if next.IsZero() {
		next = s.m.now().Add(time.Minute)
	}
	if s.nat && s.keepalive.Before(next) {
		next = s.keepalive
	}
	if len(s.waiting) > 0 && s.takeOver.Before(next) {
		next = s.takeOver
	}
	return next
}

// step runs one input through the state machine and reports whether the IKE SA
// has ended.
func (s *session) step(in ike.Input) bool {
	now := s.m.now()
	ev, _ := in.(ike.PlaneEvent)
	s.waiting = slices.DeleteFunc(s.waiting, func(sa sad.SA) bool {
		due := !now.Before(s.takeOver) || ev.Event.Kind == sad.FirstInbound && ev.Event.Policy == sa.Policy
		if due {
			s.install(sa)
		}
		return due
	})
	if _, tick := in.(ike.Tick); tick {
		if s.nat && !now.Before(s.keepalive) {
			s.m.plane.SendKeepalive(s.path.local, s.path.remote)
			s.keepalive = now.Add(natKeepalive)
		}
		if d := s.sa.Deadline(); d.IsZero() || now.Before(d) {
			return false
		}
		// A peer whose ESP arrives is alive: no need to ask it.
		if last := s.lastInbound(); !last.IsZero() {
			if s.carryOut(s.sa.Step(now, ike.Traffic{Last: last})) {
				return true
			}
		}
	}
	return s.carryOut(s.sa.Step(now, in))
}

func (s *session) lastInbound() time.Time {
	var last time.Time
	for _, sa := range s.installed {
		if sa.Direction != sad.In {
			continue
		}
		if u, ok := s.m.plane.Usage(sa.ID()); ok && u.Last.After(last) {
			last = u.Last
		}
	}
	return last
}

// carryOut performs effects in order and reports whether the IKE SA has ended.
func (s *session) carryOut(effects []ike.Effect) bool {
	ended := false
	for _, e := range effects {
		switch e := e.(type) {
		case ike.Send:
			s.m.send(s.log, e)
		case ike.Install:
			if !s.initiator && e.SA.Direction == sad.Out && s.m.now().Before(s.succeeds) {
				s.waiting, s.takeOver = append(s.waiting, e.SA), s.m.now().Add(takeOverAfter)
				continue
			}
			s.install(e.SA)
		case ike.Remove:
			s.remove(saKey{e.SPI, e.Protocol, e.Direction})
		case ike.Established:
			s.nat = e.NAT
			s.path.local, s.path.remote = e.Local, e.Remote
			s.keepalive = s.m.now().Add(natKeepalive)
			s.m.sessionEstablished(s, e)
		case ike.Moved:
			s.path.local, s.path.remote = e.Local, e.Remote
			s.move(e)
			s.m.moved(s, e)
		case ike.ChildUp:
			if !s.broken {
				s.m.childUp(s, e)
			}
		case ike.ChildDown:
			s.m.childDown(s, e)
		case ike.Problem:
			s.m.problem(s, e.Peer, e.Reason)
		case ike.Closed:
			s.m.closed(s, e)
			ended = true
		}
	}
	s.m.track(s)
	return ended
}

func (s *session) install(sa sad.SA) {
	if err := s.m.plane.Install(sa); err != nil {
		s.log.Error("the data plane refused an SA", "spi", sa.SPI, "err", err)
		s.broken = true
		s.m.problem(s, "", ike.Reason{Code: ike.InternalError, Detail: err.Error()})
		s.post(ike.Close)
		return
	}
	s.installed[saKey{sa.SPI, sa.Protocol, sa.Direction}] = sa
	s.m.owned(s, sa)
}

// move lets the SAs go on at the peer's new address at once, where the plane can.
// They are replaced in any case.
func (s *session) move(e ike.Moved) {
	mover, ok := s.m.plane.(sad.Mover)
	if !ok || len(s.installed) == 0 {
		return
	}
	var ids []sad.ID
	for _, sa := range s.installed {
		ids = append(ids, sa.ID())
	}
	if err := mover.Move(ids, e.Local, e.Remote); err != nil {
		s.log.Warn("tunnel stays at the peer's old address until it is rekeyed", "remote", e.Remote, "err", err)
		return
	}
	for key, sa := range s.installed {
		from := sa.ID()
		sa.Local, sa.Remote = e.Local.Addr(), e.Remote.Addr()
		if sa.Encap != nil {
			sa.Encap = &sad.Encap{LocalPort: e.Local.Port(), RemotePort: e.Remote.Port()}
		}
		s.installed[key] = sa
		s.m.renamed(from, sa)
	}
}

func (s *session) remove(key saKey) {
	s.waiting = slices.DeleteFunc(s.waiting, func(sa sad.SA) bool { return key == saKey{sa.SPI, sa.Protocol, sa.Direction} })
	sa, ok := s.installed[key]
	if !ok {
		return
	}
	delete(s.installed, key)
	s.m.settle(s, sa.ID())
	if err := s.m.plane.Remove(sa.ID()); err != nil {
		s.log.Error("the data plane kept an SA", "spi", key.spi, "err", err)
	}
}

// clear takes everything of this IKE SA out of the data plane, however it
// ended.
func (s *session) clear() {
	for key := range s.installed {
		s.remove(key)
	}
}
