package store

import "fmt"

var directionChoices = []string{string(In), string(Out)}

var branchKind = within(kind[Branch]{
	info:    KindInfo{Name: "branch", Area: AreaIPsec, Plural: "branches", Title: "Branch", Help: "Another office, or a partner, connected by a tunnel."},
	table:   "branches",
	key:     func(b *Branch) string { return b.Name },
	summary: func(b *Branch) string { return fmt.Sprintf("(%s)", list(b.RemoteNetworks)) },
	fields: []field[Branch]{
		of("name", "", func(b *Branch) any { return &b.Name }).required(),
		of("enabled", "the tunnel", func(b *Branch) any { return &b.Enabled }),
		of("partner", "a partner's", func(b *Branch) any { return &b.Partner }).called(map[string]string{"on": "yes"}),
		of("peer", "their address", func(b *Branch) any { return &b.Peer }),
		of("start", "who calls", func(b *Branch) any { return &b.Start }).choices(string(StartAlways), string(StartAnswer)).
			called(map[string]string{string(StartAlways): "we", string(StartAnswer): "they"}),
		of("local_networks", "our networks", func(b *Branch) any { return &b.LocalNetworks }),
		of("remote_networks", "their networks", func(b *Branch) any { return &b.RemoteNetworks }),
		of("local_id", "our identity", func(b *Branch) any { return &b.LocalID }),
		of("remote_id", "their identity", func(b *Branch) any { return &b.RemoteID }),
		of("psk", "the shared key", func(b *Branch) any { return &b.PSK }),
		of("ike_proposals", "the IKE proposals", func(b *Branch) any { return &b.IKEProposals }),
		of("esp_proposals", "the ESP proposals", func(b *Branch) any { return &b.ESPProposals }),
		of("rekey_seconds", "the key lifetime", func(b *Branch) any { return &b.RekeySeconds }).in("seconds"),
		of("dpd_seconds", "the patience with a silent peer", func(b *Branch) any { return &b.DPDSeconds }).in("seconds"),
		noted(func(b *Branch) any { return &b.Note }),
	},
	check: (*checker).branch,
}, "branches", func(d *Document) *[]Branch { return &d.Branches })

var manualKind = within(kind[ManualSA]{
	info:    KindInfo{Name: "manual-sa", Heading: "Manual SAs", Area: AreaIPsec, Idle: idleIPsec, Plural: "manual-sas", Title: "Manual SA", Help: "A security association keyed by hand, one direction, for peers without IKEv2."},
	table:   "manual_sas",
	key:     func(s *ManualSA) string { return s.Name },
	summary: func(s *ManualSA) string { return fmt.Sprintf("(%s, %s, SPI %d)", s.Protocol, s.Direction, s.SPI) },
	fields: []field[ManualSA]{
		of("name", "", func(s *ManualSA) any { return &s.Name }).required(),
		of("enabled", "the SA", func(s *ManualSA) any { return &s.Enabled }),
		of("direction", "the direction", func(s *ManualSA) any { return &s.Direction }).required().choices(directionChoices...),
		of("protocol", "the protocol", func(s *ManualSA) any { return &s.Protocol }).required().choices("esp", "ah"),
		of("mode", "the mode", func(s *ManualSA) any { return &s.Mode }).required().choices("tunnel", "transport"),
		of("source", "the source", func(s *ManualSA) any { return &s.Source }).required().help("The outer address that packets come from."),
		of("destination", "the destination", func(s *ManualSA) any { return &s.Destination }).required(),
		of("spi", "the SPI", func(s *ManualSA) any { return &s.SPI }).required().help("256 or more; with the destination it names the SA."),
		of("encryption", "the encryption", func(s *ManualSA) any { return &s.Encryption }).choices("aes128-cbc", "aes256-cbc", "null").
			help("Empty with ah."),
		of("encryption_key", "the encryption key", func(s *ManualSA) any { return &s.EncryptionKey }).help("Hexadecimal."),
		of("integrity", "the integrity check", func(s *ManualSA) any { return &s.Integrity }).required().choices("hmac-sha256", "hmac-sha384", "hmac-sha512"),
		of("integrity_key", "the integrity key", func(s *ManualSA) any { return &s.IntegrityKey }).help("Hexadecimal."),
		of("replay_window", "the replay window", func(s *ManualSA) any { return &s.ReplayWindow }).in("packets").help("At most 4096; empty switches the check off."),
		noted(func(s *ManualSA) any { return &s.Note }),
	},
	tidy: func(s *ManualSA) {
		if s.Protocol == "ah" || s.Encryption == "null" {
			s.EncryptionKey = ""
		}
	},
	check: (*checker).manualSA,
}, "manual_sas", func(d *Document) *[]ManualSA { return &d.ManualSAs })

var policyKind = within(kind[Policy]{
	info: KindInfo{Name: "policy", Area: AreaIPsec, Idle: idleIPsec, Plural: "policies", Title: "Policy", Ordered: true,
		Help: "An entry of the security policy database: protect, bypass or discard; the first that matches decides."},
	table:   "policies",
	key:     func(p *Policy) string { return p.Name },
	summary: func(p *Policy) string { return fmt.Sprintf("(%s, %s)", p.Protection, p.Direction) },
	fields: []field[Policy]{
		of("name", "", func(p *Policy) any { return &p.Name }).required(),
		of("enabled", "the policy", func(p *Policy) any { return &p.Enabled }),
		of("direction", "the direction", func(p *Policy) any { return &p.Direction }).required().choices(directionChoices...),
		of("protection", "the protection", func(p *Policy) any { return &p.Protection }).required().
			choices(string(Protect), string(Bypass), string(Discard)),
		of("sources", "the sources", func(p *Policy) any { return &p.Sources }).help("Networks, one a line; empty means any."),
		of("destinations", "the destinations", func(p *Policy) any { return &p.Destinations }),
		of("services", "the services", func(p *Policy) any { return &p.Services }).refs("service"),
		of("sas", "the SAs", func(p *Policy) any { return &p.SAs }).refs("manual-sa").inOrder().help("The innermost first; only with protect."),
		noted(func(p *Policy) any { return &p.Note }),
	},
	check: (*checker).policy,
}, "policies", func(d *Document) *[]Policy { return &d.Policies })

var groupKind = within(kind[Group]{
	info:    KindInfo{Name: "group", Area: AreaPeople, Idle: idlePeople, Plural: "groups", Title: "Group", Help: "What its remote users get when they connect."},
	table:   "groups",
	key:     func(g *Group) string { return g.Name },
	summary: func(g *Group) string { return fmt.Sprintf("(%s)", list(g.Pools)) },
	fields: []field[Group]{
		of("name", "", func(g *Group) any { return &g.Name }).required(),
		of("pools", "the addresses given", func(g *Group) any { return &g.Pools }).help("One network for each family."),
		of("networks", "the networks reached", func(g *Group) any { return &g.Networks }).help("Empty means that everything goes through the tunnel."),
		of("dns", "the name servers", func(g *Group) any { return &g.DNS }),
		of("domains", "the domains they are asked for", func(g *Group) any { return &g.Domains }).help("Empty means all."),
		noted(func(g *Group) any { return &g.Note }),
	},
	check: (*checker).group,
}, "groups", func(d *Document) *[]Group { return &d.Groups })
