package firewall

import (
	"context"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what Compile gives into testdata")

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// office is hq of the lab: one uplink, one lan, one branch.
func office() Policy {
	return Policy{
		Interfaces: []Interface{
			{Device: "wan0", Zone: ZoneWAN, Addresses: prefixes("203.0.113.2/24", "2001:db8:1::2/64")},
			{Device: "lan0", Zone: ZoneLAN, Addresses: prefixes("10.1.0.1/24", "fd00:1::1/64")},
		},
		Defaults: []Default{
			{ZoneLAN, ZoneWAN, Allow}, {ZoneLAN, ZoneVPN, Allow}, {ZoneVPN, ZoneLAN, Drop},
		},
		Rules: []Rule{
			{ID: "branch-web", From: ZoneVPN, To: ZoneLAN, Protocol: TCP, Ports: []PortRange{{8080, 8080}, {9000, 9010}}, Action: Allow},
			{ID: "branch-ping", From: ZoneVPN, To: ZoneLAN, Protocol: ICMP, Action: Allow},
			{ID: "no-telnet", From: ZoneLAN, Protocol: TCP, Ports: []PortRange{{23, 23}}, Action: Reject},
			{ID: "printer", From: ZoneVPN, To: ZoneLAN, Sources: prefixes("10.2.0.7/32"),
				Destinations: prefixes("10.1.0.9/32", "10.1.0.64/27", "fd00:1::9/128"), Action: Allow, Log: true},
		},
		Masquerade:   true,
		IKE:          []IKEPeer{{netip.MustParseAddr("198.51.100.2")}, {netip.MustParseAddr("2001:db8:2::2")}},
		Tunnels:      []Tunnel{{Name: "branch", Local: prefixes("10.1.0.0/24", "fd00:1::/64"), Remote: prefixes("10.2.0.0/24", "fd00:2::/64")}},
		TunnelDevice: "ipsec0",
		AdminPorts:   []uint16{8443, 22},
		LogGroup:     100,
	}
}

// policies are what the golden files show.
func policies() map[string]Policy {
	many := office()
	many.Interfaces = append(many.Interfaces,
		Interface{Device: "wan1", Zone: ZoneWAN, Addresses: prefixes("192.0.2.5/30")},
		Interface{Device: "lan0.20", Zone: "guest", Addresses: prefixes("10.9.0.1/24")},
		Interface{Device: "lan1", Zone: ZoneLAN, Addresses: prefixes("10.8.0.1/24"), Routed: prefixes("172.16.0.0/16", "172.17.0.0/16")})
	many.Defaults = append(many.Defaults, Default{"guest", ZoneWAN, Allow}, Default{"guest", ZoneLAN, Reject},
		Default{ZoneLAN, ZoneLAN, Allow}, Default{"guest", ZoneGateway, Reject}, Default{ZoneWAN, ZoneLAN, Reject})
	many.Rules = append(many.Rules, Rule{ID: "9-drop", From: "guest", Action: Drop, Destinations: prefixes("0.0.0.0/1", "128.0.0.0/1")},
		Rule{ID: "dns-udp", From: "guest", To: ZoneGateway, Protocol: UDP, Ports: []PortRange{{53, 53}}, Action: Allow},
		Rule{ID: "high", From: ZoneLAN, To: ZoneWAN, Protocol: UDP, Ports: []PortRange{{60000, 65535}}, Action: Drop},
		Rule{ID: "edges", Sources: prefixes("255.0.0.0/8", "0.0.0.0/8", "ffff::/16", "::/16"), Protocol: UDP,
			Ports: []PortRange{{0, 10}, {65000, 65535}}, Action: Drop})
	roadwarrior := office()
	roadwarrior.IKE = []IKEPeer{{}}
	roadwarrior.Rules = nil
	everything := office()
	everything.Tunnels[0].Remote = prefixes("0.0.0.0/0", "::/0")
	named := many
	named.Interfaces = append([]Interface(nil), many.Interfaces...)
	named.Lists = []List{
		{ID: "blocked", Ranges: []Range{{netip.MustParseAddr("192.0.2.0"), netip.MustParseAddr("192.0.2.9")}, {netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.7")},
			{netip.MustParseAddr("2001:db8:66::"), netip.MustParseAddr("2001:db8:66::ff")}}},
		{ID: "nobody"},
	}
	named.Rules = append([]Rule{
		{ID: "blocked", From: ZoneWAN, SourceLists: []string{"blocked", "nobody"}, Sources: prefixes("100.64.0.0/10"), Action: Drop, Log: true},
		{ID: "never", From: ZoneWAN, SourceLists: []string{"nobody"}, Action: Allow},
		{ID: "dns-and-gre", From: "guest", To: ZoneWAN, Action: Allow, DestinationLists: []string{"blocked"}, Services: []Service{
			{Protocol: UDP, Ports: []PortRange{{53, 53}, {853, 853}}}, {Protocol: TCP, Ports: []PortRange{{53, 53}, {853, 853}}},
			{Protocol: OtherProtocol, Numbers: []NumberRange{{47, 47}}}, {Protocol: ICMP}}},
		{ID: "any-service", From: "guest", To: ZoneGateway, Action: Allow, Services: []Service{{Protocol: ICMP}, {Protocol: TCP}}},
	}, many.Rules...)
	named.Forwards = []Forward{
		{ID: "web", Protocols: []Protocol{TCP}, Ports: PortRange{443, 443}, To: netip.MustParseAddr("10.1.0.9"), ToPort: 8443, SourceLists: []string{"blocked"}},
		{ID: "game", Address: netip.MustParseAddr("203.0.113.2"), Protocols: []Protocol{TCP, UDP}, Ports: PortRange{5000, 5010}, To: netip.MustParseAddr("10.9.0.7"), Log: true},
		{ID: "moved", Protocols: []Protocol{UDP}, Ports: PortRange{7000, 7001}, To: netip.MustParseAddr("fd00:1::9"), ToPort: 7100},
	}
	named.NAT = []NAT{
		{ID: "no-nat", Exempt: true, Sources: prefixes("10.1.0.0/24", "fd00:1::/64"), Destinations: prefixes("203.0.113.128/25", "2001:db8:1::/64")},
		{ID: "mail", Address: netip.MustParseAddr("192.0.2.5"), Sources: prefixes("10.1.0.25/32", "10.1.0.26/32")},
		{ID: "server", Outside: single(netip.MustParseAddr("203.0.113.2")), Sources: prefixes("10.1.0.30/32")},
		{ID: "block", Outside: netip.MustParsePrefix("198.51.100.16/28"), Sources: prefixes("10.1.0.16/28")},
		{ID: "npt", Outside: netip.MustParsePrefix("2001:db8:77::/48"), Sources: prefixes("fd00:1::/48")},
		{ID: "v6", Address: netip.MustParseAddr("2001:db8:1::2"), Destinations: prefixes("2001:db8:5::/48")},
	}
	named.Interfaces[0].Mark, named.Interfaces[2].Mark = 1, 2
	named.AdminZones = []string{"guest"}
	named.Protection = Protection{Bogons: true, BogonExceptions: prefixes("198.18.0.0/16", "fd00::/8"), Ping4: true, Ping6: true,
		NewPerSecond: 200, NewBurst: 1000, Open: 4000, SYNProxy: true, FreeSYNs: 50}
	named.Interfaces[0].ReversePath = ReversePathStrict
	named.Interfaces[1].ReversePath = ReversePathLoose
	named.Interfaces[3].ReversePath = ReversePathOff
	return map[string]Policy{
		"grouped":  groupedOffice(),
		"named":    named,
		"language": language(),
		"lockdown": Lockdown("ipsec0", 100), "office": office(), "many-zones": many,
		"ike-from-anywhere": roadwarrior, "everything-through-the-tunnel": everything, "empty": {},
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func mustCompile(t testing.TB, p Policy) Ruleset {
	t.Helper()
	r, err := Compile(p)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	return r
}

// offloading is office with a fast path, which the kernel of a build machine may
// not have: only the guest loads it.
func offloading() Policy {
	p := office()
	p.Interfaces = append(p.Interfaces, Interface{Device: "lan0.20", Zone: "guest", Addresses: prefixes("10.9.0.1/24")},
		Interface{Device: "slow0", Zone: "guest"})
	p.Offload, p.NoOffload = true, []string{"slow0"}
	return p
}

func TestCompileGivesTheGoldenText(t *testing.T) {
	all := policies()
	all["offload"] = offloading()
	for name, p := range all {
		t.Run(name, func(t *testing.T) {
			got := mustCompile(t, p).String()
			file := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s differs (-want +got):\n%s", file, diff)
			}
			if again := mustCompile(t, p).String(); again != got {
				t.Error("compiling twice gives two texts")
			}
			if p.Offload {
				return
			}
			if err := newSpace(t).load(got, "-c"); err != nil {
				t.Errorf("nft does not accept it: %v", err)
			}
		})
	}
}

// The text and the netlink messages are written by different code. That the
// kernel then lists the same table proves that they mean the same.
func TestApplyAndTextGiveTheSameTable(t *testing.T) {
	for name, p := range policies() {
		t.Run(name, func(t *testing.T) {
			r := mustCompile(t, p)
			byText, byApply := newSpace(t), newSpace(t)
			if err := byText.load(r.String()); err != nil {
				t.Fatal(err)
			}
			var err error
			byApply.do(func() { err = NewApplier(quiet()).Apply(context.Background(), r) })
			if err != nil {
				t.Fatal(err)
			}
			want, got := byText.sh("nft list ruleset"), byApply.sh("nft list ruleset")
			if !strings.Contains(got, r.generation()) {
				t.Error("the listing has no generation marker")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the kernel's listings differ (-text +apply):\n%s", diff)
			}
		})
	}
}
