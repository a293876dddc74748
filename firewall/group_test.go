package firewall

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// manyRules is random rules of the kinds that a large policy has, over so few
// addresses and ports that many of them overlap.
func manyRules(r *rand.Rand, n int) Policy {
	p := office()
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	v6 := false // what the rule is about
	address := func() netip.Prefix {
		host4 := fmt.Sprintf("10.%d.%d.%d", 1+r.IntN(2), r.IntN(2), r.IntN(12))
		host6 := fmt.Sprintf("fd00:%d::%x", 1+r.IntN(2), r.IntN(12))
		if v6 {
			return netip.MustParsePrefix(pick(host6+"/128", host6+"/128", host6+"/126", host6+"/64", "::/0"))
		}
		return netip.MustParsePrefix(pick(host4+"/32", host4+"/32", host4+"/32", host4+"/30", host4+"/28", host4+"/24", "0.0.0.0/0"))
	}
	addresses := func() (out []netip.Prefix) {
		for range []int{0, 1, 1, 1, 1, 1, 2, 5}[r.IntN(8)] {
			out = append(out, address())
		}
		if len(out) > 1 { // both versions of IP
			v6 = !v6
			out = append(out, address())
			v6 = !v6
		}
		return out
	}
	p.Lists = []List{{ID: "none"}, {ID: "live", Live: true, Ranges: []Range{{netip.MustParseAddr("10.1.0.3"), netip.MustParseAddr("10.1.0.9")}}}}
	for _, id := range []string{"few", "more"} {
		l := List{ID: id}
		for range 2 + r.IntN(4) {
			a := address()
			l.Ranges = append(l.Ranges, Range{a.Addr(), lastOf(a)})
		}
		p.Lists = append(p.Lists, l)
	}
	lists := func() []string { return [][]string{nil, nil, nil, nil, nil, {"few"}, {"none", "more"}}[r.IntN(7)] }
	service := func() Service {
		s := Service{Protocol: []Protocol{TCP, TCP, TCP, UDP, UDP, ICMP, AnyProtocol}[r.IntN(7)]}
		if s.Protocol == TCP || s.Protocol == UDP {
			for range []int{0, 1, 1, 1, 1, 2, 3}[r.IntN(7)] {
				first := uint16(1 + r.IntN(30))
				s.Ports = append(s.Ports, PortRange{first, first + []uint16{0, 0, 0, 0, 1, 9, 40}[r.IntN(7)]})
			}
		}
		return s
	}
	p.Rules = nil
	for i := range n {
		v6 = r.IntN(3) == 0
		rule := Rule{ID: fmt.Sprintf("r-%d", i), From: pick(ZoneLAN, ZoneLAN, ""), To: pick(ZoneWAN, ZoneWAN, ZoneGateway, ""),
			Action: Action(r.IntN(3)), Log: r.IntN(4) == 0}
		for range 1 + r.IntN(2) {
			rule.Services = append(rule.Services, service())
		}
		switch r.IntN(4) { // one address, or none, is what most rules have
		case 0:
			rule.Sources, rule.SourceLists = addresses(), lists()
			fallthrough
		default:
			rule.Destinations, rule.DestinationLists = addresses(), lists()
		}
		// What no map holds.
		switch r.IntN(12) {
		case 0:
			rule.DSCP = []uint8{uint8(r.IntN(3))}
		case 1:
			rule.SourceMACs, rule.From = []MAC{{2, 0, 0, 0, 0, byte(r.IntN(2))}}, ZoneLAN
		case 2:
			rule.SourceLists = []string{"live"}
		case 3:
			if rule.Action == Allow {
				rule.Limit = Limit{Rate: 1, Per: time.Second, Open: 3, PerSource: r.IntN(2) == 0}
			}
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

// likelyFlow is one that is likely to meet manyRules.
func likelyFlow(r *rand.Rand) Flow {
	f := Flow{Protocol: []uint8{6, 6, 6, 17, 17, 1, 47}[r.IntN(7)], DSCP: uint8(r.IntN(3)), MAC: MAC{2, 0, 0, 0, 0, byte(r.IntN(3))}}
	address := func(v6 bool) netip.Addr {
		if v6 {
			return netip.MustParseAddr(fmt.Sprintf("fd00:%d::%x", 1+r.IntN(2), r.IntN(14)))
		}
		return netip.AddrFrom4([4]byte{10, byte(1 + r.IntN(2)), byte(r.IntN(2)), byte(r.IntN(14))})
	}
	v6 := r.IntN(3) == 0
	f.Source, f.Destination = address(v6), address(v6)
	if v6 && f.Protocol == 1 {
		f.Protocol = 58
	}
	if f.Protocol == 6 || f.Protocol == 17 {
		f.Port = uint16(r.IntN(80))
	}
	return f
}

// agree compares both forms of a policy for one packet in every chain that
// holds rules of an admin.
func agree(t *testing.T, linear, grouped Ruleset, f Flow) {
	t.Helper()
	for _, chain := range []string{"pair_lan_wan", "pair_wan_vpn", "in_lan"} {
		wantID, want := linear.evaluate(chain, f)
		gotID, got := grouped.evaluate(chain, f)
		if wantID != gotID || want != got {
			t.Fatalf("%s: %+v: one by one: %s by %q; grouped: %s by %q\n%s\n%s", chain, f, want, wantID, got, gotID, linear, grouped)
		}
	}
}

func TestGroupedRulesDecideAsTheyDoOneByOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	maps := 0
	for range 300 {
		p := manyRules(random, 1+random.IntN(80))
		linear, err := compile(p, true)
		if err != nil {
			t.Fatal(err)
		}
		grouped := mustCompile(t, p)
		maps += strings.Count(grouped.String(), "\tmap pair_")
		for range 200 {
			agree(t, linear, grouped, likelyFlow(random))
		}
	}
	if maps < 100 {
		t.Errorf("%d maps were made: this proves nothing", maps)
	}
}

func FuzzGrouping(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint8(60))
	f.Fuzz(func(t *testing.T, a, b uint64, n uint8) {
		random := rand.New(rand.NewPCG(a, b))
		p := manyRules(random, int(n))
		linear, err := compile(p, true)
		if err != nil {
			t.Fatal(err)
		}
		grouped := mustCompile(t, p)
		for range 30 {
			agree(t, linear, grouped, likelyFlow(random))
		}
	})
}

// The kernel refuses a map with one key twice, and ranges that overlap. What is
// written into the table in force must be what a new table would be.
func TestTheKernelTakesGroupedRules(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	inPlace := newSpace(t)
	for range 12 {
		r := mustCompile(t, manyRules(random, 80))
		byText, byApply := newSpace(t), newSpace(t)
		for _, s := range []*space{inPlace, byApply} {
			var err error
			s.do(func() { err = NewApplier(quiet()).Apply(context.Background(), r) })
			if err != nil {
				t.Fatalf("%v\n%s", err, r)
			}
		}
		if err := byText.load(r.String()); err != nil {
			t.Fatal(err)
		}
		want := listed(byText)
		if diff := cmp.Diff(want, listed(byApply)); diff != "" {
			t.Fatalf("the kernel's listings differ (-text +apply):\n%s", diff)
		}
		if diff := cmp.Diff(objects(want), objects(listed(inPlace))); diff != "" {
			t.Fatalf("the kernel's listings differ (-text +apply in place):\n%s", diff)
		}
	}
}

// objects are the parts of a listing in an order of their own: the kernel's is
// that of their making. Sets of ranges have two names in turn.
func objects(listing string) []string {
	all := strings.Split(regexp.MustCompile(`\.[bc]\b`).ReplaceAllString(listing, ""), "\n\t}\n")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	slices.Sort(all)
	return all
}

// listed is what the kernel holds, without matches of the family: nft leaves them
// out where a match of an address says it, and from text does not write it twice.
func listed(s *space) string {
	text := s.sh("nft list ruleset")
	return strings.NewReplacer("meta nfproto ipv4 ", "", "meta nfproto ipv6 ", "").Replace(text)
}

// groupedOffice has a run of each shape, with exceptions and single rules
// between them.
func groupedOffice() Policy {
	p := office()
	add := func(r Rule, source, destination string, ports ...PortRange) {
		r.ID, r.From, r.To = fmt.Sprintf("g-%d", len(p.Rules)), ZoneLAN, ZoneVPN
		if source != "" {
			r.Sources = prefixes(source)
		}
		if destination != "" {
			r.Destinations = prefixes(destination)
		}
		if r.Ports = ports; len(ports) > 0 && r.Protocol == AnyProtocol {
			r.Protocol = TCP
		}
		p.Rules = append(p.Rules, r)
	}
	for i := range 5 {
		n := uint16(i)
		add(Rule{Action: Allow}, "", fmt.Sprintf("10.2.0.%d/32", i), PortRange{80, 80}, PortRange{8080, 8080 + n})
		add(Rule{Action: Reject}, "", fmt.Sprintf("10.2.%d.0/24", i), PortRange{80, 500})
		add(Rule{Action: Allow, Log: true}, fmt.Sprintf("fd00:1::%d/128", i), fmt.Sprintf("fd00:2::%d/128", i), PortRange{443, 443})
		add(Rule{Action: Drop, Protocol: UDP}, fmt.Sprintf("10.1.0.%d/32", i), "", PortRange{5000, 5000})
		add(Rule{Action: Drop}, fmt.Sprintf("10.1.0.%d/32", 16*i), "10.2.9.0/24")
		add(Rule{Action: Drop}, "", fmt.Sprintf("10.3.%d.0/26", i))
		add(Rule{Action: Drop, Protocol: TCP}, "", fmt.Sprintf("fd00:2:%d::/48", i), PortRange{1000, 2000})
		add(Rule{Action: Drop, Protocol: UDP}, "", "", PortRange{10000 + 2*n, 10000 + 2*n})
	}
	add(Rule{Action: Drop, Protocol: ICMP}, "", "")
	return p
}

// rulesOf is how many rules a chain has.
func rulesOf(r Ruleset, name string) int {
	for _, c := range r.chains {
		if c.name == name {
			return len(c.rules)
		}
	}
	return 0
}

func TestAThousandRulesAreAFewLookUps(t *testing.T) {
	p := thousandRules()
	if n := rulesOf(mustCompile(t, p), "pair_lan_vpn"); n > 2 {
		t.Errorf("hosts and ports: %d rules in the chain", n)
	}
	// Every tenth is for a network, with an exception for a host before it, and
	// every seventh is of the other family: they alternate in shape.
	for i := range p.Rules {
		switch {
		case i%10 == 0:
			p.Rules[i].Destinations = prefixes(fmt.Sprintf("10.%d.%d.0/24", 3+i>>8, i&255))
		case i%7 == 0:
			p.Rules[i].Destinations = prefixes(fmt.Sprintf("fd00:2::%x/128", i))
		}
	}
	if n := rulesOf(mustCompile(t, p), "pair_lan_vpn"); n > 4 {
		t.Errorf("mixed shapes: %d rules in the chain", n)
	}
}

// Large policies, so that rules are grouped, around the few places that there
// are to send packets from.
func TestTheDeciderAgreesWithTheKernelAboutGroupedRules(t *testing.T) {
	o := newWiredOffice(t)
	random := rand.New(rand.NewPCG(9, 10))
	maps := 0
	hosts := []string{lanHost4, lanHost6, wanHost4, wanHost6, branchHost4, branchHost6, gatewayLAN4, gatewayLAN6}
	o.agree(12, 60, func() Policy {
		p := o.policy()
		p.Masquerade, p.Rules = false, nil
		near := func() []netip.Prefix {
			a := netip.MustParseAddr(hosts[random.IntN(len(hosts))])
			for range random.IntN(4) {
				a = a.Next()
			}
			bits := []int{0, 0, 0, 2, 8}[random.IntN(5)]
			return []netip.Prefix{netip.PrefixFrom(a, a.BitLen()-bits).Masked()}
		}
		for i := range 50 + random.IntN(30) {
			r := Rule{ID: fmt.Sprintf("r-%d", i), Action: []Action{Allow, Drop}[random.IntN(2)],
				From: []string{ZoneLAN, ZoneWAN, ZoneVPN, ""}[random.IntN(4)], Destinations: near()}
			r.Services = []Service{{Protocol: UDP, Ports: []PortRange{{gamblePorts[random.IntN(len(gamblePorts))], 0}}}}
			r.Services[0].Ports[0].Last = r.Services[0].Ports[0].First + uint16(random.IntN(2)*random.IntN(100))
			if s := near(); random.IntN(3) == 0 && s[0].Addr().BitLen() == r.Destinations[0].Addr().BitLen() {
				r.Sources = s
			}
			p.Rules = append(p.Rules, r)
		}
		maps += strings.Count(mustCompile(t, p).String(), "\tmap pair_")
		return p
	}, func() Flow {
		from := random.IntN(6)
		to := (from + 2*(1+random.IntN(3))) % 8 // of the same IP version
		return flow(hosts[from], hosts[to], func(f *Flow) { f.Port = gamblePorts[random.IntN(len(gamblePorts))] })
	})
	if maps < 50 {
		t.Errorf("%d maps were made: this proves nothing", maps)
	}
	t.Logf("%d maps", maps)
}
