package firewall

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"
)

// counting is a small office whose kernel counts what connections carry, as
// package network sets it.
func counting(t *testing.T) *smallOffice {
	t.Helper()
	o := newSmallOffice(t)
	o.gateway.sh("cd /proc/sys/net/netfilter; echo 1 > nf_conntrack_acct; echo 1 > nf_conntrack_timestamp; echo 0 > nf_conntrack_tcp_loose")
	return o
}

func (o *smallOffice) connections() (all []Connection) {
	o.t.Helper()
	var err error
	o.gateway.do(func() {
		err = Connections(context.Background(), func(c Connection) bool { all = append(all, c); return true })
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return all
}

// open gives a connection and the gateway's view of it.
func (o *smallOffice) open(from *space, src, target string, to *space, listen string) (client, server *net.TCPConn, seen Connection) {
	o.t.Helper()
	client, server, err := o.connectionTo(from, src, target, to, listen)
	if err != nil {
		o.t.Fatal(err)
	}
	ours := netip.MustParseAddrPort(client.LocalAddr().String())
	for _, c := range o.connections() {
		if c.Source == ours && c.Protocol == 6 {
			return client, server, c
		}
	}
	o.t.Fatalf("no connection from %s", ours)
	return
}

func TestConnectionsSayWhoTalksToWhom(t *testing.T) {
	o := counting(t)
	o.apply(o.named())
	began := time.Now()
	for _, row := range []struct {
		name           string
		from           *space
		src, target    string
		to             *space
		listen         string
		seen, led      string // addresses
		translatedDest bool
	}{
		{"masqueraded", o.lan, lanHost4, at(wanHost4, 80), o.wan, at(wanHost4, 80), gatewayWAN4, wanHost4, false},
		{"IPv6 as it is", o.lan, lanHost6, at(wanHost6, 80), o.wan, at(wanHost6, 80), lanHost6, wanHost6, false},
		{"by a forward", o.wan, wanHost4, at(gatewayWAN4, 80), o.lan, at(lanHost4, 8080), wanHost4, lanHost4, true},
		{"by a forward over IPv6", o.wan, wanHost6, at(gatewayWAN6, 80), o.lan, at(lanHost6, 8080), wanHost6, lanHost6, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			client, server, c := o.open(row.from, row.src, row.target, row.to, row.listen)
			if c.Source.Addr().String() != row.src || c.Destination.String() != row.target || c.Seen.Addr().String() != row.seen ||
				c.Led.Addr().String() != row.led || c.Asked().Translated != row.translatedDest || !c.Answered {
				t.Errorf("%+v", c)
			}
			if c.Began.Before(began.Add(-time.Second)) || c.Began.After(time.Now().Add(time.Second)) {
				t.Errorf("it began at %s", c.Began)
			}
			const sent = 100_000
			go client.Write(make([]byte, sent))
			for got := 0; got < sent; {
				n, err := server.Read(make([]byte, sent))
				if err != nil {
					t.Fatal(err)
				}
				got += n
			}
			for _, after := range o.connections() {
				if after.Source != c.Source || after.Protocol != 6 {
					continue
				}
				if grown := after.Sent.Bytes - c.Sent.Bytes; grown < sent || grown > 2*sent || after.Received.Bytes > sent/2 {
					t.Errorf("it sent %d bytes and received %d", grown, after.Received.Bytes)
				}
			}
		})
	}
}

func TestAConnectionThatWasEndedStaysSo(t *testing.T) {
	o := counting(t)
	type pair struct{ client, server *net.TCPConn }
	var ended, kept []pair
	victims := map[netip.AddrPort]bool{}
	for _, ends := range [][2]string{{lanHost4, wanHost4}, {lanHost6, wanHost6}} {
		for i := range 2 {
			target := at(ends[1], 80+i)
			client, server, c := o.open(o.lan, ends[0], target, o.wan, target)
			if err := talks(client, server); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				victims[c.Source] = true
				ended = append(ended, pair{client, server})
			} else {
				kept = append(kept, pair{client, server})
			}
		}
	}
	var n int
	var err error
	end := func() {
		o.gateway.do(func() {
			n, err = EndConnections(context.Background(), func(c Connection) bool { return victims[c.Source] })
		})
	}
	if end(); n != 2 || err != nil {
		t.Errorf("%d were ended: %v", n, err)
	}
	for _, p := range ended {
		// Neither end gets through, though the rules would let a new one pass.
		if err := talks(p.client, p.server); err == nil {
			t.Error("an ended connection goes on")
		}
		if err := talks(p.server, p.client); err == nil {
			t.Error("an ended connection goes on from the other end")
		}
	}
	for _, p := range kept {
		if err := talks(p.client, p.server); err != nil {
			t.Errorf("another one was ended: %v", err)
		}
	}
	for _, ends := range [][2]string{{lanHost4, wanHost4}, {lanHost6, wanHost6}} {
		target := at(ends[1], 90)
		if client, server, _ := o.open(o.lan, ends[0], target, o.wan, target); talks(client, server) != nil {
			t.Error("a new one does not talk")
		}
	}
	if end(); n != 0 || err != nil {
		t.Errorf("%d were ended again: %v", n, err)
	}
}

// A connection that lives shorter than any look at the table is told when it
// ends, with what it carried.
func TestShortConnectionsAreTold(t *testing.T) {
	o := counting(t)
	ctx, cancel := context.WithCancel(context.Background())
	seen := make(chan Connection, 1024)
	done := make(chan error, 1)
	go o.gateway.do(func() { done <- WatchEnded(ctx, quiet(), func(c Connection) { seen <- c }) })
	for _, ends := range [][2]string{{lanHost4, wanHost4}, {lanHost6, wanHost6}} {
		told := false
		// Nothing says that the watcher listens but what it tells.
		for end := time.Now().Add(10 * time.Second); !told && time.Now().Before(end); {
			target := at(ends[1], 80)
			client, server, c := o.open(o.lan, ends[0], target, o.wan, target)
			if err := talks(client, server); err != nil {
				t.Fatal(err)
			}
			o.gateway.do(func() {
				if _, err := EndConnections(ctx, func(other Connection) bool { return other.Source == c.Source }); err != nil {
					t.Error(err)
				}
			})
			for more := true; more && !told; {
				select {
				case got := <-seen:
					told = got.Source == c.Source && got.Destination == c.Destination && got.ID == c.ID
					if told && (got.Sent.Packets < 3 || got.Received.Bytes == 0 || got.Began.IsZero()) {
						t.Errorf("%+v", got)
					}
				case <-time.After(patience):
					more = false
				}
			}
		}
		if !told {
			t.Errorf("nothing was told of the connection to %s", ends[1])
		}
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("WatchEnded did not end with its context")
	}
}

// Fifty thousand connections are read one at a time.
func TestManyConnectionsAreReadOneAtATime(t *testing.T) {
	o := counting(t)
	const many = 50_000
	o.gateway.sh(`python3 - <<'END'
import socket, struct
NETLINK_NETFILTER, CT_NEW = 12, 0x100
def attr(kind, data): return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) %% 4)
def tuples(src, dst, sport, dport):
    ip = attr(1 | 0x8000, attr(1, src) + attr(2, dst))
    return ip + attr(2 | 0x8000, attr(1, b"\x11") + attr(2, struct.pack("!H", sport)) + attr(3, struct.pack("!H", dport)))
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
batch = b""
for i in range(%d):
    a, b = socket.inet_aton("10.1.%%d.%%d" %% (i >> 8 & 255, i & 255)), socket.inet_aton("192.0.2.1")
    port = 1024 + (i >> 16)
    body = struct.pack("=BBH", 2, 0, 0) + attr(1 | 0x8000, tuples(a, b, port, 53)) + attr(2 | 0x8000, tuples(b, a, 53, port)) + attr(7, struct.pack("!I", 600))
    batch += struct.pack("=IHHII", 16 + len(body), CT_NEW, 0x1 | 0x400 | 0x200, i, 0) + body
    if len(batch) > 16000: s.send(batch); batch = b""
if batch: s.send(batch)
END`, many)
	seen := map[netip.AddrPort]bool{}
	var err error
	o.gateway.do(func() {
		err = Connections(context.Background(), func(c Connection) bool { seen[c.Source] = true; return true })
	})
	if err != nil || len(seen) < many {
		t.Fatalf("%d connections, %v", len(seen), err)
	}
	// Who has seen enough is not kept.
	n := 0
	o.gateway.do(func() {
		err = Connections(context.Background(), func(Connection) bool { n++; return n < 10 })
	})
	if err != nil || n != 10 {
		t.Errorf("%d, %v", n, err)
	}
	began := time.Now()
	o.gateway.do(func() {
		n, err = EndConnections(context.Background(), func(c Connection) bool { return c.Destination.Port() == 53 })
	})
	if err != nil || n < many*99/100 {
		t.Errorf("%d were ended: %v", n, err)
	}
	t.Logf("%d connections ended in %s", n, time.Since(began).Round(time.Millisecond))
}
