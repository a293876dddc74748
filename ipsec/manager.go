package ipsec

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
)

// Plane is what the manager needs of a data plane.
type Plane interface {
	sad.Dataplane
	sad.Meter
	sender
	// SendKeepalive sends the one byte of RFC 3948 section 2.3.
	SendKeepalive(local, remote netip.AddrPort) error
}

// sender sends IKE messages; the data plane does so on UDP 4500, a Port on
// UDP 500.
type sender interface {
	SendIKE(local, remote netip.AddrPort, msg []byte) error
}

// Options are what a Manager is made of. Plane, Port and Log are required.
type Options struct {
	Plane Plane
	Port  sender
	// ForceEncap carries all ESP in UDP, for a plane that cannot do without.
	ForceEncap bool
	Log        *slog.Logger
	// Event is called for what a person may want to read later; it must not
	// block.
	Event func(Event)
	// Refused is called for callers that could not prove who they are, in an
	// exchange that only who receives at that address gets to. It must not block;
	// nil is nobody.
	Refused func(remote netip.Addr, why ike.Reason)
	// Resolve looks up a peer's name; nil means the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Source tells which local address and port reach a remote one; nil asks
	// the routing table.
	Source func(remote netip.AddrPort) (netip.AddrPort, error)
	// Addresses are this host's, for peers to try when the one in use fails; nil means
	// that it has no others.
	Addresses func() []netip.Addr
	// Keep writes down what must be known of SAs keyed by hand after a crash; nil
	// forgets it. It is called before an SA counts beyond what was written.
	Keep func([]Kept) error
	// Rand is the source of keys; nil means crypto/rand.
	Rand io.Reader
}

// Manager reconciles connections: it starts, keeps and ends IKE SAs.
type Manager struct {
	plane      Plane
	port       sender
	forceEncap bool
	log        *slog.Logger
	event      func(Event)
	refusal    func(netip.Addr, ike.Reason)
	resolve    func(ctx context.Context, host string) ([]netip.Addr, error)
	source     func(remote netip.AddrPort) (netip.AddrPort, error)
	addresses  func() []netip.Addr
	rand       io.Reader
	cookies    *ike.CookieJar
	keep       func([]Kept) error
	urgent     chan struct{}

	// keeping is held while notes about SAs keyed by hand are made and written,
	// and is taken before mu. keepFault is why the last one was not written.
	keeping   sync.Mutex
	keepFault error

	mu         sync.Mutex
	ctx        context.Context // of Run; nil before
	closing    bool
	nextPolicy uint32
	conns      map[string]*connection
	order      []string
	byIKE      map[uint64]*session  // our IKE SPI
	byESP      map[sad.ID]*session  // SAs in the data plane
	sad        map[sad.ID]holding   // the same SAs
	spd        []sad.Policy         // what the data plane was told
	gone       map[uint32]*traffic  // of policies, by SAs that IKE made
	initial    map[initKey]*session // first messages, to know their retransmits
	halfOpen   map[netip.Addr]int
	halfTotal  int
	sessions   map[*session]struct{}
	byHand     []*handMade
	byKeys     map[sad.ID]*handKeyed // those in the data plane
	kept       map[string]Kept       // of SAs that are not there now, by their Keys
	wg         sync.WaitGroup
}

type initKey struct {
	spi    uint64
	remote netip.AddrPort
}

// New makes a Manager. Call Apply and Run, in any order.
func New(o Options) *Manager {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Event == nil {
		o.Event = func(Event) {}
	}
	if o.Resolve == nil {
		o.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if o.Keep == nil {
		o.Keep = func([]Kept) error { return nil }
	}
	if o.Source == nil {
		o.Source = sourceFor
	}
	return &Manager{
		plane: o.Plane, port: o.Port, forceEncap: o.ForceEncap, log: o.Log,
		event: o.Event, refusal: o.Refused, resolve: o.Resolve, source: o.Source, addresses: o.Addresses, rand: o.Rand,
		cookies:  ike.NewCookieJar(o.Rand),
		conns:    map[string]*connection{},
		byIKE:    map[uint64]*session{},
		byESP:    map[sad.ID]*session{},
		sad:      map[sad.ID]holding{},
		gone:     map[uint32]*traffic{},
		initial:  map[initKey]*session{},
		halfOpen: map[netip.Addr]int{},
		sessions: map[*session]struct{}{},
		keep:     o.Keep, urgent: make(chan struct{}, 1),
		byKeys: map[sad.ID]*handKeyed{}, kept: map[string]Kept{},
	}
}

func (m *Manager) now() time.Time { return time.Now() }

// Run keeps connections up until ctx ends, then tells the peers (DELETE) and
// returns when nothing is left, after closeGrace at the latest.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	m.ctx = ctx
	for _, name := range m.order {
		m.start(m.conns[name])
	}
	m.mu.Unlock()
	m.keepCounters(ctx) // until then
	m.mu.Lock()
	m.closing = true
	m.mu.Unlock()
	m.wg.Wait()
	m.noteCounters(true, true)
	return nil
}

// Apply makes the given connections, and what is made by hand, the configured
// ones. Those that did not change keep their tunnels and SAs; changed and
// removed ones are closed. It returns when the data plane has the new policies.
func (m *Manager) Apply(conns []Connection, manual Manual) error {
	m.keeping.Lock()
	defer m.keeping.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted := map[string]*connection{}
	var order []string
	var policies []sad.Policy
	byHand := m.makeByHand(manual)
	for _, h := range byHand {
		policies = append(policies, h.entry())
	}
	for _, c := range conns {
		held := m.conns[c.Name]
		if held == nil || !reflect.DeepEqual(held.Connection, c) {
			var err error
			if held, err = newConnection(m, c); err != nil {
				return err
			}
			for range c.Children {
				m.nextPolicy++
				held.policies = append(held.policies, m.nextPolicy)
			}
		}
		wanted[c.Name] = held
		order = append(order, c.Name)
		for i := range c.Children {
			policies = append(policies, held.entry(i))
		}
	}
	m.settleByHand(byHand)
	// The new SPD first: between the two steps a removed network is refused,
	// never sent in clear.
	if err := m.plane.SetPolicies(policies); err != nil {
		return err
	}
	m.inForce(policies)
	for name, old := range m.conns {
		if wanted[name] != old {
			m.stop(old)
		}
	}
	err := m.installByHand(byHand)
	m.byHand = byHand
	previous := m.conns
	m.conns, m.order = wanted, order
	if m.ctx != nil {
		for _, name := range order {
			if previous[name] != wanted[name] {
				m.start(wanted[name])
			}
		}
	}
	return err
}

// Reconnect closes a connection's IKE SAs and, if this side initiates, starts
// anew at once. It reports whether the connection exists.
func (m *Manager) Reconnect(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.conns[name]
	if c == nil {
		return false
	}
	for s := range m.sessions {
		if s.conn == c {
			s.cancel()
		}
	}
	c.wake()
	return true
}

// RekeyChildren replaces the ESP SAs of a connection now. It reports whether
// there was a tunnel to do it in.
func (m *Manager) RekeyChildren(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.conns[name]
	if c == nil || c.active == nil {
		return false
	}
	c.active.post(ike.RekeyChild)
	return true
}

// send picks the socket by the local port (RFC 7296 section 2.23).
func (m *Manager) send(log *slog.Logger, e ike.Send) {
	out := m.port
	if e.Local.Port() != ikePort {
		out = m.plane
	}
	if err := out.SendIKE(e.Local, e.Remote, e.Data); err != nil {
		// Sending is tried again by retransmission.
		log.Debug("could not send an IKE message", "remote", e.Remote, "err", err)
	}
}
