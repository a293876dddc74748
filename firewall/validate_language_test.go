package firewall

import (
	"strings"
	"testing"
	"time"
)

func TestCompileRefusesRulesThatCannotHold(t *testing.T) {
	first := func(change func(*Rule)) func(*Policy) { return func(p *Policy) { change(&p.Rules[0]) } }
	service := func(s Service) func(*Policy) {
		return first(func(r *Rule) { r.Protocol, r.Ports, r.Services = AnyProtocol, nil, []Service{s} })
	}
	limit := func(l Limit) func(*Policy) { return first(func(r *Rule) { r.Limit = l }) }
	for _, row := range []struct {
		name  string
		spoil func(*Policy)
		want  string // in the error
	}{
		{"a hardware address from the tunnel", first(func(r *Rule) { r.SourceMACs = []MAC{{2}} }), "rule branch-web: no hardware address comes through a tunnel"},
		{"a hardware address from a zone behind the tunnel", func(p *Policy) {
			p.TunnelZones = []TunnelZone{{Zone: "staff"}}
			p.Rules[0].From, p.Rules[0].SourceMACs = "staff", []MAC{{2}}
		}, "rule branch-web: no hardware address comes through a tunnel"},
		{"a hardware address from anywhere", first(func(r *Rule) { r.From, r.SourceMACs = "", []MAC{{2}} }), "rule branch-web: hardware addresses are seen only on a link"},
		{"no hardware address", first(func(r *Rule) { r.From, r.SourceMACs = ZoneLAN, []MAC{{}} }), "rule branch-web: 00:00:00:00:00:00"},
		{"a hardware address of a group", first(func(r *Rule) { r.From, r.SourceMACs = ZoneLAN, []MAC{{1, 0, 0x5e}} }), "rule branch-web: 01:00:5e:00:00:00"},
		{"a code point beyond six bits", first(func(r *Rule) { r.DSCP = []uint8{64} }), "rule branch-web: DSCP 64"},
		{"a day outside the week", first(func(r *Rule) { r.Times = []TimeSpan{{7, 0, 1}} }), "rule branch-web: day 7"},
		{"a time behind midnight", first(func(r *Rule) { r.Times = []TimeSpan{{1, 0, 86400}} }), "rule branch-web: Monday from second 0 to 86400"},
		{"a time before midnight", first(func(r *Rule) { r.Times = []TimeSpan{{1, -1, 5}} }), "rule branch-web: Monday from second -1"},
		{"a time over midnight", first(func(r *Rule) { r.Times = []TimeSpan{{1, 80000, 5}} }), "a span over midnight is two"},
		{"a limit on what is dropped", first(func(r *Rule) { r.Action, r.Limit = Drop, Limit{Open: 1} }), "rule branch-web: a limit is for what is allowed"},
		{"a limit of nothing", limit(Limit{PerSource: true}), "rule branch-web: the limit bounds nothing"},
		{"a burst without a rate", limit(Limit{Burst: 3, Open: 1}), "rule branch-web: the limit has a time or a burst, but no rate"},
		{"a rate per fortnight", limit(Limit{Rate: 3, Per: 14 * 24 * time.Hour}), "rule branch-web: a rate is per second"},
		{"a rate without a time", limit(Limit{Rate: 3}), "rule branch-web: a rate is per second"},
		{"a rate beyond the kernel's clock", limit(Limit{Rate: 1_000_001, Per: time.Second}), "rule branch-web: the limit is beyond"},
		{"a number without its protocol", service(Service{Numbers: []NumberRange{{1, 1}}}), "rule branch-web: a protocol is named, or given by its number"},
		{"another protocol without a number", service(Service{Protocol: OtherProtocol}), "rule branch-web: a protocol is named, or given by its number"},
		{"numbers the wrong way round", service(Service{Protocol: OtherProtocol, Numbers: []NumberRange{{9, 8}}}), "rule branch-web: protocols 9-8"},
		{"messages of UDP", service(Service{Protocol: UDP, Messages: []Message{{Type: 8}}}), "rule branch-web: messages need icmp"},
		{"a code beyond a byte", service(Service{Protocol: ICMP, Messages: []Message{{Type: 8, Code: 256}}}), "rule branch-web: ICMP type 8 has no code 256"},
		{"messages of one IP version between addresses of the other", func(p *Policy) {
			service(Service{Protocol: ICMP, Messages: []Message{{V6: true, Type: 128, Code: AnyCode}}})(p)
			p.Rules[0].Sources = prefixes("10.2.0.0/24")
		}, "rule branch-web: its sources and destinations"},
		{"a rule ID that is a limit's", first(func(r *Rule) { r.ID = "over-web" }), "rule over-web: the ID is one of the firewall's own"},
		{"a rule from a zone that is not there", first(func(r *Rule) { r.From = "lann" }), `rule branch-web: there is no zone "lann"`},
		{"a rule to a zone that is not there", first(func(r *Rule) { r.To = "dmz" }), `rule branch-web: there is no zone "dmz"`},
		{"a list that is not there", first(func(r *Rule) { r.SourceLists = []string{"friends"} }), "rule branch-web: there is no list friends"},
		{"a default for a zone that is not there", func(p *Policy) { p.Defaults = append(p.Defaults, Default{"dmz", ZoneLAN, Allow}) }, "default dmz to lan"},
		{"a zone of the page that is not there", func(p *Policy) { p.AdminZones = []string{"dmz"} }, `zone "dmz"`},
		{"a zone behind the tunnel that is an interface's", func(p *Policy) { p.TunnelZones = []TunnelZone{{Zone: ZoneLAN}} }, "tunnel zone lan: there is a zone"},
		{"a zone behind the tunnel twice", func(p *Policy) { p.TunnelZones = []TunnelZone{{Zone: "staff"}, {Zone: "staff"}} }, "tunnel zone staff: there is a zone"},
		{"a zone behind the tunnel with a space", func(p *Policy) { p.TunnelZones = []TunnelZone{{Zone: "my staff"}} }, `tunnel zone "my staff"`},
		{"a zone behind the tunnel with a list that is not there", func(p *Policy) { p.TunnelZones = []TunnelZone{{Zone: "staff", Lists: []string{"x"}}} }, "tunnel zone staff: there is no list x"},
		{"a zone behind no tunnel", func(p *Policy) {
			p.TunnelZones = []TunnelZone{{Zone: "staff"}}
			p.TunnelDevice, p.Tunnels = "", nil
		}, "tunnel zone staff: the policy names no tunnel device"},
		{"two interfaces with one network", func(p *Policy) { p.Interfaces[1].Addresses = prefixes("10.1.0.1/24", "203.0.113.77/24") }, "interface lan0: its network 203.0.113.0/24 overlaps 203.0.113.0/24 of interface wan0"},
		{"an interface's network within another's", func(p *Policy) { p.Interfaces[1].Addresses = prefixes("2001:db8:1::77/80") }, "interface lan0: its network 2001:db8:1::/80 overlaps 2001:db8:1::/64 of interface wan0"},
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

func TestWhatMayLookWrongAndIsNot(t *testing.T) {
	for name, change := range map[string]func(*Policy){
		"a rule for a zone without an interface": func(p *Policy) {
			p.Zones = []string{"dmz"}
			p.Rules[0].From, p.Rules[0].SourceMACs = "dmz", []MAC{{2}}
		},
		"link-local addresses on every link": func(p *Policy) {
			for i := range p.Interfaces {
				p.Interfaces[i].Addresses = append(p.Interfaces[i].Addresses, prefixes("fe80::1/64")...)
			}
		},
		"a routed network within another": func(p *Policy) { p.Interfaces[1].Routed = prefixes("203.0.113.64/26") },
		"two addresses of one interface in one network": func(p *Policy) {
			p.Interfaces[1].Addresses = append(p.Interfaces[1].Addresses, prefixes("10.1.0.2/24")...)
		},
	} {
		p := office()
		change(&p)
		if _, err := Compile(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
