//go:build guest

package firewall

import (
	"net"
	"slices"
	"testing"
	"time"
)

// TestMeasureTheFastPath says what a packet of an established connection costs
// from the sender's call to the receiver's queue. It is meant for a guest whose
// clock counts instructions, so a nanosecond is one.
func TestMeasureTheFastPath(t *testing.T) {
	o := newSmallOffice(t)
	modes := []struct {
		name string
		set  func()
	}{
		{"no rules at all", func() { o.gateway.sh("nft delete table inet gatehouse") }},
		{"rules", func() { o.apply(o.policy()) }},
		{"rules and fast path", func() { o.apply(o.fast()) }},
	}
	for _, ip := range []struct{ name, from, to string }{{"IPv4", lanHost4, wanHost4}, {"IPv6", lanHost6, wanHost6}} {
		costs := map[string][]time.Duration{}
		for range 3 {
			for _, m := range modes {
				m.set()
				costs[m.name] = append(costs[m.name], o.costOfAPacket(ip.from, ip.to, m.name == "rules and fast path"))
			}
		}
		for _, m := range modes {
			slices.Sort(costs[m.name])
			t.Logf("%s, %s: %d instructions for a packet (%d to %d)", ip.name, m.name,
				costs[m.name][1].Nanoseconds(), costs[m.name][0].Nanoseconds(), costs[m.name][2].Nanoseconds())
		}
	}
}

// costOfAPacket sends some that fit into the receiver's buffer, after both ends
// have talked.
func (o *smallOffice) costOfAPacket(from, to string, fast bool) time.Duration {
	o.t.Helper()
	var server, client *net.UDPConn
	var err error
	o.wan.do(func() { server, err = net.ListenUDP("udp", udpAddr(to, 5001)) })
	if err != nil {
		o.t.Fatal(err)
	}
	defer server.Close()
	o.lan.do(func() { client, err = net.DialUDP("udp", udpAddr(from, 0), udpAddr(to, 5001)) })
	if err != nil {
		o.t.Fatal(err)
	}
	defer client.Close()
	const burst, bursts, size = 100, 5, 64
	packet := make([]byte, size)
	read := func(c *net.UDPConn) {
		c.SetReadDeadline(time.Now().Add(patience))
		if _, addr, err := c.ReadFromUDPAddrPort(make([]byte, size)); err != nil {
			o.t.Fatal(err)
		} else if c == server {
			if _, err := c.WriteToUDPAddrPort(packet, addr); err != nil {
				o.t.Fatal(err)
			}
		}
	}
	for range 3 {
		if _, err := client.Write(packet); err != nil {
			o.t.Fatal(err)
		}
		read(server)
		read(client)
	}
	var took time.Duration
	for range bursts {
		began := time.Now()
		for range burst {
			if _, err := client.Write(packet); err != nil {
				o.t.Fatal(err)
			}
		}
		took += time.Since(began)
		for range burst {
			server.SetReadDeadline(time.Now().Add(patience))
			if _, _, err := server.ReadFromUDPAddrPort(packet); err != nil {
				o.t.Fatal(err)
			}
		}
	}
	if fast && !o.offloaded(to, 5001) {
		o.t.Error("not on the fast path")
	}
	return took / (burst * bursts)
}
