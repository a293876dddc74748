package store

import "fmt"

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
		of("start", "who calls", func(b *Branch) any { return &b.Start }).choices(string(StartAlways), string(StartTraffic), string(StartAnswer)).
			called(map[string]string{string(StartAlways): "we", string(StartTraffic): "we, when it is needed", string(StartAnswer): "they"}),
		of("local_networks", "our networks", func(b *Branch) any { return &b.LocalNetworks }),
		of("remote_networks", "their networks", func(b *Branch) any { return &b.RemoteNetworks }),
		of("local_id", "our identity", func(b *Branch) any { return &b.LocalID }),
		of("remote_id", "their identity", func(b *Branch) any { return &b.RemoteID }),
		of("psk", "the shared key", func(b *Branch) any { return &b.PSK }),
		of("certificate", "our certificate", func(b *Branch) any { return &b.Certificate }).refs("certificate").
			help("In place of a shared key, on both sides. It needs its key here."),
		of("authority", "the authority of their certificate", func(b *Branch) any { return &b.Authority }).refs("authority").
			help("Their identity must be a subject alternative name of their certificate; a common name counts for nothing."),
		of("their_certificate", "their certificate", func(b *Branch) any { return &b.TheirCertificate }).refs("certificate").
			help("Only this one is accepted, whoever issued it and whatever its names are."),
		of("ppk", "the post-quantum key", func(b *Branch) any { return &b.PPK }).
			help("A long random key that both sides have from elsewhere (RFC 8784): it keeps what is recorded today closed to quantum computers. Empty means none."),
		of("ppk_id", "the name of the post-quantum key", func(b *Branch) any { return &b.PPKID }).help("The same on both sides."),
		of("ppk_optional", "doing without the post-quantum key", func(b *Branch) any { return &b.PPKOptional }).
			help("For the time until the other side has it too."),
		of("algorithms", "the algorithms", func(b *Branch) any { return &b.Algorithms }).choices(string(AlgorithmsStrict), string(AlgorithmsLegacy)).
			help("Strict leaves out whoever has no AES-256, SHA-384, P-384 and ML-KEM-1024, and is slower. Legacy lets an attacker with much computing power in: only for a peer that has nothing better."),
		of("ike_proposals", "the IKE proposals", func(b *Branch) any { return &b.IKEProposals }),
		of("esp_proposals", "the ESP proposals", func(b *Branch) any { return &b.ESPProposals }),
		of("rekey_seconds", "the key lifetime", func(b *Branch) any { return &b.RekeySeconds }).in("seconds"),
		of("dpd_seconds", "the patience with a silent peer", func(b *Branch) any { return &b.DPDSeconds }).in("seconds"),
		noted(func(b *Branch) any { return &b.Note }),
	},
	danger: func(b *Branch) string { return b.Danger() },
	check:  (*checker).branch,
	// A key that is used no more is not kept.
	tidy: func(b *Branch) {
		if b.Certificate != "" {
			b.PSK = ""
		}
		if b.PPKID == "" {
			b.PPK = ""
		}
	},
}, "branches", func(d *Document) *[]Branch { return &d.Branches })

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
