package main

import (
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall"
	"gatehouse/web"
)

func flow(protocol uint8, source, destination string, bytes uint64) firewall.Connection {
	from, to := netip.MustParseAddrPort(source), netip.MustParseAddrPort(destination)
	return firewall.Connection{ID: uint32(bytes), Protocol: protocol, Source: from, Destination: to, Seen: from, Led: to, Sent: firewall.Volume{Bytes: bytes}}
}

func TestAConnectionIsToldByNames(t *testing.T) {
	g := watching(t)
	who := g.directory()
	forwarded := flow(6, "93.184.216.34:5000", "203.0.113.2:80", 1)
	forwarded.Led = netip.MustParseAddrPort("10.1.0.20:8080")
	hidden := flow(6, "10.1.0.20:5000", "93.184.216.34:443", 1)
	hidden.Seen = netip.MustParseAddrPort("203.0.113.2:5000")
	for _, row := range []struct {
		name string
		c    firewall.Connection
		want string // both ends, where it is led to, what decides
	}{
		{"to the internet", hidden, "10.1.0.20:5000 (printer, lan) > 93.184.216.34:443 (wan) > - allow "},
		{"a rule denies it now", flow(6, "10.1.0.9:5000", "93.184.216.34:25", 1), "10.1.0.9:5000 (lan) > 93.184.216.34:25 (wan) > - reject no-mail-from-office"},
		{"led inside", forwarded, "93.184.216.34:5000 (wan) > 203.0.113.2:80 (hq (internet), gateway) > 10.1.0.20:8080 (printer, lan) drop "},
		{"from a branch", flow(17, "[fd00:2::9]:5000", "[fd00:1::20]:53", 1), "[fd00:2::9]:5000 (vpn, leeds) > [fd00:1::20]:53 (web, lan) > - allow "},
	} {
		c, led := who.connection(row.c), "-"
		if c.Led != nil {
			led = partyText(*c.Led)
		}
		if got := partyText(c.From) + " > " + partyText(c.To) + " > " + led + " " + c.Action + " " + c.Rule; got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	for _, row := range []struct {
		filter web.ConnectionFilter
		want   bool
	}{
		{web.ConnectionFilter{}, true}, {web.ConnectionFilter{Host: "printer"}, true}, {web.ConnectionFilter{Host: "web"}, false},
		{web.ConnectionFilter{Zone: "lan"}, true}, {web.ConnectionFilter{Zone: "vpn"}, false}, {web.ConnectionFilter{ID: connectionID(forwarded)}, true},
		{web.ConnectionFilter{ID: connectionID(hidden)}, false}, {web.ConnectionFilter{Port: 8080}, true},
		{web.ConnectionFilter{Network: netip.MustParsePrefix("10.1.0.20/32")}, true},
	} {
		if got := who.matching(row.filter)(forwarded); got != row.want {
			t.Errorf("%+v matches: %v", row.filter, got)
		}
	}
}

// Of fifty thousand the page's hundred are found with memory for twice as many
// as were asked for.
func TestTheLargestOfManyConnectionsAreFound(t *testing.T) {
	const many = 50_000
	var all []firewall.Connection
	for i := range uint64(many) {
		c := flow(6, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 4000).String(), "93.184.216.34:443", (i*7919)%many)
		c.Began = time.Unix(int64(i*104729%many), 0)
		all = append(all, c)
	}
	for order, want := range map[web.Ordering]func(i int, c firewall.Connection) bool{
		web.ByVolume: func(i int, c firewall.Connection) bool { return c.Sent.Bytes == uint64(many-1-i) },
		web.ByStart:  func(i int, c firewall.Connection) bool { return c.Began.Unix() == int64(many-1-i) },
		web.ByAge:    func(i int, c firewall.Connection) bool { return c.Began.Unix() == int64(i) },
	} {
		r := &ranking{order: order, keep: 300}
		most := 0
		for _, c := range all {
			r.add(c)
			most = max(most, cap(r.some))
		}
		got := r.sorted()
		if len(got) != 300 || most > 2000 {
			t.Errorf("%s: %d of %d kept", order, len(got), most)
		}
		for i, c := range got {
			if !want(i, c) {
				t.Fatalf("%s: number %d is %+v", order, i, c)
			}
		}
	}
}

func TestTalkersHaveNames(t *testing.T) {
	g := watching(t)
	g.seen.talkers.Looked(time.Now())
	g.seen.talkers.Ended(carried(flow(6, "10.1.0.20:5000", "93.184.216.34:443", 1000)), time.Now())
	forwarded := flow(6, "93.184.216.34:5000", "203.0.113.2:80", 70)
	forwarded.Led = netip.MustParseAddrPort("10.1.0.9:8080")
	g.seen.talkers.Ended(carried(forwarded), time.Now())
	g.seen.talkers.Ended(carried(flow(17, "203.0.113.2:5000", "93.184.216.34:443", 500)), time.Now())
	got := g.Talkers(time.Hour, 10)
	want := []string{"10.1.0.20 (printer, lan)", "10.1.0.9 (lan)"}
	if !slices.EqualFunc(got.Hosts, want, func(t web.Talker, text string) bool { return partyText(t.Party) == text }) ||
		got.Hosts[0].Sent != 1000 || got.Hosts[1].Received != 70 {
		t.Errorf("%+v", got)
	}
	var out strings.Builder
	if err := printConnections(&out, flowsPart{Connections: []web.Connection{g.directory().connection(forwarded)}, Total: 7}, time.Now()); err != nil ||
		!strings.Contains(out.String(), "led to 10.1.0.9:8080 (lan)") || !strings.Contains(out.String(), "1 of 7") {
		t.Errorf("%v %s", err, out.String())
	}
}

// BenchmarkShow50000Connections is what one page costs beside reading the table.
func BenchmarkShow50000Connections(b *testing.B) {
	g := watching(b)
	c := flow(6, "10.1.0.20:5000", "93.184.216.34:443", 1000)
	for name, f := range map[string]web.ConnectionFilter{"all": {}, "host": {Host: "printer"}, "network": {Network: netip.MustParsePrefix("10.1.0.0/24")}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				best, match := &ranking{order: web.ByVolume, keep: 100}, g.directory().matching(f)
				for i := range uint64(50_000) {
					c.Sent.Bytes = i * 7919 % 50_000
					if match(c) {
						best.add(c)
					}
				}
				runtime.KeepAlive(best.sorted())
			}
		})
	}
}
