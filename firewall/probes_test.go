package firewall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// probe is one kind of traffic while policies change. Wrong are those that were
// lost although they are allowed, or that arrived although they are not.
type probe struct {
	name        string
	sent, wrong atomic.Int64
}

// Every allowed probe is answered before the next is sent, so that one that is
// missing was not merely lost in a queue.
func TestNoPacketIsDecidedWrongWhilePoliciesAreApplied(t *testing.T) {
	o := newSmallOffice(t)
	policies := o.probed()
	o.apply(policies[0])
	ctx, stop := context.WithCancel(context.Background())
	var all []*probe
	var running sync.WaitGroup
	start := func(name string, run func(p *probe)) {
		p := &probe{name: name}
		all = append(all, p)
		running.Go(func() {
			for ctx.Err() == nil {
				run(p)
			}
		})
	}
	for _, v6 := range []bool{false, true} {
		inside, outside, version := lanHost4, wanHost4, "IPv4"
		if v6 {
			inside, outside, version = lanHost6, wanHost6, "IPv6"
		}
		o.echo(o.wan, outside, allowedUDP, allowedTCP)
		start("UDP "+version+", each datagram a new connection, there and back", func(p *probe) {
			c := o.udp(o.lan, inside, outside, allowedUDP)
			defer c.Close()
			p.exchange(c)
		})
		known := o.udp(o.lan, inside, outside, allowedUDP)
		t.Cleanup(func() { known.Close() })
		start("UDP "+version+" of a known connection, there and back", func(p *probe) { p.exchange(known) })
		start("TCP "+version+", each a new connection", func(p *probe) {
			c, err := o.tcp(o.lan, inside, outside, allowedTCP, 10*time.Second)
			if err != nil {
				p.sent.Add(1)
				p.wrong.Add(1)
				return
			}
			defer c.Close()
			p.exchange(c)
		})
		start("forbidden UDP "+version+" from inside", o.mustNotArrive(o.lan, inside, o.wan, outside, forbiddenUDP, forbiddenTCP))
		start("forbidden "+version+" from outside", o.mustNotArrive(o.wan, outside, o.lan, inside, allowedUDP, allowedTCP))
	}
	const applies = 12
	for i := range applies {
		o.apply(policies[(i+1)%len(policies)])
	}
	stop()
	running.Wait()
	for _, p := range all {
		t.Logf("%s: %d sent during %d applies, %d wrong", p.name, p.sent.Load(), applies, p.wrong.Load())
		if p.wrong.Load() != 0 || p.sent.Load() < applies {
			t.Errorf("%s: %d of %d wrong", p.name, p.wrong.Load(), p.sent.Load())
		}
	}
}

// exchange sends a byte and waits for it to come back.
func (p *probe) exchange(c net.Conn) {
	p.sent.Add(1)
	b := []byte{1}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(b); err != nil {
		p.wrong.Add(1)
		return
	}
	if _, err := c.Read(b); err != nil {
		p.wrong.Add(1)
	}
}

func (o *smallOffice) udp(from *space, src, dst string, port int) (c *net.UDPConn) {
	var err error
	from.do(func() { c, err = net.DialUDP("udp", udpAddr(src, 0), udpAddr(dst, port)) })
	if err != nil {
		o.t.Error(err)
	}
	return c
}

func (o *smallOffice) tcp(from *space, src, dst string, port int, patience time.Duration) (c net.Conn, err error) {
	from.do(func() {
		d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(src)}}
		c, err = d.Dial("tcp", net.JoinHostPort(dst, fmt.Sprint(port)))
	})
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0) // thousands of them: none waits for its port
	}
	return c, err
}

// listen opens both ports of a host.
func (o *smallOffice) listen(at *space, address string, udpPort, tcpPort int) (*net.UDPConn, net.Listener) {
	o.t.Helper()
	var u *net.UDPConn
	var l net.Listener
	var err error
	at.do(func() {
		if u, err = net.ListenUDP("udp", udpAddr(address, udpPort)); err == nil {
			l, err = net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(tcpPort)))
		}
	})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { u.Close(); l.Close() })
	return u, l
}

// echo answers every datagram and connection.
func (o *smallOffice) echo(at *space, address string, udpPort, tcpPort int) {
	u, l := o.listen(at, address, udpPort, tcpPort)
	go func() {
		b := make([]byte, 16)
		for {
			n, from, err := u.ReadFromUDPAddrPort(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				u.WriteToUDPAddrPort(b[:n], from)
			}
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
}

// mustNotArrive gives a probe that sends a datagram and a SYN; what arrives is
// wrong.
func (o *smallOffice) mustNotArrive(from *space, src string, to *space, dst string, udpPort, tcpPort int) func(*probe) {
	u, l := o.listen(to, dst, udpPort, tcpPort)
	var arrived atomic.Int64
	go func() {
		for {
			if _, err := u.Read(make([]byte, 16)); err != nil {
				return
			}
			arrived.Add(1)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			arrived.Add(1)
			c.Close()
		}
	}()
	return func(p *probe) {
		c := o.udp(from, src, dst, udpPort)
		c.Write([]byte{1})
		c.Close()
		if tcp, err := o.tcp(from, src, dst, tcpPort, 2*time.Millisecond); err == nil {
			tcp.Close()
			p.wrong.Add(1)
		}
		p.sent.Add(2)
		p.wrong.Add(arrived.Swap(0))
	}
}
