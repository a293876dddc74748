package ipsec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// maxDatagram is the largest UDP payload; longer ones cannot exist.
const maxDatagram = 65535

// Port is UDP 500 in both families. It learns to which of this host's
// addresses a datagram came, and answers from that one, because the peer
// compares addresses (RFC 7296 section 2.11).
type Port struct {
	number uint16
	v4     *ipv4.PacketConn
	v6     *ipv6.PacketConn
	c4, c6 net.PacketConn
}

// OpenPort listens on the UDP port in both families, on every address. prepare,
// if it is not nil, is given each socket first.
func OpenPort(number uint16, prepare func(fd int, v6 bool) error) (*Port, error) {
	listen := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		if prepare == nil {
			return nil
		}
		var err error
		ctlErr := raw.Control(func(fd uintptr) { err = prepare(int(fd), network == "udp6") })
		return errors.Join(ctlErr, err)
	}}
	c4, err := listen.ListenPacket(context.Background(), "udp4", fmt.Sprintf("0.0.0.0:%d", number))
	if err != nil {
		return nil, fmt.Errorf("listen for IKE: %w", err)
	}
	c6, err := listen.ListenPacket(context.Background(), "udp6", fmt.Sprintf("[::]:%d", number))
	if err != nil {
		c4.Close()
		return nil, fmt.Errorf("listen for IKE: %w", err)
	}
	p := &Port{number: number, c4: c4, c6: c6, v4: ipv4.NewPacketConn(c4), v6: ipv6.NewPacketConn(c6)}
	if err := p.v4.SetControlMessage(ipv4.FlagDst, true); err != nil {
		p.Close()
		return nil, fmt.Errorf("learn local IPv4 addresses: %w", err)
	}
	if err := p.v6.SetControlMessage(ipv6.FlagDst, true); err != nil {
		p.Close()
		return nil, fmt.Errorf("learn local IPv6 addresses: %w", err)
	}
	return p, nil
}

// Close ends Serve.
func (p *Port) Close() error { return errors.Join(p.c4.Close(), p.c6.Close()) }

// SendIKE sends one message from local to remote.
func (p *Port) SendIKE(local, remote netip.AddrPort, msg []byte) error {
	to := net.UDPAddrFromAddrPort(remote)
	var err error
	if remote.Addr().Is4() {
		_, err = p.v4.WriteTo(msg, &ipv4.ControlMessage{Src: local.Addr().AsSlice()}, to)
	} else {
		_, err = p.v6.WriteTo(msg, &ipv6.ControlMessage{Src: local.Addr().AsSlice()}, to)
	}
	return err
}

// Serve hands every datagram to deliver until ctx ends. The bytes are valid
// only during the call.
func (p *Port) Serve(ctx context.Context, deliver func(local, remote netip.AddrPort, msg []byte)) error {
	stop := context.AfterFunc(ctx, func() { p.Close() })
	defer stop()
	done := make(chan error, 2)
	go func() {
		done <- p.receive(func(buf []byte) (int, net.IP, net.Addr, error) {
			n, cm, from, err := p.v4.ReadFrom(buf)
			if cm == nil {
				return n, nil, from, err
			}
			return n, cm.Dst, from, err
		}, deliver)
	}()
	go func() {
		done <- p.receive(func(buf []byte) (int, net.IP, net.Addr, error) {
			n, cm, from, err := p.v6.ReadFrom(buf)
			if cm == nil {
				return n, nil, from, err
			}
			return n, cm.Dst, from, err
		}, deliver)
	}()
	err := <-done
	p.Close()
	<-done
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("receive on UDP port %d: %w", p.number, err)
}

func (p *Port) receive(read func([]byte) (int, net.IP, net.Addr, error), deliver func(local, remote netip.AddrPort, msg []byte)) error {
	buf := make([]byte, maxDatagram)
	failed := 0
	for {
		n, dst, from, err := read(buf)
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			// An ICMP error of an earlier datagram surfaces here; it proves
			// nothing (RFC 7296 section 2.4) and must not end the loop. A
			// socket that only fails must.
			if failed++; failed > 1000 {
				return err
			}
			continue
		}
		failed = 0
		addr, ok := netip.AddrFromSlice(dst)
		udp, isUDP := from.(*net.UDPAddr)
		if !ok || !isUDP {
			continue
		}
		remote := udp.AddrPort()
		deliver(netip.AddrPortFrom(addr.Unmap(), p.number),
			netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()), buf[:n])
	}
}
