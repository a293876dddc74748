package store

// theProtection is the name of the one object of its kind.
const theProtection = "protection"

var protectionFields = []field[Guards]{
	of("bogons_off", "accepting bogons", func(p *Guards) any { return &p.BogonsOff }).
		help("Let in packets from the internet whose source cannot be there, such as private networks."),
	of("bogon_exceptions", "the exceptions from bogons", func(p *Guards) any { return &p.BogonExceptions }).
		help("Networks, one a line, that are accepted although they are private or special. The networks of your own line and of your peers always are."),
	of("ping4", "answering pings over IPv4", func(p *Guards) any { return &p.Ping4 }).
		help("Strangers can see that this gateway is there."),
	of("ping6_off", "refusing pings over IPv6", func(p *Guards) any { return &p.Ping6Off }).
		help("The standard (RFC 4890) says that they should pass, also to what is behind the gateway; at most 50 a second do."),
	of("limits_off", "unlimited sources", func(p *Guards) any { return &p.LimitsOff }).
		help("Do not limit how many connections one address on the internet opens."),
	of("new_per_second", "the new connections of a source", func(p *Guards) any { return &p.NewPerSecond }).in("a second").
		help("Each address on the internet may begin as many in a second; empty means 200."),
	of("new_burst", "the burst of a source", func(p *Guards) any { return &p.NewBurst }).in("connections").
		help("And as many more at once; empty means 1000."),
	of("open", "the open connections of a source", func(p *Guards) any { return &p.Open }).in("connections").
		help("Each address on the internet may have as many at the same time; empty means 4000."),
	of("syn_proxy_off", "port forwards without a guard against SYN floods", func(p *Guards) any { return &p.SYNProxyOff }).
		help("Let hosts inside see every attempt to connect, not only those of somebody who is really there."),
	of("bans_off", "endless guessing", func(p *Guards) any { return &p.BansOff }).
		help("Do not ban addresses on the internet that fail to log in or to prove who they are."),
	of("ban_after", "the failures before a ban", func(p *Guards) any { return &p.BanAfter }).
		help("As many within ten minutes; empty means 10."),
	of("ban_minutes", "the first ban", func(p *Guards) any { return &p.BanMinutes }).in("minutes").
		help("Each further ban is twice as long, up to a day; empty means 10 minutes."),
	of("never_banned", "the networks that are never banned", func(p *Guards) any { return &p.NeverBanned }).
		help("One a line: another office of yours, for example."),
}

var protectionKind = (&kind[Guards]{
	info: KindInfo{Name: "protection", Plural: "protection", Title: "Protection", Heading: "Protection", Area: AreaFirewall, Single: true,
		Help: "Guards of the internet side that no rule has to ask for. All of them are on unless switched off here."},
	table:  "protection",
	path:   "firewall.protection",
	key:    func(*Guards) string { return theProtection },
	get:    func(d *Document) []Guards { return []Guards{d.Firewall.Protection} },
	fields: protectionFields,
	set: func(d *Document, all []Guards) {
		for _, p := range all {
			d.Firewall.Protection = p
		}
	},
	compare: func(old, new Document) []string {
		sentences := kind[Guards]{fields: protectionFields, key: func(*Guards) string { return "of the internet side" }}
		return sentences.factsOf(old.Firewall.Protection).changedTo("Protection", sentences.factsOf(new.Firewall.Protection))
	},
	check: func(c *checker, at string, p Guards) {
		c.networks(at+".bogon_exceptions", p.BogonExceptions)
		c.networks(at+".never_banned", p.NeverBanned)
		c.between(at+".new_per_second", p.NewPerSecond, 1, 100_000, "a second")
		c.between(at+".new_burst", p.NewBurst, 1, 100_000, "connections")
		c.between(at+".open", p.Open, 1, 1_000_000, "connections")
		c.between(at+".ban_after", p.BanAfter, 3, 1000, "failures")
		c.between(at+".ban_minutes", p.BanMinutes, 1, 1440, "minutes")
	},
}).finish()
