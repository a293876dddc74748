package firewall

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// The second of two rules with the same keys decides nothing, in a map as
// anywhere: the kernel would refuse a key that is there twice.
func TestOfTwoRulesWithTheSameKeysTheFirstDecides(t *testing.T) {
	o := newSmallOffice(t)
	p := o.policy()
	p.Rules = nil
	for i := range 20 {
		for _, twice := range []struct {
			name   string
			action Action
		}{{"first", Allow}, {"second", Drop}} {
			p.Rules = append(p.Rules, Rule{ID: fmt.Sprintf("%s-%d", twice.name, i), From: ZoneWAN, To: ZoneLAN, Protocol: UDP, Action: twice.action,
				Destinations: prefixes(lanHost4+"/32", lanHost6+"/128"), Ports: []PortRange{{uint16(7000 + i), uint16(7000 + i)}}})
		}
	}
	if n := rulesOf(mustCompile(t, p), "pair_wan_lan"); n > 10 {
		t.Errorf("%d rules in the chain", n)
	}
	o.apply(p)
	for _, way := range [][2]string{{wanHost4, lanHost4}, {wanHost6, lanHost6}} {
		if _, arrived := o.datagram(o.wan, way[0], o.lan, way[1], 7007); !arrived {
			t.Errorf("%s: what the first of two rules allows did not arrive", way[1])
		}
		if _, arrived := o.datagram(o.wan, way[0], o.lan, way[1], 7020); arrived {
			t.Errorf("%s: what no rule allows arrived", way[1])
		}
	}
	if first, second := o.counted("first-7"), o.counted("second-7"); first != 2 || second != 0 {
		t.Errorf("the first counted %d, the second %d", first, second)
	}
	if n := len(p.Shadowed()); n != 20 {
		t.Errorf("%d rules are said to be shadowed", n)
	}
}

// Networks within networks, the same twice, and neighbours: the kernel takes
// only ranges apart from each other.
func TestSeventyThousandOverlappingRangesInOneList(t *testing.T) {
	o := newSmallOffice(t)
	p := o.policy()
	l := List{ID: "mess"}
	for _, n := range everyOther(35_000) {
		l.Ranges = append(l.Ranges, Range{n.Addr(), lastOf(n)}, Range{n.Addr().Next(), n.Addr().Next()})
	}
	host := netip.MustParseAddr(wanHost4)
	l.Ranges = append(l.Ranges, Range{host.Prev(), host}, Range{host, host})
	p.Lists = []List{l}
	p.Rules = []Rule{{ID: "blocked", From: ZoneLAN, To: ZoneWAN, DestinationLists: []string{"mess"}, Action: Drop}}
	o.apply(p)
	if _, arrived := o.datagram(o.lan, lanHost4, o.wan, wanHost4, 5000); arrived {
		t.Error("the last of the list does not match")
	}
	if _, arrived := o.datagram(o.lan, lanHost4, o.wan, peer4, 5000); !arrived {
		t.Error("an address beside the list was refused")
	}
}

func TestUnknownNamesAreRefusedByTheirObject(t *testing.T) {
	for want, change := range map[string]func(*Policy){
		"rule lost: there is no list nobody": func(p *Policy) {
			p.Rules = append(p.Rules, Rule{ID: "lost", From: ZoneLAN, To: ZoneWAN, SourceLists: []string{"nobody"}})
		},
		`rule lost: there is no zone "moon"`: func(p *Policy) { p.Rules = append(p.Rules, Rule{ID: "lost", From: "moon", To: ZoneWAN}) },
	} {
		p := office()
		change(&p)
		if _, err := Compile(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, not %s", err, want)
		}
	}
}
