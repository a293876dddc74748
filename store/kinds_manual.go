package store

import "fmt"

var directionChoices = []string{string(In), string(Out)}

var manualKind = within(kind[ManualSA]{
	info: KindInfo{Name: "manual-sa", Heading: "Manual SAs", Area: AreaIPsec, Plural: "manual-sas", Title: "Manual SA",
		Help: "A security association keyed by hand, one direction, for peers without IKEv2. Policies name it.", More: "Lifetime and peculiarities"},
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
		of("udp_port", "the peer's UDP port", func(s *ManualSA) any { return &s.UDPPort }).more().
			help("Carries ESP in UDP, which passes a NAT; this side uses 4500. Empty: directly over IP."),
		of("spi", "the SPI", func(s *ManualSA) any { return &s.SPI }).required().help("256 or more; with the destination it names the SA."),
		of("encryption", "the encryption", func(s *ManualSA) any { return &s.Encryption }).choices(namesOf(handEncryptions)...).unless(notByHand).
			help("Empty with ah."),
		of("encryption_key", "the encryption key", func(s *ManualSA) any { return &s.EncryptionKey }).help("Hexadecimal."),
		of("integrity", "the integrity check", func(s *ManualSA) any { return &s.Integrity }).required().choices(namesOf(handIntegrities)...).unless(notByHand),
		of("integrity_key", "the integrity key", func(s *ManualSA) any { return &s.IntegrityKey }).help("Hexadecimal."),
		of("legacy", "broken algorithms", func(s *ManualSA) any { return &s.Legacy }).more().dangerous().
			help("Admits DES, 3DES, Blowfish, CAST-128 and MD5, which can be broken, for a peer that knows nothing better."),
		of("esn", "extended sequence numbers", func(s *ManualSA) any { return &s.ESN }).more().help("64 bits long; both sides must have it."),
		of("replay_window", "the replay window", func(s *ManualSA) any { return &s.ReplayWindow }).in("packets").more().help("At most 4096; empty means 64."),
		of("no_replay", "packets taken twice", func(s *ManualSA) any { return &s.NoReplay }).more().dangerous().
			help("Switches the replay check off: whoever recorded a packet can send it again. For a peer that counts from one again when it restarts."),
		of("soft_hours", "the age that new keys are due at", func(s *ManualSA) any { return &s.SoftHours }).in("hours").more(),
		of("hard_hours", "the age that it ends at", func(s *ManualSA) any { return &s.HardHours }).in("hours").more(),
		of("soft_megabytes", "the amount that new keys are due after", func(s *ManualSA) any { return &s.SoftMegabytes }).in("MB").more(),
		of("hard_megabytes", "the amount that it ends after", func(s *ManualSA) any { return &s.HardMegabytes }).in("MB").more(),
		of("soft_packets", "the count that new keys are due after", func(s *ManualSA) any { return &s.SoftPackets }).in("packets").more(),
		of("hard_packets", "the count that it ends after", func(s *ManualSA) any { return &s.HardPackets }).in("packets").more(),
		of("successor", "the SA that takes over when new keys are due", func(s *ManualSA) any { return &s.Successor }).refs("manual-sa").more().
			help("Empty: the traffic ends with this one."),
		noted(func(s *ManualSA) any { return &s.Note }),
	},
	tidy: func(s *ManualSA) {
		if s.Protocol == "ah" || s.Encryption == "null" {
			s.EncryptionKey = ""
		}
	},
	danger: func(s *ManualSA) string {
		encryption, _ := algorithm(handEncryptions, s.Encryption)
		integrity, _ := algorithm(handIntegrities, s.Integrity)
		switch {
		case encryption.legacy || integrity.legacy:
			return "Its algorithms can be broken"
		case s.NoReplay:
			return "Takes packets twice"
		}
		return ""
	},
	check: (*checker).manualSA,
}, "manual_sas", func(d *Document) *[]ManualSA { return &d.ManualSAs })

var policyKind = within(kind[Policy]{
	info: KindInfo{Name: "policy", Area: AreaIPsec, Plural: "policies", Title: "Policy", Ordered: true, More: "Users, labels, ports and traffic classes",
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
		of("sources", "the sources", func(p *Policy) any { return &p.Sources }).help("Addresses, networks and ranges, one a line; empty means any."),
		of("destinations", "the destinations", func(p *Policy) any { return &p.Destinations }).help("What is protected on its way there goes protected or not at all."),
		of("source_users", "the source users", func(p *Policy) any { return &p.SourceUsers }).refs("user").more().
			help("Whoever holds an address of theirs at the time."),
		of("source_groups", "the source groups", func(p *Policy) any { return &p.SourceGroups }).refs("group").more(),
		of("destination_users", "the destination users", func(p *Policy) any { return &p.DestinationUsers }).refs("user").more(),
		of("destination_groups", "the destination groups", func(p *Policy) any { return &p.DestinationGroups }).refs("group").more(),
		of("labels", "the labels", func(p *Policy) any { return &p.Labels }).refs("label").more().help("Only what carries one of them."),
		of("services", "the services", func(p *Policy) any { return &p.Services }).refs("service"),
		of("source_ports", "the source ports", func(p *Policy) any { return &p.SourcePorts }).more().help("For services of tcp and udp."),
		of("opaque", "what hides its ports", func(p *Policy) any { return &p.Opaque }).more().
			help("Also takes fragments, whose ports cannot be seen."),
		of("dscp", "the code points", func(p *Policy) any { return &p.DSCP }).more().help("0 to 63 or names such as ef, one a line."),
		of("flow_labels", "the flow labels", func(p *Policy) any { return &p.FlowLabels }).more().help("Of IPv6, one a line."),
		of("sas", "the SAs", func(p *Policy) any { return &p.SAs }).refs("manual-sa").inOrder().help("The innermost first; only with protect."),
		noted(func(p *Policy) any { return &p.Note }),
	},
	check: (*checker).policy,
}, "policies", func(d *Document) *[]Policy { return &d.Policies })
