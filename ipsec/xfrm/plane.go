package xfrm

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/pathmtu"
	"gatehouse/ipsec/sad"
)

// Config is what a Plane is made of.
type Config struct {
	// Device is the xfrm interface's name, IfID what ties SAs and policies to it.
	Device string
	IfID   uint32
	// Mark is put on protected packets, so that a routing rule can keep them out of
	// the device: a peer may be within a network that is protected. It is at most
	// 255; 0 is no mark.
	Mark uint32
	// MTU of the device in bytes; 0 means 1400, as the userspace plane has.
	MTU int
	Log *slog.Logger
	// Port is the UDP port of ESP and IKE, 4500.
	Port uint16
	// IKE takes IKE messages without their non-ESP marker. It must not block
	// or keep msg.
	IKE func(local, remote addrPort, msg []byte)
	// Event takes news for the manager. It must not block.
	Event func(sad.Event)
}

const defaultMTU = 1400

// Plane carries SAs and policies out in the kernel; it implements sad.Dataplane
// and sad.Meter.
type Plane struct {
	cfg    Config
	conn   *conn
	news   *netlink.Conn
	socket *socket
	// statistics are what was refused.
	statistics *statistics
	// devices are asked whether they encrypt.
	devices *devices
	prober  *pathmtu.Prober

	mu       sync.Mutex
	policies []sad.Policy
	marks    marking
	marker   *marker
	// told and toldOf are the refused packets that events have told of, for each
	// reason and for each policy.
	told   [sad.Refusals]uint64
	toldOf map[uint32]uint64
	// sas are the SAs by age, the oldest first.
	sas []*installed
	// entries are what the kernel has of ours.
	entries map[place]entry
	// reqids are those of the policies, by their ID.
	reqids    map[uint32]uint32
	lastReqID uint32
	// cannotMigrate is learned from the kernel.
	cannotMigrate bool
	// quiet are inbound SAs that nothing has come by yet.
	quiet map[sad.ID]*installed
}

// installed is an SA in the kernel.
type installed struct {
	sad.SA
	reqid uint32
	// found is set while it is of an earlier process and nobody has installed it
	// again, leaves when it goes then.
	found  *held
	leaves time.Time
	// before is what it had carried when it was taken over; it wraps below zero when
	// the kernel began to count anew.
	before sad.Usage
	// bounds are its lifetime as the kernel counts it.
	bounds sad.Lifetime
	// offloaded says that the network device encrypts.
	offloaded bool
}

// Open makes the device and the sockets. What an earlier process left in the kernel
// stays as it is until the first SetPolicies (adopt.go).
func Open(cfg Config) (*Plane, error) {
	if cfg.MTU == 0 {
		cfg.MTU = defaultMTU
	}
	if cfg.IfID == 0 || cfg.Mark > routeMask {
		return nil, fmt.Errorf("the kernel's data plane needs an interface ID other than zero and a mark of at most %d", routeMask)
	}
	if err := openDevice(cfg.Device, cfg.IfID, cfg.MTU); err != nil {
		return nil, err
	}
	p := &Plane{cfg: cfg, reqids: map[uint32]uint32{}, quiet: map[sad.ID]*installed{}}
	var err error
	if p.conn, err = dial(); err != nil {
		return nil, err
	}
	if err = p.readHeld(); err == nil {
		p.news, err = netlink.Dial(unix.NETLINK_XFRM, &netlink.Config{Groups: 1<<(groupAcquire-1) | 1<<(groupExpire-1) | 1<<(groupMapping-1)})
	}
	if err == nil {
		p.marker, err = openMarker()
	}
	if err == nil {
		p.devices, err = openDevices()
	}
	if err == nil {
		p.socket, err = openSocket(cfg.Port)
	}
	if err == nil {
		p.statistics, err = openStatistics()
	}
	if err == nil {
		p.prober, err = pathmtu.Open(0)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close ends Run. Device, SAs and policies stay.
func (p *Plane) Close() error {
	var errs []error
	if p.marker != nil {
		errs = append(errs, p.marker.close())
	}
	if p.socket != nil {
		errs = append(errs, p.socket.close())
	}
	if p.devices != nil {
		errs = append(errs, p.devices.close())
	}
	if p.news != nil {
		errs = append(errs, p.news.Close())
	}
	if p.prober != nil {
		p.prober.Close()
	}
	return errors.Join(append(errs, p.statistics.close(), p.conn.close())...)
}

// Run brings news and IKE messages until ctx ends.
func (p *Plane) Run(ctx context.Context) error {
	tasks, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { p.Close() })
	defer stop()
	tasks.Go(func() error { return p.follow(ctx) })
	tasks.Go(func() error { return p.socket.run(ctx, p.cfg.IKE) })
	tasks.Go(func() error { return p.watchQuiet(ctx) })
	tasks.Go(func() error { return p.watchRefusals(ctx) })
	err := tasks.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// AllocateSPI gives a random SPI that no inbound SA of ours has.
func (p *Plane) AllocateSPI() (sad.SPI, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b [4]byte
	for range 64 {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		spi := sad.SPI(binary.BigEndian.Uint32(b[:]))
		taken := slices.ContainsFunc(p.sas, func(s *installed) bool { return s.Direction == sad.In && s.SPI == spi })
		if spi > 255 && !taken {
			return spi, nil
		}
	}
	return 0, errors.New("no free SPI found")
}

// ifIDOf: transport mode is between this host and the peer, on their own way,
// not through the device; its policies and SAs have no interface.
func (p *Plane) ifIDOf(transport bool) uint32 {
	if transport {
		return 0
	}
	return p.cfg.IfID
}

// Install adds an SA.
func (p *Plane) Install(sa sad.SA) error {
	if err := sa.Validate(); err != nil {
		return err
	}
	if sa.Encap != nil && sa.Encap.LocalPort != p.cfg.Port {
		return fmt.Errorf("SA %s: encapsulation on port %d, the data plane listens on %d", sa.SPI, sa.Encap.LocalPort, p.cfg.Port)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	reqid := p.reqids[sa.Policy]
	m, err := saMessage(sa, p.ifIDOf(p.hostToHost(sa.Policy)), reqid, p.cfg.Mark)
	if err != nil {
		return fmt.Errorf("SA %s: %w", sa.SPI, err)
	}
	if adopted, err := p.adopt(sa, m); adopted || err != nil {
		p.retire(sa)
		return errors.Join(err, p.reconcile())
	}
	offloaded, err := p.conn.add(sa, m, p.devices.offload(sa))
	if err != nil {
		return err
	}
	in := &installed{SA: sa, reqid: reqid, bounds: sa.Lifetime, offloaded: offloaded}
	p.sas = append(p.sas, in)
	p.retire(sa)
	if sa.Direction == sad.In {
		p.quiet[sa.ID()] = in
	}
	return p.reconcile()
}

// Remove ends an SA; unknown ones are no error.
func (p *Plane) Remove(id sad.ID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.sas, func(s *installed) bool { return s.ID() == id })
	if i < 0 {
		return nil
	}
	sa := p.sas[i].SA
	p.sas = slices.Delete(p.sas, i, i+1)
	delete(p.quiet, id)
	// First nothing points at it, then it goes.
	err := p.reconcile()
	return errors.Join(err, p.conn.removeSA(referenceTo(sa)))
}

// SetPolicies replaces the SPD.
func (p *Plane) SetPolicies(policies []sad.Policy) error {
	if err := sad.ValidatePolicies(policies); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	marks, err := p.marks.marked(policies)
	if err != nil {
		return err
	}
	before, marksBefore := p.policies, p.marks
	p.policies, p.marks = slices.Clone(policies), marks
	inherited, err := p.claim()
	if err == nil {
		_, err = p.wanted()
	}
	if err != nil {
		p.policies, p.marks = before, marksBefore
		return err
	}
	var errs []error
	p.sas = slices.DeleteFunc(p.sas, func(s *installed) bool {
		if slices.ContainsFunc(policies, func(pol sad.Policy) bool { return pol.ID == s.Policy }) {
			return false
		}
		delete(p.quiet, s.ID())
		errs = append(errs, p.conn.removeSA(referenceTo(s.SA)))
		return true
	})
	for _, id := range inherited {
		p.cfg.Event(sad.Event{Kind: sad.Inherited, Policy: id})
	}
	// Packets have the old marks until the rules are replaced: what the kernel
	// compares with those goes after them.
	return errors.Join(append(errs, p.put(), p.marker.write(marks.rules(p.policies, p.cfg.Device, p.cfg.Mark)), p.drop())...)
}

// hostToHost says whether a policy asks for transport mode and nothing else.
func (p *Plane) hostToHost(id uint32) bool {
	return slices.ContainsFunc(p.policies, func(pol sad.Policy) bool { return pol.ID == id && hostToHost(pol) })
}

// reconcile makes the kernel's policies what they have to be: new and changed
// ones first, so that nothing is unprotected for a moment. Called with mu held.
func (p *Plane) reconcile() error { return errors.Join(p.put(), p.drop()) }

// put adds and changes policies.
func (p *Plane) put() error {
	wanted, err := p.wanted()
	if err != nil {
		return err
	}
	var errs []error
	for at, e := range wanted {
		if p.entries[at] != e {
			if err := p.conn.put(e); err != nil {
				errs = append(errs, err)
				continue
			}
			p.entries[at] = e
		}
	}
	return errors.Join(errs...)
}

// drop removes those that are not wanted any more.
func (p *Plane) drop() error {
	wanted, err := p.wanted()
	if err != nil {
		return err
	}
	var errs []error
	for at := range p.entries {
		if _, keep := wanted[at]; !keep {
			if err := p.conn.remove(at); err != nil {
				errs = append(errs, err)
				continue
			}
			delete(p.entries, at)
		}
	}
	return errors.Join(errs...)
}

// Offloaded counts the SAs that network devices encrypt or decrypt.
func (p *Plane) Offloaded() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sas {
		if s.offloaded {
			n++
		}
	}
	return n
}

// Usage tells what an SA has carried.
func (p *Plane) Usage(id sad.ID) (sad.Usage, bool) {
	p.mu.Lock()
	i := slices.IndexFunc(p.sas, func(s *installed) bool { return s.ID() == id })
	var sa sad.SA
	var before sad.Usage
	if i >= 0 {
		sa, before = p.sas[i].SA, p.sas[i].before
	}
	p.mu.Unlock()
	if i < 0 {
		return sad.Usage{}, false
	}
	u, err := p.conn.usage(sa)
	if err != nil && !errors.Is(err, errGone) {
		p.cfg.Log.Warn("cannot read an SA", "spi", id.SPI, "err", err)
	}
	u.Packets, u.Bytes = u.Packets-before.Packets, u.Bytes-before.Bytes
	if sa.Direction == sad.Out {
		if mtu, unreachable := p.prober.MTU(sa.Remote); unreachable == nil {
			u.PathMTU = mtu
		}
	}
	return u, err == nil
}

// quietEvery is how often SAs are looked at that nothing has come by yet.
const quietEvery = 50 * time.Millisecond

// watchQuiet tells of the first packet of each inbound SA, of which the kernel
// gives no news.
func (p *Plane) watchQuiet(ctx context.Context) error {
	tick := time.NewTicker(quietEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			p.leave(now)
		}
		p.mu.Lock()
		var waiting []sad.SA
		for _, s := range p.quiet {
			waiting = append(waiting, s.SA)
		}
		p.mu.Unlock()
		for _, sa := range waiting {
			u, err := p.conn.usage(sa)
			if err == nil && u.Packets == 0 {
				continue
			}
			p.mu.Lock()
			delete(p.quiet, sa.ID())
			p.mu.Unlock()
			if err == nil {
				p.cfg.Event(sad.Event{Kind: sad.FirstInbound, SA: sa.ID(), Policy: sa.Policy})
			}
		}
	}
}
