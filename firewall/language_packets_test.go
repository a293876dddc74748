package firewall

import (
	"net/netip"
	"testing"
	"time"
)

// flow is a UDP connection to port 5000, or what change makes of it.
func flow(from, to string, change ...func(*Flow)) Flow {
	f := Flow{Source: netip.MustParseAddr(from), Destination: netip.MustParseAddr(to), Protocol: 17, Port: 5000}
	for _, c := range change {
		c(&f)
	}
	return f
}

func mac(last byte) func(*Flow)    { return func(f *Flow) { f.MAC = MAC{2, 0, 0, 0, 0, last} } }
func dscp(point uint8) func(*Flow) { return func(f *Flow) { f.DSCP = point } }
func over(protocol uint8) func(*Flow) {
	return func(f *Flow) { f.Protocol, f.Port = protocol, 0 }
}
func tcp(port uint16) func(*Flow) { return func(f *Flow) { f.Protocol, f.Port = 6, port } }
func icmp(kind, code uint8) func(*Flow) {
	return func(f *Flow) {
		f.Protocol, f.Port, f.ICMPType, f.ICMPCode = uint8(icmpOf(familyOf(f.Source))), 0, kind, code
	}
}

// around are spans from so long before now to so long after.
func around(now time.Time, before, after time.Duration) (out []TimeSpan) {
	now = now.UTC()
	for from, to := now.Add(-before), now.Add(after); !from.After(to); {
		midnight := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, time.UTC)
		span := TimeSpan{from.Weekday(), int(from.Sub(midnight) / time.Second), lastSecond}
		if tomorrow := midnight.AddDate(0, 0, 1); tomorrow.After(to) {
			span.To = int(to.Sub(midnight) / time.Second)
			from = to.Add(time.Second)
		} else {
			from = tomorrow
		}
		out = append(out, span)
	}
	return out
}

// TestWhatRulesMatch has for each match the packet that it lets through and one
// that it does not; the decider must say the same.
func TestWhatRulesMatch(t *testing.T) {
	o := newWiredOffice(t)
	now := time.Now()
	p := o.policy()
	web := netip.MustParseAddr(wanHost4)
	p.Rules = []Rule{
		{ID: "one-host", From: ZoneLAN, To: ZoneWAN, SourceMACs: []MAC{{2, 0, 0, 0, 0, 1}}, Action: Allow},
		{ID: "two-hosts", From: "guest", To: ZoneGateway, SourceMACs: []MAC{{2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}}, Action: Allow},
		{ID: "voice", From: ZoneLAN, To: "guest", DSCP: []uint8{46, 10, 11}, Action: Allow},
		{ID: "voice-out", From: "guest", To: ZoneWAN, Destinations: []netip.Prefix{single(web), prefixes(wanHost6 + "/128")[0]}, DSCP: []uint8{63}, Action: Allow},
		{ID: "now", From: ZoneWAN, To: "guest", Protocol: TCP, Times: around(now, time.Hour, time.Hour), Action: Allow},
		{ID: "not-now", From: ZoneWAN, To: "guest", Protocol: UDP, Times: around(now, -time.Hour, 24*time.Hour), Action: Allow},
		{ID: "numbers", From: ZoneWAN, To: ZoneLAN, Action: Allow, Services: []Service{{Protocol: OtherProtocol, Numbers: []NumberRange{{90, 99}, {200, 200}}}, {Protocol: OtherProtocol, Numbers: []NumberRange{{6, 7}}}}},
		{ID: "messages", From: ZoneWAN, To: ZoneLAN, Action: Allow, Services: []Service{{Protocol: ICMP, Messages: []Message{
			{Type: 13, Code: 0}, {Type: 8, Code: 1}, {V6: true, Type: 128, Code: AnyCode}, {V6: true, Type: 144, Code: AnyCode}}}}},
		{ID: "ping", From: "guest", To: ZoneLAN, Action: Allow, Services: []Service{{Protocol: ICMP, Messages: []Message{{Type: 8, Code: AnyCode}}}}},
	}
	o.apply(p)
	d, err := NewDecider(p)
	if err != nil {
		t.Fatal(err)
	}
	const guest4, guest6 = "10.9.0.2", "fd00:9::2"
	for _, row := range []struct {
		name   string
		flow   Flow
		passes bool
		by     string
	}{
		{"the host with the address", flow(lanHost4, wanHost4, mac(1)), true, "one-host"},
		{"the host with the address over IPv6", flow(lanHost6, wanHost6, mac(1)), true, "one-host"},
		{"a host with another", flow(lanHost4, wanHost4, mac(2)), false, "forward-default"},
		{"a host with another over IPv6", flow(lanHost6, wanHost6, mac(2)), false, "forward-default"},
		{"the second of two", flow(guest4, "10.9.0.1", mac(3)), true, "two-hosts"},
		{"the first of two over IPv6", flow(guest6, "fd00:9::1", mac(2)), true, "two-hosts"},
		{"a third host", flow(guest4, "10.9.0.1", mac(1)), false, "input-default"},
		{"a third host over IPv6", flow(guest6, "fd00:9::1", mac(4)), false, "input-default"},

		{"the class of a call", flow(lanHost4, guest4, dscp(46)), true, "voice"},
		{"the class of a call over IPv6", flow(lanHost6, guest6, dscp(46)), true, "voice"},
		{"the last class of a run", flow(lanHost4, guest4, dscp(11)), true, "voice"},
		{"the first class of a run over IPv6", flow(lanHost6, guest6, dscp(10)), true, "voice"},
		{"the class behind a run", flow(lanHost4, guest4, dscp(12)), false, "forward-default"},
		{"the class before a run over IPv6", flow(lanHost6, guest6, dscp(9)), false, "forward-default"},
		{"no class", flow(lanHost4, guest4), false, "forward-default"},
		{"a class to an address", flow(guest4, wanHost4, dscp(63)), true, "voice-out"},
		{"a class to an address over IPv6", flow(guest6, wanHost6, dscp(63)), true, "voice-out"},
		{"another class to it", flow(guest6, wanHost6, dscp(62)), false, "forward-default"},
		{"the class to another address", flow(guest4, peer4, dscp(63)), false, "forward-default"},

		{"in time", flow(wanHost4, guest4, tcp(80)), true, "now"},
		{"in time over IPv6", flow(wanHost6, guest6, tcp(80)), true, "now"},
		{"out of time", flow(wanHost4, guest4), false, "wan-default"},
		{"out of time over IPv6", flow(wanHost6, guest6), false, "wan-default"},

		{"the last number of a range", flow(wanHost4, lanHost4, over(99)), true, "numbers"},
		{"a number by itself over IPv6", flow(wanHost6, lanHost6, over(200)), true, "numbers"},
		{"a number that has a name", flow(wanHost6, lanHost6, tcp(9)), true, "numbers"},
		{"a number beside", flow(wanHost4, lanHost4, over(100)), false, "wan-default"},
		{"a number beside over IPv6", flow(wanHost6, lanHost6, over(201)), false, "wan-default"},

		{"a message with its code", flow(wanHost4, lanHost4, icmp(13, 0)), true, "messages"},
		{"a message with the one code", flow(wanHost4, lanHost4, icmp(8, 1)), true, "messages"},
		{"a message with another code", flow(wanHost4, lanHost4, icmp(8, 0)), false, "wan-default"},
		{"a message with any code over IPv6", flow(wanHost6, lanHost6, icmp(128, 3)), true, "messages"},
		{"another message", flow(wanHost4, lanHost4, icmp(17, 0)), false, "wan-default"},
		{"a ping by its type", flow(guest4, lanHost4, icmp(8, 0)), true, "ping"},
		{"a ping of the other IP version", flow(guest6, lanHost6, icmp(128, 0)), false, "forward-default"},
	} {
		o.decides(row.name, row.flow, row.passes, row.by)
		row.flow.At = now
		if v := d.Explain(row.flow); (v.Action == Allow) != row.passes || row.passes && v.ID != row.by {
			t.Errorf("%s: the decider says %s by %q", row.name, v.Action, v.ID)
		}
	}
}

func TestTimesOfAWeek(t *testing.T) {
	week := []TimeSpan{{time.Monday, 8 * 3600, 17*3600 - 1}, {time.Friday, 22 * 3600, lastSecond}, {time.Saturday, 0, 6*3600 - 1}}
	for at, want := range map[string]bool{
		"2026-11-23T08:00:00Z": true, "2026-11-23T07:59:59Z": false, "2026-11-23T16:59:59Z": true, "2026-11-23T17:00:00Z": false,
		"2026-11-27T23:59:59Z": true, "2026-11-28T00:00:00Z": true, "2026-11-28T06:00:00Z": false, "2026-11-24T12:00:00Z": false,
		"2026-11-23T09:30:00+02:00": false, "2026-11-23T17:30:00+02:00": true,
	} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := holds(week, when); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
}
