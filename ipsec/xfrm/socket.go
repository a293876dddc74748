package xfrm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

type addrPort = netip.AddrPort

// socket is UDP 4500 in both families: the kernel takes ESP out of it (RFC 3948)
// and leaves IKE.
type socket struct {
	port uint16
	c4   *net.UDPConn
	c6   *net.UDPConn
	v4   *ipv4.PacketConn
	v6   *ipv6.PacketConn
}

const (
	markerLen = 4
	keepalive = 0xff
	// maxMessage is the largest UDP payload.
	maxMessage = 65535
)

func openSocket(port uint16) (*socket, error) {
	listen := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		var err error
		ctlErr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_ENCAP, unix.UDP_ENCAP_ESPINUDP)
			if err == nil {
				err = Bypass(int(fd), network == "udp6")
			}
		})
		return errors.Join(ctlErr, err)
	}}
	s := &socket{port: port}
	for _, one := range []struct {
		network, address string
		into             **net.UDPConn
	}{{"udp4", fmt.Sprintf("0.0.0.0:%d", port), &s.c4}, {"udp6", fmt.Sprintf("[::]:%d", port), &s.c6}} {
		c, err := listen.ListenPacket(context.Background(), one.network, one.address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen on UDP port %d: %w", port, err), s.close())
		}
		*one.into = c.(*net.UDPConn)
	}
	s.v4, s.v6 = ipv4.NewPacketConn(s.c4), ipv6.NewPacketConn(s.c6)
	if err := errors.Join(s.v4.SetControlMessage(ipv4.FlagDst, true), s.v6.SetControlMessage(ipv6.FlagDst, true)); err != nil {
		return nil, errors.Join(fmt.Errorf("learn local addresses: %w", err), s.close())
	}
	return s, nil
}

// Bypass lets a socket send and receive past the SPD, which may say that all
// between this host and a peer is protected: IKE and ESP in UDP are what protects.
func Bypass(fd int, v6 bool) error {
	level, option, family := unix.IPPROTO_IP, unix.IP_XFRM_POLICY, uint16(unix.AF_INET)
	if v6 {
		level, option, family = unix.IPPROTO_IPV6, unix.IPV6_XFRM_POLICY, unix.AF_INET6
	}
	for _, direction := range []uint8{policyIn, policyOut} {
		w := writer{}
		w.zero(sizeSelector - 16)
		w.u16(family)
		w.zero(14)
		w.lifetime(sad.Bound{}, sad.Bound{})
		w.zero(32 + 8)
		w.u8(direction)
		w.u8(actionAllow)
		w.zero(sizePolicy - len(w.b))
		if err := unix.SetsockoptString(fd, level, option, string(w.b)); err != nil {
			return fmt.Errorf("let IKE past the policies: %w", err)
		}
	}
	return nil
}

func (s *socket) close() error {
	var errs []error
	for _, c := range []*net.UDPConn{s.c4, s.c6} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// run hands IKE messages out until the sockets close.
func (s *socket) run(ctx context.Context, ike func(local, remote addrPort, msg []byte)) error {
	tasks, _ := errgroup.WithContext(ctx)
	tasks.Go(func() error {
		return s.receive(ike, func(b []byte) (int, net.IP, net.Addr, error) {
			n, cm, from, err := s.v4.ReadFrom(b)
			if cm == nil {
				return n, nil, from, err
			}
			return n, cm.Dst, from, err
		})
	})
	tasks.Go(func() error {
		return s.receive(ike, func(b []byte) (int, net.IP, net.Addr, error) {
			n, cm, from, err := s.v6.ReadFrom(b)
			if cm == nil {
				return n, nil, from, err
			}
			return n, cm.Dst, from, err
		})
	})
	return tasks.Wait()
}

func (s *socket) receive(ike func(local, remote addrPort, msg []byte), read func([]byte) (int, net.IP, net.Addr, error)) error {
	b := make([]byte, maxMessage)
	for failed := 0; ; {
		n, to, from, err := read(b)
		if err != nil {
			if failed++; errors.Is(err, net.ErrClosed) || failed > 1000 {
				return err
			}
			continue
		}
		failed = 0
		local, ok := netip.AddrFromSlice(to)
		remote, isUDP := from.(*net.UDPAddr)
		if !ok || !isUDP || n < markerLen || b[0]|b[1]|b[2]|b[3] != 0 {
			continue // a keepalive, or ESP of no SA that the kernel left
		}
		peer := remote.AddrPort()
		ike(netip.AddrPortFrom(local.Unmap(), s.port), netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()), b[markerLen:n])
	}
}

// send sends from one of this host's addresses.
func (s *socket) send(local, remote addrPort, b []byte) error {
	to := net.UDPAddrFromAddrPort(remote)
	var err error
	if remote.Addr().Is4() {
		_, err = s.v4.WriteTo(b, &ipv4.ControlMessage{Src: local.Addr().AsSlice()}, to)
	} else {
		_, err = s.v6.WriteTo(b, &ipv6.ControlMessage{Src: local.Addr().AsSlice()}, to)
	}
	return err
}

// SendIKE sends an IKE message behind the non-ESP marker (RFC 3948 section
// 2.2).
func (p *Plane) SendIKE(local, remote netip.AddrPort, msg []byte) error {
	return p.socket.send(local, remote, append(make([]byte, markerLen, markerLen+len(msg)), msg...))
}

// SendKeepalive keeps a NAT's mapping alive (RFC 3948 section 2.3).
func (p *Plane) SendKeepalive(local, remote netip.AddrPort) error {
	return p.socket.send(local, remote, []byte{keepalive})
}
