package esp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/tun"

	"gatehouse/ipsec/sad"
)

// Config is what an Engine is made of.
type Config struct {
	// Device is the TUN's name.
	Device string
	// MTU of the TUN in bytes; 0 means 1400, which fits ESP in UDP into 1500
	// for every suite over IPv4 and IPv6.
	MTU int
	// Port is the UDP port of ESP and IKE, 4500.
	Port uint16
	Log  *slog.Logger
	// IKE takes IKE messages without their non-ESP marker. It must not block
	// or keep msg.
	IKE func(local, remote netip.AddrPort, msg []byte)
	// Event takes news for the manager. It must not block.
	Event func(sad.Event)
}

const defaultMTU = 1400

// Engine carries SAs and policies out; it implements sad.Dataplane and
// sad.Meter.
type Engine struct {
	cfg  Config
	tun  tun.Device
	bind conn.Bind
	recv []conn.ReceiveFunc
	port uint16

	tables atomic.Pointer[tables]
	// changing serialises changes of the tables.
	changing sync.Mutex
	installs uint64 // guarded by changing; orders outbound SAs by age
	counters counters
	closed   sync.Once
}

// Open makes the device and the sockets. Nothing flows before Run.
func Open(cfg Config) (*Engine, error) {
	if cfg.MTU == 0 {
		cfg.MTU = defaultMTU
	}
	dev, err := openTUN(cfg.Device, cfg.MTU)
	if err != nil {
		return nil, err
	}
	bind := conn.NewStdNetBind()
	recv, port, err := bind.Open(cfg.Port)
	if err != nil {
		dev.Close()
		return nil, fmt.Errorf("listen on UDP port %d: %w", cfg.Port, err)
	}
	e := &Engine{cfg: cfg, tun: dev, bind: bind, recv: recv, port: port}
	e.tables.Store(&tables{in: map[sad.SPI]*inbound{}, out: map[sad.SPI]*outbound{}})
	return e, nil
}

// Run carries packets until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	tasks, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { e.Close() })
	defer stop()
	tasks.Go(e.carryOut)
	for _, r := range e.recv {
		tasks.Go(func() error { return e.carryIn(r) })
	}
	err := tasks.Wait()
	if isClosed(err) {
		return nil
	}
	return err
}

// Close ends Run. The device stays, see openTUN.
func (e *Engine) Close() error {
	var err error
	e.closed.Do(func() { err = errors.Join(e.bind.Close(), e.tun.Close()) })
	return err
}

// change makes new tables from the present ones.
func (e *Engine) change(edit func(*tables) error) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	old := e.tables.Load()
	next := &tables{generation: old.generation + 1, in: maps.Clone(old.in), out: maps.Clone(old.out)}
	for _, p := range old.policies {
		copied := *p
		next.policies = append(next.policies, &copied)
	}
	if err := edit(next); err != nil {
		return err
	}
	e.tables.Store(next)
	return nil
}

// AllocateSPI gives a random SPI that no inbound SA has.
func (e *Engine) AllocateSPI() (sad.SPI, error) {
	var b [4]byte
	for range 64 {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		spi := sad.SPI(binary.BigEndian.Uint32(b[:]))
		if _, taken := e.tables.Load().in[spi]; spi > 255 && !taken {
			return spi, nil
		}
	}
	return 0, errors.New("no free SPI found")
}

// Install adds an SA.
func (e *Engine) Install(sa sad.SA) error {
	if err := sa.Validate(); err != nil {
		return err
	}
	switch {
	case sa.Protocol != sad.ESP || sa.Mode != sad.Tunnel:
		return fmt.Errorf("SA %s: the userspace data plane carries ESP in tunnel mode only", sa.SPI)
	case sa.NoReplay || sa.Sent > 0 || sa.Seen > 0 || sa.Lifetime != (sad.Lifetime{}) || sa.Outer != (sad.Outer{}):
		return fmt.Errorf("SA %s: the userspace data plane does not carry its lifetime, counters or outer header yet", sa.SPI)
	case sa.Encap == nil:
		return fmt.Errorf("SA %s: the userspace data plane carries ESP in UDP only", sa.SPI)
	case sa.Encap.LocalPort != e.port:
		return fmt.Errorf("SA %s: encapsulation on port %d, the data plane listens on %d", sa.SPI, sa.Encap.LocalPort, e.port)
	}
	tr, err := newTransform(sa.Suite, sa.EncryptionKey, sa.IntegrityKey, sa.ESN)
	if err != nil {
		return fmt.Errorf("SA %s: %w", sa.SPI, err)
	}
	return e.change(func(t *tables) error {
		if sa.Direction == sad.In {
			if _, twice := t.in[sa.SPI]; twice {
				return fmt.Errorf("inbound SA %s exists already", sa.SPI)
			}
			t.in[sa.SPI] = &inbound{SA: sa, transform: tr, window: newWindow(sa.ReplayWindow)}
			return nil
		}
		if _, twice := t.out[sa.SPI]; twice {
			// Two counters under one key would repeat nonces.
			return fmt.Errorf("outbound SA %s exists already", sa.SPI)
		}
		out := &outbound{SA: sa, transform: tr, endpoint: endpoint(netip.AddrPortFrom(sa.Remote, sa.Encap.RemotePort))}
		e.installs++
		out.installed = e.installs
		t.out[sa.SPI] = out
		for _, p := range t.policies {
			if p.ID == sa.Policy {
				p.current = out
			}
		}
		return nil
	})
}

// Remove ends an SA. If it carried a policy's traffic, the one installed
// before it does so again.
func (e *Engine) Remove(spi sad.SPI, d sad.Direction) error {
	return e.change(func(t *tables) error {
		if d == sad.In {
			delete(t.in, spi)
			return nil
		}
		delete(t.out, spi)
		t.settle()
		return nil
	})
}

// SetPolicies replaces the SPD.
func (e *Engine) SetPolicies(policies []sad.Policy) error {
	seen := map[uint32]bool{}
	for _, p := range policies {
		if p.ID == 0 || seen[p.ID] {
			return fmt.Errorf("policy %q: its ID %d is zero or taken", p.Name, p.ID)
		}
		if p.Way != sad.BothWays || len(p.Class.DSCP)+len(p.Class.FlowLabels)+len(p.Needs) > 0 {
			return fmt.Errorf("policy %q: the userspace data plane does not carry one-way policies, classes or bundles yet", p.Name)
		}
		seen[p.ID] = true
	}
	return e.change(func(t *tables) error {
		held := map[uint32]*policy{}
		for _, p := range t.policies {
			held[p.ID] = p
		}
		t.policies = nil
		for _, p := range policies {
			next := &policy{Policy: p, acquired: new(atomic.Int64)}
			if old := held[p.ID]; old != nil {
				next.current, next.acquired = old.current, old.acquired
			}
			t.policies = append(t.policies, next)
		}
		maps.DeleteFunc(t.in, func(_ sad.SPI, sa *inbound) bool { return !seen[sa.Policy] })
		maps.DeleteFunc(t.out, func(_ sad.SPI, sa *outbound) bool { return !seen[sa.Policy] })
		t.settle()
		return nil
	})
}

// settle gives policies whose current SA is gone the newest that is left.
func (t *tables) settle() {
	for _, p := range t.policies {
		if p.current != nil && t.out[p.current.SPI] == p.current {
			continue
		}
		p.current = nil
		for _, sa := range t.out {
			if sa.Policy == p.ID && (p.current == nil || sa.installed > p.current.installed) {
				p.current = sa
			}
		}
	}
}

// Usage tells what an SA has carried.
func (e *Engine) Usage(spi sad.SPI, d sad.Direction) (sad.Usage, bool) {
	t := e.tables.Load()
	if d == sad.In {
		if sa := t.in[spi]; sa != nil {
			return sa.read(), true
		}
		return sad.Usage{}, false
	}
	if sa := t.out[spi]; sa != nil {
		return sa.read(), true
	}
	return sad.Usage{}, false
}

func endpoint(to netip.AddrPort) conn.Endpoint { return &conn.StdNetEndpoint{AddrPort: to} }

// SendIKE sends an IKE message behind the non-ESP marker (RFC 3948 section
// 2.2).
func (e *Engine) SendIKE(_, remote netip.AddrPort, msg []byte) error {
	return e.bind.Send([][]byte{append(make([]byte, markerLen, markerLen+len(msg)), msg...)}, endpoint(remote))
}

// SendKeepalive keeps a NAT's mapping alive (RFC 3948 section 2.3).
func (e *Engine) SendKeepalive(_, remote netip.AddrPort) error {
	return e.bind.Send([][]byte{{keepalive}}, endpoint(remote))
}

const (
	markerLen = 4
	keepalive = 0xff
)

// acquireEvery limits reports of traffic without an SA, for each policy.
const acquireEvery = time.Second
