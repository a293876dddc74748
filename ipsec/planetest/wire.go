package planetest

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// Wire is a wire between two hosts that can be held: then a test decides which
// protected packets arrive, when, how often, and changed how. Everything else
// passes always, since hosts must find one another.
type Wire struct {
	ends [2]*os.File // towards each host
	held atomic.Bool
	// disorder is set while the wire is a bad network.
	disorder atomic.Pointer[Disordered]
	// kept are packets of the first host for the second while the wire is held.
	kept chan Frame
}

// Held is Two with a Wire in between, which passes everything at first.
func Held(t testing.TB, kinds [2]Kind) ([2]*Host, *Wire) {
	t.Helper()
	w := &Wire{kept: make(chan Frame, 1<<14)}
	hosts := twoOn(t, kinds, func(hosts [2]*Host) {
		middle := hosts[0].NS + "-wire"
		Run(t, "ip", "netns", "add", middle)
		t.Cleanup(func() { Run(t, "ip", "netns", "del", middle) })
		for i, h := range hosts {
			port := [2]string{"left", "right"}[i]
			Run(t, "ip", "-n", h.NS, "link", "add", "wire", "type", "veth", "peer", "name", port, "netns", middle)
			inside(t, middle, func() (err error) {
				// The wire itself says nothing.
				if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+port+"/disable_ipv6", []byte("1"), 0); err != nil {
					return err
				}
				w.ends[i], err = openPort(port)
				return err
			})
			t.Cleanup(func() { w.ends[i].Close() })
			Run(t, "ip", "-n", middle, "link", "set", port, "up")
		}
		go w.carry(0, 1)
		go w.carry(1, 0)
	})
	return hosts, w
}

// openPort gives every frame that comes in by a device, and sends by it.
func openPort(device string) (*os.File, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL & 0xff})
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		return nil, err
	}
	const ignoreOutgoing = 23 // PACKET_IGNORE_OUTGOING
	if err := errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, ignoreOutgoing, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}),
	); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), device), nil
}

// carry brings frames from one end to the other until the wire is gone.
func (w *Wire) carry(from, to int) {
	buf := make([]byte, 1<<16)
	bad := disorder{random: rand.New(rand.NewPCG(4303, uint64(from)))}
	send := func(f Frame) { w.ends[to].Write(f) }
	for {
		n, err := w.ends[from].Read(buf)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil:
			continue // the device is not up yet
		}
		f, count := Frame(buf[:n]), w.disorder.Load()
		switch {
		case f.header() == 0:
			send(f)
		case w.held.Load() && from == 0:
			w.kept <- append(Frame(nil), f...)
		case count != nil:
			bad.pass(count, f, send)
		default:
			send(f)
		}
	}
}

// Hold keeps what the first host sends protected from now on.
func (w *Wire) Hold() { w.held.Store(true) }

// Release lets it pass again.
func (w *Wire) Release() { w.held.Store(false) }

// Next is the next packet that was kept.
func (w *Wire) Next(t testing.TB) Frame {
	t.Helper()
	select {
	case f := <-w.kept:
		return f
	case <-time.After(transferTime):
		t.Fatal("no protected packet was sent")
		return nil
	}
}

// Deliver gives a packet to the second host.
func (w *Wire) Deliver(t testing.TB, f Frame) {
	t.Helper()
	if _, err := w.ends[1].Write(f); err != nil {
		t.Fatal(err)
	}
}

// Frame is an Ethernet frame.
type Frame []byte

// header is where ESP or AH begin directly behind the IP header; 0 if they do not.
func (f Frame) header() int {
	const ethernet = 14
	if len(f) < ethernet+40 {
		return 0
	}
	var at int
	var protocol sad.Protocol
	switch binary.BigEndian.Uint16(f[12:]) {
	case unix.ETH_P_IP:
		at, protocol = ethernet+20, sad.Protocol(f[ethernet+9])
	case unix.ETH_P_IPV6:
		at, protocol = ethernet+40, sad.Protocol(f[ethernet+6])
	}
	if protocol != sad.ESP && protocol != sad.AH {
		return 0
	}
	return at
}

// sequence is where a protected packet has its sequence number.
func (f Frame) sequence(p sad.Protocol) int {
	if p == sad.AH {
		return f.header() + 8
	}
	return f.header() + 4
}

// Sequence is the sequence number of a packet of one protocol, its lower half.
func (f Frame) Sequence(p sad.Protocol) uint32 {
	return binary.BigEndian.Uint32(f[f.sequence(p):])
}

// SPI is the SPI of a packet of one protocol.
func (f Frame) SPI(p sad.Protocol) sad.SPI {
	return sad.SPI(binary.BigEndian.Uint32(f[f.sequence(p)-4:]))
}

// Forged is the packet with another sequence number, by one who has no keys.
func (f Frame) Forged(p sad.Protocol, sequence uint32) Frame {
	forged := append(Frame(nil), f...)
	binary.BigEndian.PutUint32(forged[f.sequence(p):], sequence)
	forged[len(forged)-1] ^= 0x80
	return forged
}
