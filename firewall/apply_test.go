package firewall

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestApplyingAgainKeepsConnectionsAndCounters(t *testing.T) {
	o := newSmallOffice(t)
	client, server, err := o.connection(o.lan, lanHost4, o.wan, wanHost4, 5000)
	if err != nil {
		t.Fatal(err)
	}
	if err := talks(client, server); err != nil {
		t.Fatal(err)
	}
	before := o.counted("allowed-lan-wan")
	if before == 0 {
		t.Fatal("the connection was not counted")
	}
	o.apply(o.policy())
	changed := o.policy()
	changed.Rules = changed.Rules[1:]
	o.apply(changed)
	if err := talks(client, server); err != nil {
		t.Errorf("the connection broke: %v", err)
	}
	if got := o.counted("allowed-lan-wan"); got != before {
		t.Errorf("the counter went from %d to %d", before, got)
	}
}

func TestApplyLeavesOtherTablesAlone(t *testing.T) {
	s := newSpace(t)
	const others = `
add table ip nat
add chain ip nat prerouting { type nat hook prerouting priority dstnat; }
add rule ip nat prerouting tcp dport 99 redirect to :98
add table inet filter
add counter inet filter x
add chain inet filter input { type filter hook input priority filter; policy accept; }
add rule inet filter input tcp dport 7 counter name "x" drop
add table ip6 gatehouse
add chain ip6 gatehouse c
`
	if err := s.load(others); err != nil {
		t.Fatal(err)
	}
	// Listings are in the order of creation, so ours is behind the others.
	want := s.sh("nft list ruleset")
	s.do(func() {
		a := NewApplier(quiet())
		for range 3 {
			if err := a.Apply(context.Background(), mustCompile(t, office())); err != nil {
				t.Error(err)
			}
		}
	})
	all := s.sh("nft list ruleset")
	if !strings.Contains(all, "table inet gatehouse {") {
		t.Error("our table is not there")
	}
	s.sh("nft delete table inet gatehouse; nft delete table inet gatehouse_dyn")
	if diff := cmp.Diff(want, s.sh("nft list ruleset")); diff != "" {
		t.Errorf("other tables changed (-before +after):\n%s", diff)
	}
}

func TestARefusedRulesetLeavesTheOldOneAndNamesTheRule(t *testing.T) {
	good := mustCompile(t, office())
	rows := []struct {
		name  string
		spoil func(*Ruleset)
		want  string
	}{
		{"a rule that goes to no chain", func(r *Ruleset) {
			last := &r.chains[len(r.chains)-1]
			last.rules = append(last.rules, rule{statements: []statement{goTo("nowhere")}, comment: "my-rule"})
		}, `"my-rule"`},
		{"a set whose intervals overlap", func(r *Ruleset) {
			s := addressSet("spoiled", []span{{netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("10.0.0.9")}})
			s.spans = append(s.spans, addressSet("", []span{{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.20")}}).spans...)
			r.addSet(s)
		}, "set spoiled"},
		{"one element among many that goes to no chain", func(r *Ruleset) {
			s := set{name: "spoiled", key: shape{has: hasTransport | hasPort}.key(), verdicts: true}
			for i := range 1000 {
				to := accept
				if i == 777 {
					to = goTo("do_my-rule_drop")
				}
				s.elements = append(s.elements, shape{has: hasTransport | hasPort}.element(&box{has: hasTransport | hasPort, over: overTCP, ports: PortRange{uint16(i), uint16(i)}}, to))
			}
			r.addSet(s)
		}, "tcp . 777 of rule my-rule"},
		{"a chain of a kind that the hook has not", func(r *Ruleset) {
			r.addChain("twisted", &hook{kind: "nat", point: "forward", priority: "filter"})
		}, "chain twisted"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := newSpace(t)
			bad := mustCompile(t, office())
			row.spoil(&bad)
			var err error
			a := NewApplier(quiet())
			s.do(func() { err = a.Apply(context.Background(), good) })
			if err != nil {
				t.Fatal(err)
			}
			before := s.sh("nft list ruleset")
			s.do(func() { err = a.Apply(context.Background(), bad) })
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v does not name %s", err, row.want)
			}
			if diff := cmp.Diff(before, s.sh("nft list ruleset")); diff != "" {
				t.Errorf("the old table changed (-before +after):\n%s", diff)
			}
		})
	}
	t.Run("a ruleset that nobody compiled", func(t *testing.T) {
		if err := NewApplier(quiet()).Apply(context.Background(), Ruleset{}); err == nil {
			t.Error("was applied")
		}
	})
}

// everyOther gives n prefixes that do not touch, so that none can be merged.
func everyOther(n int) []netip.Prefix {
	var out []netip.Prefix
	for i := range n {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 0x0b000000+uint32(i)*512)
		out = append(out, netip.PrefixFrom(netip.AddrFrom4(a), 24))
	}
	return out
}

func TestSeventyThousandPrefixesInOneRule(t *testing.T) {
	o := newSmallOffice(t)
	p := o.policy()
	list := everyOther(70_000)
	list = append(list, netip.MustParsePrefix(wanHost4+"/32"))
	p.Rules = []Rule{{ID: "blocklist", From: ZoneLAN, To: ZoneWAN, Destinations: list, Action: Reject}}
	o.apply(p)
	if _, _, err := o.connection(o.lan, lanHost4, o.wan, wanHost4, 5000); err == nil {
		t.Error("the last of the prefixes does not match")
	}
	if _, arrived := o.datagram(o.lan, lanHost4, o.wan, peer4, 5000); !arrived {
		t.Error("an address beside the prefixes was refused")
	}
	if got := o.counted("blocklist"); got == 0 {
		t.Error("not counted")
	}
}

func TestVerifyFindsWhatSomebodyElseChanged(t *testing.T) {
	s := newSpace(t)
	r := mustCompile(t, office())
	var err error
	s.do(func() { err = NewApplier(quiet()).Apply(context.Background(), r) })
	if err != nil {
		t.Fatal(err)
	}
	s.do(func() { err = r.verify(r.generation()) })
	if err != nil {
		t.Fatal(err)
	}
	s.sh("nft add element inet gatehouse remote4 '{ 10.77.0.0/16 }'; nft add rule inet gatehouse in_wan accept")
	s.do(func() { err = r.verify(r.generation()) })
	if err == nil || !strings.Contains(err.Error(), "set remote4") || !strings.Contains(err.Error(), "chain in_wan") {
		t.Errorf("the error is %v", err)
	}
}

func TestCountersWithoutATableAreNone(t *testing.T) {
	newSpace(t).do(func() {
		if list, err := NewApplier(quiet()).Counters(context.Background()); err != nil || len(list) != 0 {
			t.Errorf("got %v, %v", list, err)
		}
	})
}

// thousandRules is a policy as a large office writes it.
func thousandRules() Policy {
	p := office()
	p.Rules = nil
	for i := range 1000 {
		r := Rule{
			ID: fmt.Sprintf("rule-%d", i), From: ZoneLAN, To: ZoneVPN, Protocol: TCP,
			Destinations: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), 32)},
			Ports:        []PortRange{{uint16(1000 + i), uint16(1000 + i)}}, Action: Action(i % 3),
		}
		p.Rules = append(p.Rules, r)
	}
	return p
}

func TestAThousandRulesAreApplied(t *testing.T) {
	s := newSpace(t)
	r := mustCompile(t, thousandRules())
	s.do(func() {
		if err := NewApplier(quiet()).Apply(context.Background(), r); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkCompileThousandRules(b *testing.B) {
	p := thousandRules()
	for b.Loop() {
		mustCompile(b, p)
	}
}

func BenchmarkApplyThousandRules(b *testing.B) {
	s := newSpace(b)
	r := mustCompile(b, thousandRules())
	s.do(func() {
		a := NewApplier(quiet())
		for b.Loop() {
			if err := a.Apply(context.Background(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
