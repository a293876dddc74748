package firewall

import (
	"net/netip"
	"time"
)

// language is a policy that says everything that rules can say.
func language() Policy {
	p := office()
	addr := netip.MustParseAddr
	p.Interfaces = append(p.Interfaces, Interface{Device: "guest0", Zone: "guest", Addresses: prefixes("10.9.0.1/24", "fd00:9::1/64")})
	p.Tunnels[0].Remote = prefixes("10.2.0.0/16", "fd00:2::/32")
	p.Lists = []List{
		{ID: "staff", Live: true, Ranges: []Range{{addr("10.2.9.0"), addr("10.2.9.255")}}},
		{ID: "later", Live: true},
		{ID: "partner", Ranges: []Range{{addr("fd00:2:8::"), addr("fd00:2:8::ff")}}},
	}
	p.TunnelZones = []TunnelZone{
		{Zone: "users", Lists: []string{"staff"}},
		{Zone: "partners", Networks: prefixes("10.2.8.0/23", "10.2.12.0/24"), Lists: []string{"partner"}},
		{Zone: "nobody"},
	}
	p.AdminZones = []string{"users"}
	p.Defaults = append(p.Defaults, Default{"users", ZoneLAN, Allow}, Default{"partners", "users", Allow})
	work := func(days ...time.Weekday) (out []TimeSpan) {
		for _, d := range days {
			out = append(out, TimeSpan{d, 8 * 3600, 18*3600 - 1})
		}
		return out
	}
	p.Rules = []Rule{
		{ID: "known-host", From: ZoneLAN, To: ZoneGateway, SourceMACs: []MAC{{2, 0, 0, 0, 0, 1}}, Action: Allow},
		{ID: "known-hosts", From: "guest", To: ZoneWAN, SourceMACs: []MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1}}, Action: Allow},
		{ID: "voice", From: ZoneLAN, DSCP: []uint8{46, 0, 10, 11, 12}, Action: Allow},
		{ID: "voice-out", From: ZoneLAN, Destinations: prefixes("2001:db8:5::/48"), DSCP: []uint8{46}, Services: []Service{{Protocol: UDP}, {Protocol: ICMP}}, Action: Drop},
		{ID: "work", From: "guest", To: ZoneWAN, Protocol: TCP, Action: Allow, Times: append(
			work(time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday), TimeSpan{time.Saturday, 0, lastSecond}, TimeSpan{time.Monday, 22 * 3600, lastSecond}, TimeSpan{time.Monday, 17 * 3600, 19*3600 - 1})},
		{ID: "always", From: "guest", To: ZoneGateway, Protocol: UDP, Action: Reject, Times: []TimeSpan{
			{0, 0, lastSecond}, {1, 0, lastSecond}, {2, 0, lastSecond}, {3, 0, lastSecond}, {4, 0, lastSecond}, {5, 0, lastSecond}, {6, 0, lastSecond}}},
		{ID: "numbers", From: ZoneVPN, To: ZoneLAN, Action: Allow, Services: []Service{
			{Protocol: OtherProtocol, Numbers: []NumberRange{{50, 51}, {47, 47}, {112, 112}}}, {Protocol: OtherProtocol, Numbers: []NumberRange{{132, 140}}}}},
		{ID: "messages", From: "partners", To: ZoneLAN, Action: Allow, Services: []Service{{Protocol: ICMP, Messages: []Message{
			{Type: 8, Code: AnyCode}, {Type: 13, Code: 0}, {Type: 3, Code: 4}, {V6: true, Type: 128, Code: AnyCode}, {V6: true, Type: 139, Code: AnyCode}, {V6: true, Type: 1, Code: 1}}}}},
		{ID: "messages-here", From: ZoneWAN, To: ZoneGateway, Destinations: prefixes("203.0.113.2/32"), Action: Allow, Services: []Service{{Protocol: ICMP, Messages: []Message{{Type: 8, Code: 0}, {V6: true, Type: 128, Code: AnyCode}}}}},
		{ID: "slow", From: ZoneWAN, To: ZoneLAN, Destinations: prefixes("10.1.0.9/32", "fd00:1::9/128"), Protocol: TCP, Ports: []PortRange{{25, 25}}, Action: Allow,
			Limit: Limit{Rate: 10, Per: time.Minute, Burst: 20}},
		{ID: "slow-each", From: ZoneWAN, To: ZoneLAN, SourceLists: []string{"later"}, Protocol: TCP, Action: Allow, Log: true,
			Limit: Limit{Rate: 100, Per: 24 * time.Hour, Open: 5, PerSource: true}},
		{ID: "few", From: "users", Protocol: TCP, Action: Allow, Limit: Limit{Open: 100}},
		{ID: "from-staff", From: "users", To: ZoneWAN, SourceLists: []string{"staff", "later"}, Action: Allow},
	}
	return p
}
