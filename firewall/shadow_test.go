package firewall

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRulesThatCanNeverMatchAreFoundWithThoseThatDecideBefore(t *testing.T) {
	addr := netip.MustParseAddr
	lists := []List{{ID: "none"}, {ID: "hosts", Ranges: []Range{{addr("10.2.0.1"), addr("10.2.0.9")}, {addr("fd00:2::1"), addr("fd00:2::9")}}},
		{ID: "live", Live: true}}
	web := Rule{ID: "web", From: ZoneLAN, To: ZoneVPN, Protocol: TCP, Ports: []PortRange{{80, 443}}, Action: Allow}
	rule := func(r Rule, change func(*Rule)) Rule {
		change(&r)
		return r
	}
	rows := []struct {
		name  string
		rules []Rule
		want  []Shadow
	}{
		{"the same rule twice", []Rule{web, rule(web, func(r *Rule) { r.ID, r.Action = "again", Drop })}, []Shadow{{"again", []string{"web"}}}},
		{"a host after its network", []Rule{
			{ID: "net", To: ZoneVPN, Destinations: prefixes("10.2.0.0/16"), Action: Drop},
			{ID: "host", From: ZoneLAN, To: ZoneVPN, Destinations: prefixes("10.2.0.7/32"), Protocol: TCP, Action: Allow}}, []Shadow{{"host", []string{"net"}}}},
		{"a host before its network", []Rule{
			{ID: "host", From: ZoneLAN, To: ZoneVPN, Destinations: prefixes("10.2.0.7/32"), Action: Allow},
			{ID: "net", From: ZoneLAN, To: ZoneVPN, Destinations: prefixes("10.2.0.0/16"), Action: Drop}}, nil},
		{"two halves of the ports", []Rule{
			rule(web, func(r *Rule) { r.ID, r.Ports = "low", []PortRange{{0, 99}} }),
			rule(web, func(r *Rule) { r.ID, r.Ports = "high", []PortRange{{90, 65535}} }), web}, []Shadow{{"web", []string{"low", "high"}}}},
		{"two halves but one port", []Rule{
			rule(web, func(r *Rule) { r.ID, r.Ports = "low", []PortRange{{0, 99}} }),
			rule(web, func(r *Rule) { r.ID, r.Ports = "high", []PortRange{{101, 65535}} }), web}, nil},
		{"both halves of all addresses, and both families", []Rule{
			{ID: "four-low", Destinations: prefixes("0.0.0.0/1"), Action: Drop}, {ID: "four-high", Destinations: prefixes("128.0.0.0/1"), Action: Drop},
			{ID: "six", Destinations: prefixes("::/0"), Action: Drop}, web}, []Shadow{{"web", []string{"four-low", "four-high", "six"}}}},
		{"one family of two", []Rule{{ID: "four", Destinations: prefixes("0.0.0.0/0"), Action: Drop}, web}, nil},
		{"another zone", []Rule{rule(web, func(r *Rule) { r.ID, r.From = "other", ZoneVPN }), web}, nil},
		{"any zone after one", []Rule{web, rule(web, func(r *Rule) { r.ID, r.From = "any", "" })}, nil},
		{"any protocol after one", []Rule{{ID: "tcp", Protocol: TCP, Action: Drop}, {ID: "all", Action: Drop}}, nil},
		{"only a list without entries", []Rule{{ID: "blocked", SourceLists: []string{"none"}, Action: Drop}}, []Shadow{{"blocked", nil}}},
		{"a list without entries now, but alive", []Rule{{ID: "blocked", SourceLists: []string{"live"}, Action: Drop}}, nil},
		{"a live list decides nothing for sure", []Rule{
			{ID: "blocked", SourceLists: []string{"live"}, Action: Drop}, {ID: "again", Sources: prefixes("10.1.0.1/32"), Action: Drop}}, nil},
		{"a list within a network", []Rule{
			{ID: "nets", Destinations: prefixes("10.2.0.0/24", "fd00:2::/64"), Action: Drop},
			{ID: "listed", DestinationLists: []string{"hosts"}, Action: Allow}}, []Shadow{{"listed", []string{"nets"}}}},
		{"a rule with hours decides nothing at others", []Rule{
			rule(web, func(r *Rule) { r.ID, r.Times = "hours", []TimeSpan{{1, 0, 3600}} }), web}, nil},
		{"a rule with a limit drops the rest", []Rule{
			rule(web, func(r *Rule) { r.ID, r.Limit = "limited", Limit{Open: 3} }), web}, []Shadow{{"web", []string{"limited"}}}},
		{"hours within always", []Rule{web, rule(web, func(r *Rule) { r.ID, r.Times = "hours", []TimeSpan{{1, 0, 3600}} })}, []Shadow{{"hours", []string{"web"}}}},
	}
	for _, row := range rows {
		p := office()
		p.Lists, p.Rules = lists, row.rules
		mustCompile(t, p)
		if diff := cmp.Diff(row.want, p.Shadowed()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

// What is called shadowed must decide no packet; and most that decide none
// among many rules over few addresses are found.
func TestAShadowedRuleDecidesNoPacket(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	found := 0
	for range 60 {
		p := manyRules(random, 60)
		never := map[string]bool{}
		for _, s := range p.Shadowed() {
			never[s.Rule] = true
			found++
		}
		linear, err := compile(p, true)
		if err != nil {
			t.Fatal(err)
		}
		for range 500 {
			f := likelyFlow(random)
			for _, chain := range []string{"pair_lan_wan", "pair_wan_vpn", "in_lan"} {
				if id, _ := linear.evaluate(chain, f); never[id] {
					t.Fatalf("%s decides %+v in %s and is called shadowed: %+v", id, f, chain, p.Shadowed())
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("%d shadowed rules were found: this proves nothing", found)
	}
	t.Logf("%d shadowed rules", found)
}

func TestTenThousandRulesWithoutAShadow(t *testing.T) {
	p := tenThousandRules(10_000)
	if s := p.Shadowed(); len(s) > 0 {
		t.Errorf("%d of 10,000, the first %+v", len(s), s[0])
	}
	last := p.Rules[9000]
	last.ID = "last"
	p.Rules = append(p.Rules, last)
	if diff := cmp.Diff([]Shadow{{"last", []string{fmt.Sprintf("rule-%d", 9000)}}}, p.Shadowed()); diff != "" {
		t.Error(diff)
	}
}
