package main

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall"
	"gatehouse/network"
	"gatehouse/store"
	"gatehouse/web"
)

func TestTraceSaysWhoDecides(t *testing.T) {
	run := shell(t, filepath.Join(t.TempDir(), "data"))
	trace := func(want string, args ...string) {
		t.Helper()
		run("", want, append([]string{"firewall", "trace"}, args...)...)
	}
	run(officeText(t), "Not applied yet", "config", "import", "-")
	trace("nothing is in force yet", "10.1.0.5", "198.51.100.80", "tcp", "443")
	run("", "nothing is in force yet", "firewall", "export")
	run("", "in force at its next start", "apply")
	trace("It is allowed: no rule decides, so the default between the zones does (from the office to the internet).\n"+
		"It goes on by interface internet (wan0) to 203.0.113.1 (route to 0.0.0.0/0).\n"+
		"Its destination sees it come from 203.0.113.2 (masquerade).\n"+
		"No tunnel takes it: this gateway does not encrypt it.", "10.1.0.5", "198.51.100.80", "tcp", "443")
	trace("It is rejected with an answer by rule no-mail-from-office (from the office to the internet).\n", "10.1.0.5", "198.51.100.80", "tcp", "25")
	trace("It goes on by ipsec0 (route to 10.2.0.0/24).\nIPsec protects it: the tunnel of branch leeds takes it.", "10.1.0.5", "10.2.0.5", "icmp")
	trace("It comes out of the tunnel of branch leeds.\nIt goes on by interface office (lan0), where 10.1.0.5 is (10.1.0.0/24).", "10.2.0.5", "10.1.0.5", "icmp")
	trace("It is dropped", "192.0.2.1", "203.0.113.2", "tcp", "80")
	trace("It is allowed by admin-access (from the office to this gateway). The page or SSH, from where they may be used.\nIt is for this gateway itself.", "10.1.0.5", "10.1.0.1", "tcp", "8443")
	trace("It is allowed by admin-access", "10.1.0.5", "10.1.0.1", "tcp", "443", "--listen", ":443")
	trace("It is dropped", "10.1.0.5", "10.1.0.1", "tcp", "443")
	trace("It is dropped without an answer by spoof-wan", "10.1.0.5", "10.1.0.1", "tcp", "443", "--from", "internet")
	run(`{"name":"web","enabled":true,"protocol":"tcp","ports":{"first":80,"last":80},"to":"10.1.0.9","to_port":8080}`,
		"is saved", "object", "put", "forwards")
	trace("Port forward web leads it to 10.1.0.9 port 8080.\nIt is allowed by port forward web (from the internet to the office).", "--draft", "93.184.216.34", "203.0.113.2", "tcp", "80")
	trace("It is dropped", "192.0.2.1", "203.0.113.2", "tcp", "80")
	trace(`"verdict": "allow"`, "--json", "10.1.0.5", "198.51.100.80", "tcp", "443")
	run("", `comment "no-mail-from-office"`, "firewall", "export")
	run("", `dnat ip to 10.1.0.9:8080`, "firewall", "export", "--draft")
	for want, args := range map[string][]string{
		`"x" is not an IP`: {"x", "10.0.0.1", "tcp", "1"}, "must both be IPv4": {"10.0.0.1", "::1", "tcp", "1"},
		"protocol": {"10.0.0.1", "10.0.0.2", "tpc", "1"}, "need a port": {"10.0.0.1", "10.0.0.2", "tcp"}, "port:": {"10.0.0.1", "10.0.0.2", "udp", "0"},
		"Only tcp and udp": {"10.0.0.1", "10.0.0.2", "icmp", "1"}, "give the source": {"10.0.0.1", "icmp"}, "not both": {"--user", "a", "10.0.0.1", "10.0.0.2", "tcp", "1"},
		"is not a time": {"--time", "soon", "10.0.0.1", "10.0.0.2", "icmp"}, "no zone or interface": {"--from", "moon", "10.0.0.1", "10.0.0.2", "icmp"},
		"hardware address": {"--mac", "x", "10.0.0.1", "10.0.0.2", "icmp"}, "0 to 63": {"--dscp", "x", "10.0.0.1", "10.0.0.2", "icmp"},
		"has no device": {"--user", "nobody", "10.0.0.2", "icmp"}, "not a message": {"--message", "x", "10.0.0.1", "10.0.0.2", "icmp"},
	} {
		trace(want, args...)
	}
}

// asks puts questions to a document with people.
func asks(t *testing.T, doc store.Document) func(q web.Question) web.Answer {
	t.Helper()
	ctx := t.Context()
	db, err := store.Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	groups := office(t)
	groups.Groups = []store.Group{{Name: "sales"}}
	if err := db.Import(ctx, groups); err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct{ kind, json string }{
		{"user", `{"name":"alice","group":"sales","enabled":true}`},
		{"device", `{"name":"phone","user":"alice","enabled":true,"addresses":["10.200.0.7"]}`},
	} {
		if _, err := db.PutObject(ctx, o.kind, "", "", store.Input{JSON: []byte(o.json)}); err != nil {
			t.Fatal(err)
		}
	}
	return func(q web.Question) web.Answer {
		t.Helper()
		a, err := trace(ctx, db, doc, world{}, 8443, q, time.Date(2026, 7, 6, 8, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

func TestTraceKnowsTimesLimitsAndWhoIsMeant(t *testing.T) {
	doc := office(t)
	doc.System.TimeZone = "Europe/London"
	doc.Groups = []store.Group{{Name: "sales", Pools: []netip.Prefix{netip.MustParsePrefix("10.200.0.0/24")}}}
	doc.Schedules = []store.Schedule{{Name: "office-hours", Days: []string{"mon"}, From: "08:30", To: "17:00"}}
	doc.Services = []store.Service{{Name: "unreachable", Protocol: "icmp", Messages: []string{"icmp 3/4"}}}
	doc.Firewall.Defaults = nil
	doc.Firewall.Rules = []store.Rule{
		{Name: "hours", From: "lan", To: "wan", Protocol: "tcp", Schedules: []string{"office-hours"}, LimitRate: 10, LimitPer: "minute", LimitOpen: 5, LimitPerSource: true, Action: store.Allow},
		{Name: "printer", From: "lan", To: "wan", SourceMACs: []string{"02:00:5e:10:00:01"}, Action: store.Allow},
		{Name: "voice", From: "lan", To: "wan", DSCP: []string{"ef"}, Action: store.Allow},
		{Name: "big", From: "lan", To: "wan", Services: []string{"unreachable"}, Action: store.Allow},
	}
	ask := asks(t, doc)
	web1 := web.Question{Source: "10.1.0.5", Destination: "198.51.100.80", Protocol: "tcp", Port: "443"}
	with := func(change func(*web.Question)) web.Question { q := web1; change(&q); return q }
	for name, c := range map[string]struct {
		q    web.Question
		rule string
	}{
		// 08:00 in UTC is 09:00 in London in July.
		"now":                          {web1, "hours"},
		"before the hours":             {with(func(q *web.Question) { q.Time = "2026-07-06 08:29" }), ""},
		"at their beginning":           {with(func(q *web.Question) { q.Time = "2026-07-06 08:30" }), "hours"},
		"at their beginning in winter": {with(func(q *web.Question) { q.Time = "2026-01-05T08:30" }), "hours"},
		"in UTC":                       {with(func(q *web.Question) { q.Time = "2026-07-06T16:00:00Z" }), ""},
		"on another day":               {with(func(q *web.Question) { q.Time = "2026-07-07 09:00" }), ""},
		"by its hardware address":      {web.Question{Source: "10.1.0.5", Destination: "198.51.100.80", Protocol: "gre", MAC: "02:00:5e:10:00:01"}, "printer"},
		"by its mark":                  {web.Question{Source: "10.1.0.5", Destination: "198.51.100.80", Protocol: "gre", DSCP: "46"}, "voice"},
		"without one":                  {web.Question{Source: "10.1.0.5", Destination: "198.51.100.80", Protocol: "gre"}, ""},
		"by its message":               {web.Question{Source: "10.1.0.5", Destination: "198.51.100.80", Protocol: "icmp", Message: "icmp 3/4"}, "big"},
		"by another":                   {web.Question{Source: "10.1.0.5", Destination: "198.51.100.80", Protocol: "icmp"}, ""},
	} {
		if a := ask(c.q); a.Rule != c.rule || (a.Verdict == "allow") != (c.rule != "") {
			t.Errorf("%s: %s by %q", name, a.Verdict, a.Rule)
		}
	}
	if a := ask(web1); a.Limit != "10 new connections in a minute and 5 open ones of each source" {
		t.Errorf("%q", a.Limit)
	}
}

func TestTraceOfAUser(t *testing.T) {
	doc := lively(t)
	// Until remote users connect, their addresses are behind a branch.
	doc.Branches[0].RemoteNetworks = append(doc.Branches[0].RemoteNetworks, netip.MustParsePrefix("10.200.0.0/24"))
	a := asks(t, doc)(web.Question{User: "alice", Destination: "10.1.0.5", Protocol: "tcp", Port: "22"})
	if a.Rule != "of-alice" || a.User != "alice" || a.Source != netip.MustParseAddr("10.200.0.7") || a.From != "outside" {
		t.Errorf("%+v", a)
	}
}

func TestTraceOfTunnelsThatDoNotTakeIt(t *testing.T) {
	doc := office(t)
	doc.Interfaces = append(doc.Interfaces, store.Interface{Name: "guests", Device: "lan1", Zone: "lan", Addresses: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}})
	ask := asks(t, doc)
	q := web.Question{Source: "10.9.0.5", Destination: "10.2.0.5", Protocol: "icmp"}
	if a := ask(q); a.Tunnel == nil || a.Tunnel.Selected || !strings.Contains(strings.Join(a.Words, " "), "does not take it") {
		t.Errorf("%+v", a)
	}
	doc.Branches[0].Enabled = false
	if a := asks(t, doc)(q); a.Tunnel == nil || !a.Tunnel.Off || a.Route == nil || !a.Route.Unreachable || !strings.Contains(strings.Join(a.Words, " "), "leeds is switched off") {
		t.Errorf("%+v", a)
	}
	// By the other port of the office it would be spoofed.
	if a := ask(web.Question{Source: "10.9.0.5", Destination: "198.51.100.80", Protocol: "icmp", From: "office"}); a.Rule != "spoof-lan" || a.Verdict != "drop" {
		t.Errorf("%+v", a)
	}
}

// What an interface has for a time counts like what the document says.
func TestTraceKnowsAddressesOfTheProvider(t *testing.T) {
	doc := office(t)
	prefix := netip.MustParsePrefix("2001:db8:77::1/64")
	d, err := firewall.NewDecider(perimeter(doc, world{addresses: network.Addresses{"lan0": {prefix}}}, 8443))
	if err != nil {
		t.Fatal(err)
	}
	f := firewall.Flow{Source: netip.MustParseAddr("fd00:1::5"), Destination: netip.MustParseAddr("2001:db8:77::9"), Protocol: 58}
	a := judge(d, perimeter(doc, world{}, 8443), enquiry{flow: f}, doc, world{addresses: network.Addresses{"lan0": {prefix}}})
	if a.To != "lan" || a.Route == nil || a.Route.Interface != "office" || a.Route.Network != prefix.Masked() {
		t.Errorf("%+v %+v", a, a.Route)
	}
}
