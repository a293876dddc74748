package store

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestEveryFaultIsNamed(t *testing.T) {
	for field, change := range map[string]func(*Document){
		"interfaces[1].addresses[2]": func(d *Document) {
			d.Interfaces[1].Addresses = append(d.Interfaces[1].Addresses, d.Interfaces[1].Addresses[0])
		},
		"interfaces[0].addresses[0]": func(d *Document) { d.Interfaces[0].Addresses[0] = netip.MustParsePrefix("224.0.0.1/24") },
		"interfaces[0].gateways[1]":  func(d *Document) { d.Interfaces[0].Gateways[1] = netip.MustParseAddr("fe80::1%eth0") },
		"routes[0].destination": func(d *Document) {
			d.Routes = []Route{{netip.MustParsePrefix("10.9.0.1/16"), netip.MustParseAddr("10.1.0.9")}}
		},
		"firewall.rules[1].name":        func(d *Document) { d.Firewall.Rules = append(d.Firewall.Rules, d.Firewall.Rules[0]) },
		"firewall.rules[0].to":          func(d *Document) { d.Firewall.Rules[0].To = "dmz" },
		"firewall.rules[0].action":      func(d *Document) { d.Firewall.Rules[0].Action = "log" },
		"branches[0].local_id":          func(d *Document) { d.Branches[0].LocalID = "two words" },
		"branches[0].name":              func(d *Document) { d.Branches[0].Name = "Leeds" },
		"branches[0].note":              func(d *Document) { d.Branches[0].Note = strings.Repeat("x", 2000) },
		"branches[0].local_networks[1]": func(d *Document) { d.Branches[0].RemoteNetworks = d.Branches[0].RemoteNetworks[:1] },
		"version":                       func(d *Document) { d.Version = 2 },
		"system.name":                   func(d *Document) { d.System.Name = "a b" },
		"interfaces[0].name":            func(d *Document) { d.Interfaces[0].Name = "Über" },
		"interfaces[1].device":          func(d *Document) { d.Interfaces[1].Device = d.Interfaces[0].Device },
		"interfaces[0].device":          func(d *Document) { d.Interfaces[0].Device = "../../x" },
		"interfaces[0].zone":            func(d *Document) { d.Interfaces[0].Zone = "dmz" },
		"interfaces[0].mtu":             func(d *Document) { d.Interfaces[0].MTU = 500 },
		"interfaces[0].addresses":       func(d *Document) { d.Interfaces[0].Addresses = nil },
		"interfaces[1].addresses[0]":    func(d *Document) { d.Interfaces[1].Addresses[0] = netip.MustParsePrefix("10.1.0.0/24") },
		"interfaces[0].gateways[0]":     func(d *Document) { d.Interfaces[0].Gateways[0] = netip.MustParseAddr("192.0.2.1") },
		"interfaces[1].gateways":        func(d *Document) { d.Interfaces[1].Gateways = []netip.Addr{netip.MustParseAddr("10.1.0.9")} },
		"routes[0].via": func(d *Document) {
			d.Routes = []Route{{netip.MustParsePrefix("10.9.0.0/16"), netip.MustParseAddr("192.0.2.7")}}
		},
		"firewall.defaults[0].action":    func(d *Document) { d.Firewall.Defaults[0].From = ZoneWAN },
		"firewall.defaults[1].to":        func(d *Document) { d.Firewall.Defaults[1].To = "moon" },
		"firewall.rules[0].ports":        func(d *Document) { d.Firewall.Rules[0].Protocol = "icmp" },
		"firewall.rules[0].ports[0]":     func(d *Document) { d.Firewall.Rules[0].Ports[0].First = 0 },
		"firewall.rules[0].protocol":     func(d *Document) { d.Firewall.Rules[0].Protocol = "gre" },
		"firewall.rules[0].sources[0]":   func(d *Document) { d.Firewall.Rules[0].Sources = networks("10.1.0.5/24") },
		"branches[0].peer":               func(d *Document) { d.Branches[0].Peer = "300.1.2.3" },
		"branches[0].remote_id":          func(d *Document) { d.Branches[0].Peer, d.Branches[0].Start = "", StartAnswer },
		"branches[0].start":              func(d *Document) { d.Branches[0].Start = "never" },
		"branches[0].psk":                func(d *Document) { d.Branches[0].PSK = "short" },
		"branches[0].ppk":                func(d *Document) { d.Branches[0].PPKID = "vault-1" },
		"branches[0].ppk_id":             func(d *Document) { d.Branches[0].PPK = Secret(strings.Repeat("k", 32)) },
		"branches[0].authority":          func(d *Document) { d.Branches[0].Certificate = "gateway" },
		"branches[0].certificate":        func(d *Document) { d.Branches[0].Authority = "office" },
		"branches[0].algorithms":         func(d *Document) { d.Branches[0].Algorithms = "careless" },
		"branches[0].local_networks":     func(d *Document) { d.Branches[0].LocalNetworks = nil },
		"branches[0].remote_networks[0]": func(d *Document) { d.Branches[0].RemoteNetworks[0] = netip.MustParsePrefix("10.1.0.128/25") },
		"branches[0].ike_proposals[0]":   func(d *Document) { d.Branches[0].IKEProposals = []string{"des"} },
		"branches[0].esp_proposals[0]":   func(d *Document) { d.Branches[0].ESPProposals = []string{"null"} },
		"branches[0].rekey_seconds":      func(d *Document) { d.Branches[0].RekeySeconds = 1 },
		"branches[0].dpd_seconds":        func(d *Document) { d.Branches[0].DPDSeconds = 99999 },
		"firewall.defaults[3].from":      func(d *Document) { d.Firewall.Defaults = append(d.Firewall.Defaults, d.Firewall.Defaults[0]) },
		"branches[1].name":               func(d *Document) { d.Branches = append(d.Branches, d.Branches[0]) },
	} {
		doc := example(t)
		if err := doc.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&doc)
		var found ValidationError
		if err := doc.Validate(); !errors.As(err, &found) {
			t.Errorf("%s: no error", field)
			continue
		}
		named := false
		for _, f := range found {
			named = named || f.Field == field
		}
		if !named {
			t.Errorf("%s is not named in: %v", field, found)
		}
		if strings.Contains(found.Error(), testKey) {
			t.Errorf("%s: the error shows the key", field)
		}
	}
}

func TestEveryFaultOfEveryKindIsNamed(t *testing.T) {
	addr := netip.MustParseAddr
	for field, change := range map[string]func(*Document){
		"zones[0].name":      func(d *Document) { d.Zones[0].Name = "lan" },
		"zones[1].name":      func(d *Document) { d.Zones[1].Name = d.Zones[0].Name },
		"interfaces[0].zone": func(d *Document) { d.Interfaces[0].Zone = ZoneVPN },
		"interfaces[1].zone": func(d *Document) { d.Interfaces[1].Zone = "nowhere" },
		"lists[0].note":      func(d *Document) { d.Lists[0].Note = strings.Repeat("x", 2000) },
		"lists[0].names[1]":  func(d *Document) { d.Lists[0].Names = []string{"a.example", "no name"} },
		"lists[0].names[0]":  func(d *Document) { d.Lists[0].Names = []string{"192.0.2.1"} },
		"lists[0].names[2]":  func(d *Document) { d.Lists[0].Names = []string{"a.example", "b.example", "a.example"} },
		"lists[0].urls[0]":   func(d *Document) { d.Lists[0].URLs = []string{"file:///etc/passwd"} },
		"lists[0].urls[1]":   func(d *Document) { d.Lists[0].URLs = []string{"http://a.example/", "https://me:secret@a.example/"} },
		"lists[0].urls[2]": func(d *Document) {
			d.Lists[0].URLs = []string{"http://a.example/", "http://b.example", "http://a b/#c"}
		},
		"lists[0].urls":                          func(d *Document) { d.Lists[0].URLs = make([]string, 33) },
		"lists[0].refresh_minutes":               func(d *Document) { d.Lists[0].RefreshMinutes = 4 },
		"lists[0].countries[1]":                  func(d *Document) { d.Lists[0].Countries = []string{"NL", "de"} },
		"services[0].protocol":                   func(d *Document) { d.Services[0].Protocol = "256" },
		"services[1].ports":                      func(d *Document) { d.Services[1].Protocol, d.Services[1].Ports = "47", []PortRange{{1, 2}} },
		"firewall.rules[1].source_lists[0]":      func(d *Document) { d.Lists = d.Lists[1:] },
		"firewall.rules[1].destination_lists[0]": func(d *Document) { d.Firewall.Rules[1].DestinationLists[0] = "gone" },
		"firewall.rules[1].source_lists[1]":      func(d *Document) { l := &d.Firewall.Rules[1].SourceLists; *l = append(*l, (*l)[0]) },
		"firewall.rules[1].services":             func(d *Document) { d.Firewall.Rules[1].Protocol = "tcp" },
		"firewall.rules[2].services[0]":          func(d *Document) { d.Services = d.Services[:1] },
		"firewall.rules[2].name":                 func(d *Document) { d.Firewall.Rules[2].Name = "spoof-x" },
		"firewall.rules[1].from":                 func(d *Document) { d.Firewall.Rules[1].From = ZoneGateway },
		"firewall.forwards[0].address":           func(d *Document) { d.Firewall.Forwards[0].Address = addr("10.1.0.1") },
		"firewall.forwards[0].to":                func(d *Document) { d.Firewall.Forwards[0].To = Target{} },
		"firewall.forwards[0].ports":             func(d *Document) { d.Firewall.Forwards[0].Ports = PortRange{} },
		"firewall.forwards[1].to":                func(d *Document) { d.Firewall.Forwards[1].To.Addr = addr("192.0.2.7") },
		"firewall.forwards[1].to_port":           func(d *Document) { f := &d.Firewall.Forwards[1]; f.Ports, f.ToPort = PortRange{1, 200}, 65400 },
		"firewall.forwards[1].name":              func(d *Document) { d.Firewall.Forwards[1].Name = d.Firewall.Rules[0].Name },
		"firewall.forwards[0].to_port":           func(d *Document) { f := &d.Firewall.Forwards[0]; f.Ports, f.ToPort = PortRange{1, 1000}, 65000 },
		"firewall.forwards[0].sources[0]":        func(d *Document) { d.Firewall.Forwards[0].Sources = prefixes("2001:db8::/32") },
		"firewall.forwards[1].ports":             func(d *Document) { meet(&d.Firewall.Forwards[0], &d.Firewall.Forwards[1]) },
		"firewall.nat[0].address":                func(d *Document) { d.Firewall.NAT[0].Address = addr("203.0.113.99") },
		"firewall.nat[0].sources": func(d *Document) {
			d.Firewall.NAT[0].Action, d.Firewall.NAT[0].Sources = NATOneToOne, networks("10.1.0.0/24")
		},
		"firewall.nat[1].address":      func(d *Document) { d.Firewall.NAT[1].Address = addr("203.0.113.2") },
		"manual_sas[0].spi":            func(d *Document) { d.ManualSAs[0].SPI = 255 },
		"manual_sas[1].spi":            func(d *Document) { d.ManualSAs[1].SPI = d.ManualSAs[0].SPI },
		"manual_sas[0].encryption":     func(d *Document) { d.ManualSAs[0].Encryption = "aes256-gcm" },
		"manual_sas[0].encryption_key": func(d *Document) { d.ManualSAs[0].EncryptionKey = "0011" },
		"manual_sas[0].integrity_key":  func(d *Document) { d.ManualSAs[0].IntegrityKey = "not hexadecimal" },
		"manual_sas[1].integrity_key":  func(d *Document) { d.ManualSAs[1].IntegrityKey = "" },
		"manual_sas[0].replay_window":  func(d *Document) { d.ManualSAs[0].ReplayWindow = 5000 },
		"manual_sas[0].destination":    func(d *Document) { d.ManualSAs[0].Destination = addr("2001:db8::9") },
		"policies[0].sas":              func(d *Document) { d.Policies[0].Protection = Bypass },
		"policies[0].sas[0]":           func(d *Document) { d.Policies[0].SAs[0] = "gone" },
		"groups[0].pools[1]":           func(d *Document) { d.Groups[0].Pools = prefixes("10.200.0.0/24", "10.201.0.0/24") },
		"groups[0].domains[0]":         func(d *Document) { d.Groups[0].Domains[0] = "no domain" },
		"dhcp[0].first":                func(d *Document) { d.DHCP[0].First = addr("10.9.0.5") },
		"dhcp[0].last":                 func(d *Document) { d.DHCP[0].First, d.DHCP[0].Last = d.DHCP[0].Last, d.DHCP[0].First },
		"dhcp[0].interface":            func(d *Document) { d.DHCP[0].Interface = d.Interfaces[0].Name },
		"dhcp[0].lease_seconds":        func(d *Document) { d.DHCP[0].LeaseSeconds = 1 },
		"reservations[0].mac":          func(d *Document) { d.Reservations[0].MAC = "02:00:00:00:00" },
		"reservations[1].mac":          func(d *Document) { d.Reservations[1].MAC = d.Reservations[0].MAC },
		"reservations[1].address":      func(d *Document) { d.Reservations[1].Address = d.Reservations[0].Address },
		"hosts[0].addresses":           func(d *Document) { d.Hosts[0].Addresses = nil },
		"dns.domain":                   func(d *Document) { d.DNS.Domain = "no domain" },
	} {
		doc := everything(t)
		change(&doc)
		var found ValidationError
		if err := doc.Validate(); !errors.As(err, &found) || !slices.ContainsFunc(found, func(f FieldError) bool { return f.Field == field }) {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
}

// meet makes two forwards want the same connections.
func meet(a, b *Forward) {
	for _, f := range []*Forward{a, b} {
		f.Enabled, f.Protocol, f.Ports, f.Sources, f.SourceLists = true, "tcp", PortRange{80, 90}, nil, nil
	}
}

func TestEveryFaultIsFoundAtOnce(t *testing.T) {
	doc := example(t)
	doc.System.Name = ""
	doc.Interfaces[0].MTU = 1
	doc.Firewall.Rules[0].Action = ""
	doc.Branches[0].PSK = ""
	var found ValidationError
	if err := doc.Validate(); !errors.As(err, &found) || len(found) != 4 {
		t.Errorf("%v", err)
	}
}

func TestWhatMayStandTogether(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Document)
		fault  string // empty: allowed
	}{
		"a second address in the same network": {func(d *Document) {
			d.Interfaces[1].Addresses = append(d.Interfaces[1].Addresses, netip.MustParsePrefix("10.1.0.2/24"))
		}, ""},
		"one network on two ports": {func(d *Document) {
			d.Interfaces[0].Addresses = append(d.Interfaces[0].Addresses, netip.MustParsePrefix("10.1.0.2/24"))
		}, "interfaces[1].addresses[0]"},
		"a static route wider than a branch's network": {func(d *Document) {
			d.Routes = []Route{{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParseAddr("10.1.0.9")}}
		}, ""},
		"a static route that would lead past the tunnel": {func(d *Document) {
			d.Routes = []Route{{netip.MustParsePrefix("10.2.0.128/25"), netip.MustParseAddr("10.1.0.9")}}
		}, "branches[0].remote_networks[0]"},
		"everything local, as a hub has it": {func(d *Document) {
			d.Branches[0].LocalNetworks = prefixes("0.0.0.0/0", "::/0")
		}, ""},
		"a local network within the remote one": {func(d *Document) {
			d.Branches[0].LocalNetworks = prefixes("10.2.0.128/25", "fd00:1::/64")
		}, "branches[0].remote_networks[0]"},
		"a caller from anywhere with an identity": {func(d *Document) {
			d.Branches[0].Peer, d.Branches[0].Start, d.Branches[0].RemoteID = "", StartAnswer, "leeds@example.org"
		}, ""},
		"two branches that call under one identity": {func(d *Document) { second(d, "LEEDS@example.org", true) }, "branches[1].remote_id"},
		"the same, but one is switched off":         {func(d *Document) { second(d, "leeds@example.org", false) }, ""},
		"a peer by its DNS name":                    {func(d *Document) { d.Branches[0].Peer = "vpn.example.org" }, ""},
		"a peer that listens here":                  {func(d *Document) { d.Branches[0].Peer = "127.0.0.1" }, "branches[0].peer"},
		"a caller that is to be called":             {func(d *Document) { d.Branches[0].Peer = "" }, "branches[0].peer"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := example(t)
			c.change(&doc)
			err := doc.Validate()
			var found ValidationError
			switch {
			case c.fault == "" && err != nil:
				t.Error(err)
			case c.fault != "" && (!errors.As(err, &found) || found[0].Field != c.fault):
				t.Errorf("%v, want a fault of %s", err, c.fault)
			}
		})
	}
}

// second makes both the first branch and a new one callers from anywhere.
func second(d *Document, identity string, enabled bool) {
	d.Branches[0].Peer, d.Branches[0].Start, d.Branches[0].RemoteID = "", StartAnswer, "leeds@example.org"
	b := d.Branches[0]
	b.Name, b.RemoteID, b.Enabled = "york", identity, enabled
	b.LocalNetworks, b.RemoteNetworks = b.LocalNetworks[:1], prefixes("10.3.0.0/24")
	d.Branches = append(d.Branches, b)
}
