package main

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/firewall"
	"gatehouse/store"
)

// lively is the office with groups, schedules and rules that say all that a
// rule can say.
func lively(t testing.TB) store.Document {
	doc := office(t)
	doc.System.TimeZone = "Europe/London"
	doc.Groups = []store.Group{{Name: "sales", Pools: []netip.Prefix{netip.MustParsePrefix("10.200.0.0/24")}}}
	doc.Zones = []store.NamedZone{{Name: "outside", Branches: []string{"leeds"}, Groups: []string{"sales"}}}
	doc.Services = []store.Service{
		{Name: "tunnels", Protocol: "47,50-51"},
		{Name: "ping", Protocol: "icmp", Messages: []string{"echo-request", "icmp 3/4"}},
	}
	doc.Schedules = []store.Schedule{
		{Name: "office-hours", Days: []string{"mon"}, From: "08:30", To: "17:00"},
		{Name: "night", Days: []string{"sun"}, From: "22:00", To: "06:00"},
	}
	doc.Firewall.Rules = []store.Rule{
		{Name: "whole", From: "lan", To: "outside", SourceMACs: []string{"02:00:5e:10:00:01"}, DSCP: []string{"ef", "12"}, Services: []string{"tunnels", "ping"},
			Schedules: []string{"office-hours", "night"}, LimitRate: 10, LimitPer: "minute", LimitBurst: 5, LimitOpen: 7, LimitPerSource: true, Action: store.Allow,
			DestinationUsers: []string{"alice"}, DestinationGroups: []string{"sales"}, DestinationBranches: []string{"leeds"}},
		{Name: "of-alice", From: "outside", To: "lan", SourceUsers: []string{"alice"}, Action: store.Allow},
	}
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	return doc
}

var alices = []store.Holder{
	{User: "alice", Group: "sales", Address: netip.MustParseAddr("10.200.0.7")},
	{User: "bob", Group: "sales", Address: netip.MustParseAddr("10.201.0.9")},
	{User: "carol", Address: netip.MustParseAddr("10.202.0.9")},
}

func one(s string) firewall.Range {
	a := netip.MustParseAddr(s)
	return firewall.Range{First: a, Last: a}
}

func TestTheWholeLanguageReachesTheFirewall(t *testing.T) {
	p := perimeter(lively(t), world{holders: alices, offset: 3600}, 8443)
	rule := firewall.Rule{
		ID: "whole", From: "lan", To: "outside", SourceMACs: []firewall.MAC{{2, 0, 0x5e, 0x10, 0, 1}}, DSCP: []uint8{46, 12},
		DestinationLists: []string{"user-alice", "group-sales", "branch-leeds"},
		Services: []firewall.Service{
			{Protocol: firewall.OtherProtocol, Numbers: []firewall.NumberRange{{First: 47, Last: 47}, {First: 50, Last: 51}}},
			{Protocol: firewall.ICMP, Messages: []firewall.Message{
				{Type: 8, Code: firewall.AnyCode}, {V6: true, Type: 128, Code: firewall.AnyCode}, {Type: 3, Code: 4}}},
		},
		// An hour earlier in UTC.
		Times: []firewall.TimeSpan{
			{Day: time.Monday, From: 7*3600 + 1800, To: 16*3600 - 1},
			{Day: time.Sunday, From: 21 * 3600, To: 86399}, {Day: time.Monday, From: 0, To: 5*3600 - 1},
		},
		Limit:  firewall.Limit{Rate: 10, Per: time.Minute, Burst: 5, Open: 7, PerSource: true},
		Action: firewall.Allow,
	}
	if d := cmp.Diff(rule, p.Rules[0], cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	lists := []firewall.List{
		{ID: "user-alice", Live: true, Ranges: []firewall.Range{one("10.200.0.7")}},
		{ID: "group-sales", Live: true, Ranges: []firewall.Range{{First: netip.MustParseAddr("10.200.0.0"), Last: netip.MustParseAddr("10.200.0.255")}, one("10.200.0.7"), one("10.201.0.9")}},
		{ID: "branch-leeds", Ranges: []firewall.Range{
			{First: netip.MustParseAddr("10.2.0.0"), Last: netip.MustParseAddr("10.2.0.255")},
			{First: netip.MustParseAddr("fd00:2::"), Last: netip.MustParseAddr("fd00:2::ffff:ffff:ffff:ffff")}}},
	}
	addrs := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if d := cmp.Diff(lists, p.Lists, addrs, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	zone := firewall.TunnelZone{Zone: "outside", Networks: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/24"), netip.MustParsePrefix("fd00:2::/64")}, Lists: []string{"group-sales"}}
	if len(p.TunnelZones) != 1 || !reflect.DeepEqual(p.TunnelZones[0], zone) {
		t.Errorf("%+v", p.TunnelZones)
	}
	if !slices.Equal(p.Rules[1].SourceLists, []string{"user-alice"}) {
		t.Errorf("%v", p.Rules[1].SourceLists)
	}
}

// A rule about somebody without any address must not become one about all.
func TestNobodyIsNotEverybody(t *testing.T) {
	p := perimeter(lively(t), world{}, 8443)
	i := slices.IndexFunc(p.Lists, func(l firewall.List) bool { return l.ID == "user-alice" })
	if i < 0 || len(p.Lists[i].Ranges) > 0 || len(p.Rules[1].SourceLists) != 1 {
		t.Errorf("%+v %+v", p.Lists, p.Rules[1])
	}
}

func TestNamesOfListsDoNotCollide(t *testing.T) {
	doc := lively(t)
	doc.Lists = []store.List{{Name: "user-alice"}}
	long := strings.Repeat("x", 39)
	for _, last := range []string{"a", "b"} {
		doc.Firewall.Rules[1].SourceUsers = append(doc.Firewall.Rules[1].SourceUsers, long+last)
	}
	p := perimeter(doc, world{}, 8443)
	seen := map[string]bool{}
	for _, l := range p.Lists {
		if seen[l.ID] || len(l.ID) > maxListID {
			t.Errorf("%s", l.ID)
		}
		seen[l.ID] = true
	}
	if len(p.Lists) != 6 || p.Rules[1].SourceLists[0] == "user-alice" {
		t.Errorf("%+v", p.Lists)
	}
	again := perimeter(doc, world{}, 8443)
	if !reflect.DeepEqual(p, again) {
		t.Error("not the same names again")
	}
}

func TestLocalTimesBecomeUTC(t *testing.T) {
	const hour = 3600
	window := func(d time.Weekday, begin, length int) []store.Window {
		return []store.Window{{Day: d, Begin: begin, Length: length}}
	}
	for name, c := range map[string]struct {
		windows []store.Window
		ahead   int
		want    []firewall.TimeSpan
	}{
		"in UTC":                       {window(time.Monday, 9*hour, hour), 0, []firewall.TimeSpan{{Day: time.Monday, From: 9 * hour, To: 10*hour - 1}}},
		"in the east the day before":   {window(time.Sunday, hour, 2*hour), 2 * hour, []firewall.TimeSpan{{Day: time.Saturday, From: 23 * hour, To: 86399}, {Day: time.Sunday, From: 0, To: hour - 1}}},
		"in the west the day after":    {window(time.Saturday, 20*hour, hour), -5 * hour, []firewall.TimeSpan{{Day: time.Sunday, From: hour, To: 2*hour - 1}}},
		"half an hour off":             {window(time.Monday, 0, hour), 5*hour + 1800, []firewall.TimeSpan{{Day: time.Sunday, From: 18*hour + 1800, To: 19*hour + 1800 - 1}}},
		"over the end of the week":     {window(time.Saturday, 23*hour, 2*hour), 0, []firewall.TimeSpan{{Day: time.Saturday, From: 23 * hour, To: 86399}, {Day: time.Sunday, From: 0, To: hour - 1}}},
		"a whole day is the day":       {window(time.Friday, 0, 24*hour), 0, []firewall.TimeSpan{{Day: time.Friday, From: 0, To: 86399}}},
		"a whole day elsewhere is two": {window(time.Friday, 0, 24*hour), hour, []firewall.TimeSpan{{Day: time.Thursday, From: 23 * hour, To: 86399}, {Day: time.Friday, From: 0, To: 23*hour - 1}}},
	} {
		if got := utc(c.windows, c.ahead); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheOffsetIsThatOfTheDay(t *testing.T) {
	ctx := t.Context()
	db, err := store.Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for day, want := range map[string]int{"2026-01-15": 0, "2026-07-15": 3600} {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		if now, err := lookAt(ctx, db, lively(t), nil, at); err != nil || now.offset != want {
			t.Errorf("%s: %d %v", day, now.offset, err)
		}
	}
}

func TestRulesHoldDuringTheirSchedules(t *testing.T) {
	p := perimeter(lively(t), world{}, 8443)
	monday := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for at, want := range map[time.Duration]int{
		8*time.Hour + 29*time.Minute: 1, 8*time.Hour + 30*time.Minute: 2, 17*time.Hour - time.Second: 2, 17 * time.Hour: 1, 3 * time.Hour: 2, 6 * time.Hour: 1, -2 * time.Hour: 2,
	} {
		if held := holding(p, monday.Add(at)); len(held.Rules) != want || slices.ContainsFunc(held.Rules, func(r firewall.Rule) bool { return len(r.Times) > 0 }) {
			t.Errorf("%v: %d rules", at, len(held.Rules))
		}
	}
}

func TestTheWholeLanguageCompiles(t *testing.T) {
	d, err := compile(lively(t), world{holders: alices, offset: 3600}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	text := d.ruleset.String()
	for _, want := range []string{"user-alice", "group-sales", "ip daddr 10.2.0.0/24 ", "02:00:5e:10:00:01", "10/minute burst 5 packets"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestOnlyMembersOfLiveListsCanBeReplaced(t *testing.T) {
	policy := func(change func(*store.Document, *world)) firewall.Policy {
		doc, now := lively(t), world{holders: alices}
		change(&doc, &now)
		return perimeter(doc, now, 8443)
	}
	before := policy(func(*store.Document, *world) {})
	for name, c := range map[string]struct {
		change func(*store.Document, *world)
		same   bool
	}{
		"nothing":                {func(*store.Document, *world) {}, true},
		"a device less":          {func(_ *store.Document, now *world) { now.holders = alices[1:] }, true},
		"another offset":         {func(_ *store.Document, now *world) { now.offset = 3600 }, false},
		"another branch":         {func(d *store.Document, _ *world) { d.Branches[0].RemoteNetworks = d.Branches[0].RemoteNetworks[:1] }, false},
		"another rule":           {func(d *store.Document, _ *world) { d.Firewall.Rules[1].SourceUsers = []string{"bob"} }, false},
		"another peer's address": {func(d *store.Document, _ *world) { d.Branches[0].Peer = "198.51.100.77" }, false},
	} {
		if _, more := differing(before, policy(c.change)); more == c.same {
			t.Errorf("%s: more than members: %v", name, more)
		}
	}
}
