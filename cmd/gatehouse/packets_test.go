package main

import (
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall"
	"gatehouse/store"
	"gatehouse/web"
)

// watching is a gateway that knows who is who in office.json.
func watching(t testing.TB) *gateway {
	t.Helper()
	doc := office(t)
	doc.Reservations = []store.Reservation{{Name: "printer", MAC: "02:00:5e:10:00:01", Address: netip.MustParseAddr("10.1.0.20")}}
	doc.Hosts = []store.Host{{Name: "web", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.20"), netip.MustParseAddr("fd00:1::20")}}}
	devices := []store.Device{{Name: "phone", User: "alice", Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.5")}}}
	d, err := compile(doc, world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	who, err := newDirectory(doc, devices, &d.firewall, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{log: slog.New(slog.NewTextHandler(io.Discard, nil)), doc: doc, revision: 1}
	g.watch()
	g.seen.who.Store(who)
	return g
}

func TestAPacketIsToldByNames(t *testing.T) {
	g := watching(t)
	who := g.directory()
	wan, lan := "", ""
	for device, zone := range who.zones {
		switch zone {
		case firewall.ZoneWAN:
			wan = device
		case firewall.ZoneLAN:
			lan = device
		}
	}
	for _, row := range []struct {
		name           string
		in, out        string
		src, dst       string
		from, to       string // name, zone, branch
		protocol, said string
	}{
		{"from the internet to the gateway", wan, "", "192.0.2.77", whose(who, "hq (internet)"), ", wan, ", "hq (internet), gateway, ", "tcp", ""},
		{"a source of ours from outside is where it came in", wan, "", "10.1.0.20", "10.1.0.7", "printer, wan, ", ", lan, ", "tcp", ""},
		{"the first name of an address is its name", lan, wan, "fd00:1::20", "2001:db8:9::1", "web, lan, ", ", wan, ", "tcp", ""},
		{"behind a tunnel", tunnelDevice, lan, "10.2.0.9", "10.1.0.20", ", vpn, leeds", "printer, lan, ", "tcp", ""},
		{"a device of a user", tunnelDevice, lan, "10.9.0.5", "10.1.0.20", "phone (alice), wan, ", "printer, lan, ", "tcp", ""},
	} {
		g.dropped(firewall.Dropped{Rule: "r", Action: "drop", InDevice: row.in, OutDevice: row.out, Protocol: 6,
			Src: netip.MustParseAddr(row.src), Dst: netip.MustParseAddr(row.dst)})
		found, _ := g.Packets(web.PacketFilter{}, 0, 1)
		text := func(p web.Party) string { return p.Name + ", " + p.Zone + ", " + p.Branch }
		if p := found[0]; text(p.From) != row.from || text(p.To) != row.to || p.Protocol != row.protocol {
			t.Errorf("%s: from %q to %q by %s", row.name, text(p.From), text(p.To), p.Protocol)
		}
	}
	// Half a packet, and one by a device that is gone, are no harm.
	g.dropped(firewall.Dropped{Rule: "r", InDevice: "#9"})
	if found, _ := g.Packets(web.PacketFilter{}, 0, 1); found[0].From.Where() != "?" {
		t.Errorf("%+v", found[0])
	}
}

// whose finds the address of a name.
func whose(d *directory, name string) string {
	for a, n := range d.names {
		if n == name && a.Is4() {
			return a.String()
		}
	}
	return name + " is not there"
}

// A flood over many rules at once has a bounded number of lines and a bounded
// memory, and what has no line is counted.
func TestAFloodOfReportsStaysBounded(t *testing.T) {
	g := watching(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	packet := firewall.Dropped{Time: time.Now(), Action: "drop", InDevice: "eth0",
		Src: netip.MustParseAddr("192.0.2.77"), Dst: netip.MustParseAddr("203.0.113.2"), Protocol: 17, DstPort: 9}
	const flood = 200_000
	began := time.Now()
	for i := range flood {
		packet.Rule = []string{"spoof-wan", "wan-default", "no-mail-from-office"}[i%3]
		g.dropped(packet)
	}
	seconds := int(time.Since(began)/time.Second) + 1
	var lines uint64
	for n := range maps.Values(g.seen.reported) {
		lines += n
	}
	if lines < packetsASecond || lines > uint64(packetsASecond*(seconds+1)) {
		t.Errorf("%d lines in %d seconds", lines, seconds)
	}
	// However long it goes on.
	for range 3 * packetsKept {
		g.seen.second = time.Time{}
		g.dropped(packet)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the log takes %d bytes", grown)
	}
	all, more := g.Packets(web.PacketFilter{}, 0, 2*packetsKept)
	if len(all) != packetsKept || more {
		t.Errorf("%d lines are kept", len(all))
	}
	runtime.KeepAlive(g)
}

func TestWhatIsNotInTheLogIsCounted(t *testing.T) {
	g := watching(t)
	reports := g.directory().reporting()
	for rule, want := range map[string]bool{"spoof-wan": true, "wan-default": true, "no-mail-from-office": true, "admin-access": false, "allowed-lan-wan": false} {
		if reports(rule) != want {
			t.Errorf("%s reports: %v", rule, !want)
		}
	}
	policy := firewall.Policy{
		Rules:    []firewall.Rule{{ID: "quiet", Action: firewall.Allow}, {ID: "loud", Action: firewall.Allow, Log: true}, {ID: "no", Action: firewall.Reject}},
		Forwards: []firewall.Forward{{ID: "door"}, {ID: "seen", Log: true}},
	}
	reports = (&directory{policy: &policy}).reporting()
	for rule, want := range map[string]bool{"quiet": false, "loud": true, "no": true, "door": false, "seen": true} {
		if reports(rule) != want {
			t.Errorf("%s reports: %v", rule, !want)
		}
	}
	got := missing([]firewall.Counter{{Rule: "a", Packets: 100}, {Rule: "b", Packets: 60}, {Rule: "c", Packets: 9}, {Rule: "new", Packets: 4}},
		map[string]uint64{"a": 10, "b": 50, "c": 0}, map[string]uint64{"a": 40, "b": 10, "c": 10})
	if len(got) != 1 || got["a"] != 50 {
		t.Errorf("%v", got)
	}
}

func TestALogLineNamesBothSides(t *testing.T) {
	p := web.Packet{Time: time.Date(2026, 11, 25, 9, 0, 0, 0, time.Local), Rule: "no-mail", Action: "reject", Protocol: "tcp",
		From: web.Party{Address: netip.MustParseAddr("10.1.0.7"), Port: 40000, Name: "alice-pc", Zone: "lan"},
		To:   web.Party{Address: netip.MustParseAddr("2001:db8::25"), Port: 25}}
	if got := logLine(p); got != "2026-11-25 09:00:00 reject tcp 10.1.0.7:40000 (alice-pc, lan) > [2001:db8::25]:25 no-mail" {
		t.Error(got)
	}
	if err := flagged(store.ValidationError{{Field: "port", Message: "No."}}); !strings.HasPrefix(err.Error(), "--port: ") {
		t.Error(err)
	}
}
