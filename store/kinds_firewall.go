package store

import (
	"fmt"
	"strconv"
	"strings"
)

// networksHelp says what can stand where networks do.
const networksHelp = "One a line, empty means any: a network, or office+::80 for the host ::80 behind whatever IPv6 prefix the interface office has."

var actionChoices = []string{string(Allow), string(Reject), string(Drop)}

// counted is "1 entry" or "3 entries".
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

var serviceKind = within(kind[Service]{
	info:  KindInfo{Name: "service", Area: AreaFirewall, Plural: "services", Title: "Service", Help: "A protocol and its ports under one name."},
	table: "services",
	key:   func(s *Service) string { return s.Name },
	summary: func(s *Service) string {
		return fmt.Sprintf("(%s %s)", s.Protocol, strings.Join(append(s.Messages, list(s.Ports)), " "))
	},
	fields: []field[Service]{
		of("name", "", func(s *Service) any { return &s.Name }).required(),
		of("protocol", "the protocol", func(s *Service) any { return &s.Protocol }).required().
			help("tcp, udp, tcp+udp, icmp or numbers of IP protocols, as in 47 or 47,50-51."),
		of("ports", "the ports", func(s *Service) any { return &s.Ports }).help("One a line, as in 443 or 8000-8100; empty means all."),
		of("messages", "the messages", func(s *Service) any { return &s.Messages }).
			help("Of ICMP, one a line: a name such as echo-request, or a type with or without a code: icmp 3/4, icmpv6 1. Empty means all."),
		noted(func(s *Service) any { return &s.Note }),
	},
	check: func(c *checker, at string, s Service) {
		if !oneOf(s.Protocol, "", "tcp", "udp", "tcp+udp", "icmp") {
			if _, err := ParseProtocolNumbers(s.Protocol); err != nil {
				c.bad(at+".protocol", "choice", "%v", err)
			}
		}
		c.ports(at+".ports", s.Protocol, s.Ports)
		if len(s.Messages) > 0 && s.Protocol != "icmp" {
			c.bad(at+".messages", "choice", "only icmp has messages")
		}
		for i, m := range s.Messages {
			if _, err := ParseMessage(m); err != nil {
				c.bad(fmt.Sprintf("%s.messages[%d]", at, i), "format", "%v", err)
			}
		}
	},
}, "services", func(d *Document) *[]Service { return &d.Services })

var defaultKind = within(kind[ZoneDefault]{
	info:  KindInfo{Name: "default", Heading: "Zone matrix", Area: AreaFirewall, Plural: "defaults", Title: "Default", Help: "What happens between two zones when no rule decides."},
	table: "zone_defaults",
	key:   func(d *ZoneDefault) string { return string(d.From) + " to " + string(d.To) },
	fields: []field[ZoneDefault]{
		of("from", "", func(d *ZoneDefault) any { return &d.From }).required().refs("zone"),
		of("to", "", func(d *ZoneDefault) any { return &d.To }).required().refs("zone"),
		of("action", "the action", func(d *ZoneDefault) any { return &d.Action }).required().choices(actionChoices...),
	},
	compare: func(old, new Document) []string { return defaultChanges(old.Firewall.Defaults, new.Firewall.Defaults) },
	check: func(c *checker, at string, d ZoneDefault) {
		c.fromZone(at, d.From)
		if d.From == ZoneWAN && d.Action == Allow {
			c.bad(at+".action", "choice", "nothing from the internet may be allowed as a default; add a rule for what must come in")
		}
	},
}, "firewall.defaults", func(d *Document) *[]ZoneDefault { return &d.Firewall.Defaults })

var ruleKind = within(kind[Rule]{
	info: KindInfo{Name: "rule", Area: AreaFirewall, Plural: "rules", Title: "Rule", Ordered: true,
		More: "Users, branches, hardware addresses, schedules and limits",
		Help: "An exception to what the zones may do; the first that matches decides."},
	table: "rules",
	key:   func(r *Rule) string { return r.Name },
	summary: func(r *Rule) string {
		return fmt.Sprintf("(%s, from %s to %s)", r.Action, zoneWord(r.From), zoneWord(r.To))
	},
	fields: []field[Rule]{
		of("name", "", func(r *Rule) any { return &r.Name }).required().help("Appears in the log."),
		of("from", "from", func(r *Rule) any { return &r.From }).required().refs("zone"),
		of("to", "to", func(r *Rule) any { return &r.To }).required().refs("zone").help("gateway is this gateway itself."),
		of("disabled", "switched off", func(r *Rule) any { return &r.Disabled }).called(map[string]string{"on": "yes"}),
		of("sources", "the sources", func(r *Rule) any { return &r.Sources }).help(networksHelp),
		of("source_lists", "the source lists", func(r *Rule) any { return &r.SourceLists }).refs("list"),
		of("source_users", "the source users", func(r *Rule) any { return &r.SourceUsers }).refs("user").more(),
		of("source_groups", "the source groups", func(r *Rule) any { return &r.SourceGroups }).refs("group").more(),
		of("source_branches", "the source branches", func(r *Rule) any { return &r.SourceBranches }).refs("branch").more(),
		of("source_macs", "the hardware addresses", func(r *Rule) any { return &r.SourceMACs }).more().
			help("As in 02:00:5e:10:00:01, one a line. They can be told only of machines on the port itself, not of what is behind a router or a tunnel."),
		of("destinations", "the destinations", func(r *Rule) any { return &r.Destinations }).help(networksHelp),
		of("destination_lists", "the destination lists", func(r *Rule) any { return &r.DestinationLists }).refs("list"),
		of("destination_users", "the destination users", func(r *Rule) any { return &r.DestinationUsers }).refs("user").more(),
		of("destination_groups", "the destination groups", func(r *Rule) any { return &r.DestinationGroups }).refs("group").more(),
		of("destination_branches", "the destination branches", func(r *Rule) any { return &r.DestinationBranches }).refs("branch").more(),
		of("services", "the services", func(r *Rule) any { return &r.Services }).refs("service").help("Instead of a protocol and ports."),
		of("protocol", "the protocol", func(r *Rule) any { return &r.Protocol }).choices("tcp", "udp", "icmp"),
		of("ports", "the ports", func(r *Rule) any { return &r.Ports }).help("One a line, as in 443 or 8000-8100."),
		of("action", "the action", func(r *Rule) any { return &r.Action }).required().choices(actionChoices...),
		of("dscp", "the DSCP values", func(r *Rule) any { return &r.DSCP }).more().
			help("Marks of priority, one a line: 0 to 63, or a name such as ef, cs1 or af21."),
		of("schedules", "the schedules", func(r *Rule) any { return &r.Schedules }).refs("schedule").more().
			help("When the rule holds; none means always."),
		of("limit_rate", "the limit of new connections", func(r *Rule) any { return &r.LimitRate }).more().
			help("How many may begin in the time below; what is more is dropped. Empty means no limit."),
		of("limit_per", "the time of the limit", func(r *Rule) any { return &r.LimitPer }).choices("second", "minute", "hour", "day").more(),
		of("limit_burst", "how many may begin at once", func(r *Rule) any { return &r.LimitBurst }).more().
			help("The limit is spread evenly over its time; so many may come at once. Empty means as many as the limit."),
		of("limit_open", "the limit of open connections", func(r *Rule) any { return &r.LimitOpen }).more().
			help("How many may be open at the same time. Empty means no limit."),
		of("limit_per_source", "limits for each source", func(r *Rule) any { return &r.LimitPerSource }).more().
			help("Each address has the limits for itself; otherwise all have them together."),
		of("log", "the log", func(r *Rule) any { return &r.Log }),
		noted(func(r *Rule) any { return &r.Note }),
	},
	check: (*checker).rule,
}, "firewall.rules", func(d *Document) *[]Rule { return &d.Firewall.Rules })

var forwardKind = within(kind[Forward]{
	info: KindInfo{Name: "forward", Heading: "Port forwards", Area: AreaFirewall, Plural: "forwards", Title: "Port forward",
		Help: "Connections from outside that are led to a host inside."},
	table:   "forwards",
	key:     func(f *Forward) string { return f.Name },
	summary: func(f *Forward) string { return fmt.Sprintf("(%s %s to %s)", f.Protocol, f.Ports, f.To) },
	fields: []field[Forward]{
		of("name", "", func(f *Forward) any { return &f.Name }).required(),
		of("enabled", "the forward", func(f *Forward) any { return &f.Enabled }),
		of("address", "the outside address", func(f *Forward) any { return &f.Address }).help("One of this gateway's own; empty means all outside."),
		of("protocol", "the protocol", func(f *Forward) any { return &f.Protocol }).required().choices("tcp", "udp", "tcp+udp"),
		of("ports", "the outside ports", func(f *Forward) any { return &f.Ports }).required().help("One or a range, as in 443 or 8000-8100."),
		of("to", "the host", func(f *Forward) any { return &f.To }).required().help("The address inside that answers, or office+::80: then nothing is translated, and connections to that host are let pass."),
		of("to_port", "the port there", func(f *Forward) any { return &f.ToPort }).help("Empty means the same as outside."),
		of("sources", "the sources", func(f *Forward) any { return &f.Sources }).help("Who may come; empty means anybody."),
		of("source_lists", "the source lists", func(f *Forward) any { return &f.SourceLists }).refs("list"),
		of("log", "the log", func(f *Forward) any { return &f.Log }),
		noted(func(f *Forward) any { return &f.Note }),
	},
	check: (*checker).forward,
}, "firewall.forwards", func(d *Document) *[]Forward { return &d.Firewall.Forwards })

var natKind = within(kind[NAT]{
	info: KindInfo{Name: "nat", Heading: "NAT", Area: AreaFirewall, Plural: "nat", Title: "NAT", Ordered: true,
		Help: "Under which address something inside appears outside; the first that matches decides."},
	table:   "nat",
	key:     func(n *NAT) string { return n.Name },
	summary: func(n *NAT) string { return fmt.Sprintf("(%s, %s)", n.Action, list(n.Sources)) },
	fields: []field[NAT]{
		of("name", "", func(n *NAT) any { return &n.Name }).required(),
		of("enabled", "the entry", func(n *NAT) any { return &n.Enabled }),
		of("action", "the action", func(n *NAT) any { return &n.Action }).required().
			choices(string(NATSource), string(NATExempt), string(NATOneToOne), string(NATPrefix)).
			help("source: leave under the address below. exempt: leave as it came. one-to-one: one host has the address for itself, or one network the other, both ways. prefix: an IPv6 network appears under another prefix, both ways (NPTv6)."),
		of("sources", "the sources", func(n *NAT) any { return &n.Sources }).help("Networks inside, one a line. office+::/64 is whatever IPv6 prefix the interface office has."),
		of("destinations", "the destinations", func(n *NAT) any { return &n.Destinations }).help("Empty means all."),
		of("address", "the outside address", func(n *NAT) any { return &n.Address }).help("One of this gateway's own; with source, and with one-to-one for a host."),
		of("network", "the outside network", func(n *NAT) any { return &n.Network }).
			help("With prefix, and with one-to-one for a network: as long as the one inside, and led to this gateway by the provider."),
		noted(func(n *NAT) any { return &n.Note }),
	},
	check: (*checker).nat,
}, "firewall.nat", func(d *Document) *[]NAT { return &d.Firewall.NAT })
