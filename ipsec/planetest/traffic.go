package planetest

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// transferTime is far more than a transfer takes on a busy machine.
const transferTime = time.Minute

// Targets are the addresses of the second host that a link protects.
func (l Link) Targets(hosts [2]*Host) []netip.Addr {
	if l.HostToHost() {
		return []netip.Addr{hosts[1].Outer(l.Outer6)}
	}
	var out []netip.Addr
	for _, p := range hosts[1].Inner {
		out = append(out, p.Addr())
	}
	return out
}

// Carry shows that real traffic passes: pings, and n bytes of TCP whole.
func (l Link) Carry(t testing.TB, hosts [2]*Host, n int) {
	t.Helper()
	l.Ping(t, hosts)
	for _, to := range l.Targets(hosts) {
		Transfer(t, hosts, to, n)
	}
}

// Ping shows that the hosts reach one another.
func (l Link) Ping(t testing.TB, hosts [2]*Host) {
	t.Helper()
	for _, to := range l.Targets(hosts) {
		hosts[0].Run(t, "ping", "-q", "-c", "3", "-i", "0.05", "-W", "5", to.String())
	}
}

// Transfer sends n patterned bytes by TCP from the first host to the second.
func Transfer(t testing.TB, hosts [2]*Host, to netip.Addr, n int) {
	t.Helper()
	var l net.Listener
	hosts[1].Inside(t, func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(to, 0).String())
		return err
	})
	defer l.Close()
	want := bytes.Repeat([]byte("0123456789abcdef"), n/16)
	var c net.Conn
	hosts[0].Inside(t, func() (err error) {
		c, err = net.DialTimeout("tcp", l.Addr().String(), transferTime)
		return err
	})
	c.SetDeadline(time.Now().Add(transferTime))
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(want)
		c.Close()
		sent <- err
	}()
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	peer.SetReadDeadline(time.Now().Add(transferTime))
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d arrived whole, %v", len(got), n, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
