package esp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
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
	// Mark is put on what the engine itself sends, so that a routing rule can
	// keep it out of the device: a peer may be within a network that is protected,
	// and is, in transport mode. 0 is no mark.
	Mark uint32
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

	raw    *rawSockets // nil without the right to open them
	noRaw  error       // why it is nil
	prober *prober

	tables atomic.Pointer[tables]
	// changing guards the following and serialises changes of the tables.
	changing sync.Mutex
	out      map[sad.ID]*outbound
	byPolicy map[uint32]*policy
	installs uint64 // orders outbound SAs by age

	identification atomic.Uint32 // of outer IPv4 packets
	refusals       refusals      // of no SA or policy
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
	bind := conn.NewStdNetBind()
	recv, port, err := bind.Open(cfg.Port)
	if err != nil {
		dev.Close()
		return nil, fmt.Errorf("listen on UDP port %d: %w", cfg.Port, err)
	}
	e := newEngine(cfg)
	e.tun, e.bind, e.recv, e.port = dev, bind, recv, port
	if cfg.Mark != 0 {
		if err := bind.SetMark(cfg.Mark); err != nil {
			return nil, errors.Join(fmt.Errorf("mark packets on UDP port %d: %w", cfg.Port, err), e.Close())
		}
	}
	if e.prober, err = openProber(cfg.Mark); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.raw, e.noRaw = openRaw(cfg.Mark)
	if e.noRaw != nil {
		cfg.Log.Warn("ESP and AH are carried in UDP only", "err", e.noRaw)
	}
	return e, nil
}

func newEngine(cfg Config) *Engine {
	e := &Engine{cfg: cfg, out: map[sad.ID]*outbound{}, byPolicy: map[uint32]*policy{}}
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
	tasks.Go(e.carryOut)
	for _, r := range e.recv {
		tasks.Go(func() error { return e.carryIn(r) })
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
		err = errors.Join(e.bind.Close(), e.tun.Close())
		if e.prober != nil {
			e.prober.close()
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
