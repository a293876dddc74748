package esp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/ipsec/pathmtu"
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
	// Mark is put on what the engine itself sends, so that a routing rule can
	// keep it out of the device: a peer may be within a network that is protected,
	// and is, in transport mode. 0 is no mark.
	Mark uint32
	// Cores is how many packets may be worked on at the same time, roughly; 0 is
	// as many as Go uses.
	Cores int
	Log   *slog.Logger
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
	tun  *device
	udp4 *udpSocket
	udp6 *udpSocket // nil in a kernel without IPv6
	port uint16
	crew crew

	raw    *rawSockets // nil without the right to open them
	noRaw  error       // why it is nil
	prober *pathmtu.Prober

	tables atomic.Pointer[tables]
	// changing guards the following and serialises changes of the tables.
	changing sync.Mutex
	out      map[sad.ID]*outbound
	byPolicy map[uint32]*policy
	installs uint64 // orders outbound SAs by age

	identification atomic.Uint32 // of outer IPv4 packets
	refusals       refusals      // of no SA or policy
	refusedAll     [sad.Refusals]atomic.Uint64
	counters       counters
	closed         sync.Once
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
	e := newEngine(cfg)
	e.tun = dev
	if e.udp4, e.udp6, err = openUDP(cfg.Port, cfg.Mark); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.port = e.udp4.port()
	if e.prober, err = pathmtu.Open(cfg.Mark); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.raw, e.noRaw = openRaw(cfg.Mark)
	if e.noRaw != nil {
		cfg.Log.Warn("ESP and AH are carried in UDP only", "err", e.noRaw)
	}
	return e, nil
}

func newEngine(cfg Config) *Engine {
	if cfg.Cores == 0 {
		cfg.Cores = runtime.GOMAXPROCS(0)
	}
	e := &Engine{cfg: cfg, crew: newCrew(cfg.Cores), out: map[sad.ID]*outbound{}, byPolicy: map[uint32]*policy{}}
	e.tables.Store(new(tables))
	var b [4]byte
	rand.Read(b[:]) // never fails
	e.identification.Store(binary.BigEndian.Uint32(b[:]))
	return e
}

// Run carries packets until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	tasks, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { e.Close() })
	defer stop()
	for i := range e.crew.helpers {
		tasks.Go(func() error { e.crew.help(ctx, lane(1+i)); return nil })
	}
	tasks.Go(e.carryOut)
	tasks.Go(func() error { return e.carryIn(e.udp4, laneUDP4) })
	if e.udp6 != nil {
		tasks.Go(func() error { return e.carryIn(e.udp6, laneUDP6) })
	}
	if e.raw != nil {
		tasks.Go(func() error { return e.raw.run(ctx, e) })
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
	e.closed.Do(func() {
		err = e.tun.close()
		for _, s := range []*udpSocket{e.udp4, e.udp6} {
			if s != nil {
				err = errors.Join(err, s.c.Close())
			}
		}
		if e.prober != nil {
			e.prober.Close()
		}
		if e.raw != nil {
			err = errors.Join(err, e.raw.close())
		}
	})
	return err
}

// AllocateSPI gives a random SPI that no inbound SA has.
func (e *Engine) AllocateSPI() (sad.SPI, error) {
	var b [4]byte
	for range 64 {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		spi := sad.SPI(binary.BigEndian.Uint32(b[:]))
		t := e.tables.Load()
		if spi > 255 && t.inbound(sad.ESP, spi) == nil && t.inbound(sad.AH, spi) == nil {
			return spi, nil
		}
	}
	return 0, errors.New("no free SPI found")
}

// udp is the socket of the family of an address, or nil.
func (e *Engine) udp(a netip.Addr) *udpSocket {
	if a.Is4() {
		return e.udp4
	}
	return e.udp6
}

// SendIKE sends an IKE message behind the non-ESP marker (RFC 3948 section
// 2.2).
func (e *Engine) SendIKE(local, remote netip.AddrPort, msg []byte) error {
	return e.message(local, remote, append(make([]byte, markerLen, markerLen+len(msg)), msg...))
}

// SendKeepalive keeps a NAT's mapping alive (RFC 3948 section 2.3).
func (e *Engine) SendKeepalive(local, remote netip.AddrPort) error {
	return e.message(local, remote, []byte{keepalive})
}

func (e *Engine) message(local, remote netip.AddrPort, b []byte) error {
	s := e.udp(remote.Addr())
	if s == nil {
		return fmt.Errorf("send to %s: the kernel has no UDP over IPv6", remote)
	}
	return s.message(local.Addr(), remote, b)
}

const (
	markerLen = 4
	keepalive = 0xff
)

// acquireEvery limits reports of traffic without an SA, for each policy.
const acquireEvery = time.Second
