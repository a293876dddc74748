package firewall

import (
	"net/netip"
	"strings"
	"testing"
)

func TestCompileRefusesWhatWouldNotMeanWhatItSays(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(*Policy)
		want  string // in the error
	}{
		{"a device name with a quote", func(p *Policy) { p.Interfaces[0].Device = `a" accept` }, `interface "a\" accept"`},
		{"a device name that nft would take for a pattern", func(p *Policy) { p.Interfaces[0].Device = "eth*" }, `interface "eth*"`},
		{"a device twice", func(p *Policy) { p.Interfaces[1].Device = "wan0" }, "interface wan0"},
		{"loopback as a device", func(p *Policy) { p.Interfaces[1].Device = "lo" }, "interface lo"},
		{"the tunnel's device in a zone", func(p *Policy) { p.Interfaces[1].Device = "ipsec0" }, "interface ipsec0"},
		{"a device in the zone of the gateway", func(p *Policy) { p.Interfaces[1].Zone = ZoneGateway }, "interface lan0"},
		{"a zone with a line feed", func(p *Policy) { p.Interfaces[1].Zone = "lan\n" }, "interface lan0"},
		{"an address without value", func(p *Policy) { p.Interfaces[1].Addresses = []netip.Prefix{{}} }, "interface lan0"},
		{"IPv4 written as IPv6", func(p *Policy) { p.Rules[0].Sources = prefixes("::ffff:10.0.0.0/104") }, "rule branch-web"},
		{"a tunnel without a device", func(p *Policy) { p.TunnelDevice = "" }, "tunnel branch"},
		{"a default that opens wan", func(p *Policy) { p.Defaults = append(p.Defaults, Default{ZoneWAN, ZoneLAN, Allow}) }, "default wan to lan"},
		{"a default given twice", func(p *Policy) { p.Defaults = append(p.Defaults, Default{ZoneLAN, ZoneWAN, Drop}) }, "default lan to wan: given twice"},
		{"a default without a zone", func(p *Policy) { p.Defaults = append(p.Defaults, Default{ZoneLAN, "", Allow}) }, `default "lan" to ""`},
		{"a rule ID with a space", func(p *Policy) { p.Rules[0].ID = "my rule" }, `rule "my rule"`},
		{"a rule ID of the firewall's own", func(p *Policy) { p.Rules[0].ID = "leak" }, "rule leak"},
		{"a rule ID twice", func(p *Policy) { p.Rules[1].ID = "branch-web" }, "rule branch-web"},
		{"ports without a protocol", func(p *Policy) { p.Rules[0].Protocol = AnyProtocol }, "rule branch-web: ports need tcp or udp"},
		{"ports the wrong way round", func(p *Policy) { p.Rules[0].Ports = []PortRange{{9, 8}} }, "rule branch-web: ports 9-8"},
		{"an action that does not exist", func(p *Policy) { p.Rules[0].Action = 7 }, "rule branch-web: unknown action"},
		{"a rule for the gateway's own connections", func(p *Policy) { p.Rules[0].From = ZoneGateway }, "rule branch-web"},
		{"sources and destinations of different IP versions", func(p *Policy) {
			p.Rules[0].Sources, p.Rules[0].Destinations = prefixes("10.0.0.0/8"), prefixes("fd00::/8")
		}, "rule branch-web: its sources and destinations"},
		{"a peer with a zone", func(p *Policy) { p.IKE[0].Peer = netip.MustParseAddr("fe80::1%eth0") }, "IKE peer fe80::1%eth0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := office()
			row.spoil(&p)
			if _, err := Compile(p); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want one with %q", err, row.want)
			}
		})
	}
}
