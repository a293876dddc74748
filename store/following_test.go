package store

import (
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestWhatFollowsAPrefixReadsAsItIsWritten(t *testing.T) {
	for text, want := range map[string]Network{
		"10.1.0.0/24":     {"", netip.MustParsePrefix("10.1.0.0/24")},
		"office+::80":     {"office", netip.MustParsePrefix("::80/128")},
		"office+::/64":    {"office", netip.MustParsePrefix("::/64")},
		"dmz-2+::1:0/112": {"dmz-2", netip.MustParsePrefix("::1:0/112")},
	} {
		got, err := ParseNetwork(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "+::80", "office+", "office+10.1.0.9", "Office+::80", "office+::80/129", "office+fe80::1%eth0", "office", "10.1.0.9", "office+::ffff:1.2.3.4"} {
		if got, err := ParseNetwork(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
	for text, good := range map[string]bool{"10.1.0.9": true, "office+::80": true, "office+::80/128": false, "office+10.1.0.9": false, "two words+::1": false} {
		if got, err := ParseTarget(text); (err == nil) != good || good && got.String() != text {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
}

func TestWhatFollowsAPrefixIsBehindEachThatLeavesRoom(t *testing.T) {
	held := prefixes("10.1.0.0/24", "fd00:1::/64", "2001:db8:7:700::/56", "2001:db8:9::/96")
	for text, want := range map[string]string{
		"office+::80":           "fd00:1::80/128, 2001:db8:7:700::80/128, 2001:db8:9::80/128",
		"office+::/64":          "fd00:1::/64, 2001:db8:7:700::/64",
		"office+::1:0:0:0:0/64": "2001:db8:7:701::/64",
		"192.0.2.0/24":          "192.0.2.0/24",
	} {
		n := networks(text)[0]
		if got := list(n.Within(held)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	if got := networks("office+::80")[0].Within(nil); got != nil {
		t.Errorf("without a prefix it is %v", got)
	}
	if got := (Target{"office", netip.MustParseAddr("::80")}).Within(held[1:3]); list(got) != "fd00:1::80, 2001:db8:7:700::80" {
		t.Errorf("%v", got)
	}
}

func TestFaultsOfWhatFollowsAndOfNATAreNamed(t *testing.T) {
	network := func(s string) Network { return networks(s)[0] }
	nat := func(d *Document) *NAT {
		return &d.Firewall.NAT[slices.IndexFunc(d.Firewall.NAT, func(n NAT) bool { return n.Action == NATPrefix })]
	}
	one := func(n *NAT, inside, outside string) {
		n.Action, n.Sources, n.Network = NATOneToOne, networks(inside), network(outside)
	}
	for _, row := range []struct {
		field, message string
		change         func(*Document)
	}{
		{"rules", `there is no interface called "cellar"`, func(d *Document) { d.Firewall.Rules[0].Sources = networks("cellar+::80") }},
		{"rules", "the prefix of office is /64 long, and there is no room behind it for ::1:0:0:0:80", func(d *Document) { d.Firewall.Rules[0].Destinations = networks("office+::1:0:0:0:80") }},
		{"rules", "no room behind it for ::/48", func(d *Document) { d.Firewall.Rules[0].Destinations = networks("office+::/48") }},
		{"lists", "must name an interface", func(d *Document) { d.Lists[0].Following = networks("10.1.0.0/24") }},
		{"forwards", "internet is outside", func(d *Document) { d.Firewall.Forwards[0].To = Target{"internet", netip.MustParseAddr("::80")} }},
		{"forwards", "has addresses of its own outside", func(d *Document) {
			f := &d.Firewall.Forwards[0]
			f.To, f.Address, f.Sources = Target{"office", netip.MustParseAddr("::80")}, netip.MustParseAddr("2001:db8:1::2"), nil
		}},
		{"forwards", "is reached at its own ports", func(d *Document) {
			f := &d.Firewall.Forwards[0]
			f.To, f.ToPort, f.Sources = Target{"office", netip.MustParseAddr("::80")}, 9999, nil
		}},
		{"nat", "must be as long as the network inside, /64", func(d *Document) { nat(d).Network = network("2001:db8:77::/60") }},
		{"nat", "must be /48 to /64", func(d *Document) {
			n := nat(d)
			n.Network, n.Sources = network("2001:db8:77::/80"), networks("office+::/80")
		}},
		{"nat", "prefix is for IPv6", func(d *Document) {
			n := nat(d)
			n.Network, n.Sources = network("198.51.100.0/24"), networks("10.1.0.0/24")
		}},
		{"nat", "is needed", func(d *Document) { nat(d).Network = Network{} }},
		{"nat", "did you mean 2001:db8:77::/64?", func(d *Document) { nat(d).Network = network("2001:db8:77::5/64") }},
		{"nat", "this is exactly one", func(d *Document) { nat(d).Sources = nil }},
		{"nat", "must be of the family of the network inside", func(d *Document) { one(nat(d), "10.1.0.16/28", "2001:db8:77::/64") }},
		{"nat", "10.77.0.16/28 is in no network behind this gateway", func(d *Document) { one(nat(d), "10.77.0.16/28", "198.51.100.16/28") }},
		{"nat", "203.0.113.16 is in the network of interface internet and not an address of this gateway", func(d *Document) { one(nat(d), "10.1.0.16/28", "203.0.113.16/28") }},
		{"nat", "overlaps the network 10.1.0.0/24 of interface office, which is inside", func(d *Document) { one(nat(d), "10.1.0.16/28", "10.1.0.32/28") }},
		{"nat", "198.51.100.16/28 overlaps 198.51.100.16/29 of NAT first", func(d *Document) {
			n := nat(d)
			one(n, "10.1.0.16/29", "198.51.100.16/29")
			n.Name = "first"
			d.Firewall.NAT = append(d.Firewall.NAT, NAT{Name: "second", Enabled: true, Action: NATOneToOne, Sources: networks("10.1.0.16/28"), Network: network("198.51.100.16/28")})
		}},
		{"nat", "only one-to-one and prefix have a network outside", func(d *Document) { nat(d).Action = NATExempt }},
	} {
		doc := everything(t)
		row.change(&doc)
		var found ValidationError
		if err := doc.Validate(); !errors.As(err, &found) || !slices.ContainsFunc(found, func(f FieldError) bool {
			return strings.Contains(f.Field, row.field) && strings.Contains(f.Message, row.message)
		}) {
			t.Errorf("%s: %v", row.message, found)
		}
	}
}

func TestSentencesSayWhatIsFollowed(t *testing.T) {
	old, new := everything(t), everything(t)
	new.Firewall.Rules = slices.Clone(old.Firewall.Rules)
	new.Firewall.Rules[0].Destinations = networks("office+::80", "10.1.0.9/32")
	if got := strings.Join(Differences(old, new), " "); !strings.Contains(got, "office+::80, 10.1.0.9/32") {
		t.Errorf("%s", got)
	}
}

func TestWhatFollowsAnInterfaceFollowsItsName(t *testing.T) {
	db := filled(t)
	doc, err := db.Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := doc.Interfaces[slices.IndexFunc(doc.Interfaces, func(n Interface) bool { return n.Name == "office" })]
	i.Name = "desks"
	text, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.PutObject(t.Context(), "interface", "office", "", Input{JSON: text}); err != nil {
		t.Fatal(err)
	}
	if doc, err = db.Draft(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text, err = doc.Marshal(); err != nil || strings.Contains(string(text), "office+") || strings.Count(string(text), `"desks+::`) != 5 {
		t.Errorf("%d follow the new name, %v, %s", strings.Count(string(text), `"desks+::`), err, text)
	}
}
