package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gatehouse/firewall"
	"gatehouse/network"
	"gatehouse/store"
)

// followingOffice has a rule, a list, a forward and a NAT entry that follow
// the prefix of its interface office.
func followingOffice(t *testing.T) store.Document {
	t.Helper()
	doc := office(t)
	network := func(s string) store.Network {
		n, err := store.ParseNetwork(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	host := store.Target{Interface: "office", Addr: netip.MustParseAddr("::80")}
	doc.Lists = []store.List{{Name: "servers", Following: []store.Network{network("office+::25")}}}
	doc.Firewall.Rules = []store.Rule{
		{Name: "to-web", From: store.ZoneWAN, To: store.ZoneLAN, Destinations: []store.Network{network("office+::80")}, Action: store.Allow},
		{Name: "to-list", From: store.ZoneWAN, To: store.ZoneLAN, DestinationLists: []string{"servers"}, Action: store.Allow},
	}
	doc.Firewall.Forwards = []store.Forward{{Name: "mail", Enabled: true, Protocol: "tcp+udp", Ports: store.PortRange{First: 25, Last: 25}, To: host}}
	doc.Firewall.NAT = []store.NAT{{Name: "npt", Enabled: true, Action: store.NATPrefix, Sources: []store.Network{network("office+::/64")}, Network: network("2001:db8:99::/64")}}
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestObjectsFollowThePrefixThatAnInterfaceHas(t *testing.T) {
	doc := followingOffice(t)
	for i := range doc.Interfaces {
		if n := &doc.Interfaces[i]; n.Name == "office" {
			n.Device = "lan0"
			n.Addresses = slices.DeleteFunc(n.Addresses, func(a netip.Prefix) bool { return a.Addr().Is6() })
		}
	}
	compiled := func(prefixes ...string) (firewall.Policy, string) {
		t.Helper()
		now := world{addresses: network.Addresses{}}
		for _, p := range prefixes {
			now.addresses["lan0"] = append(now.addresses["lan0"], netip.MustParsePrefix(p))
		}
		d, err := compile(doc, now, 8443)
		if err != nil {
			t.Fatal(err)
		}
		return d.firewall, d.ruleset.String()
	}
	// Without a prefix nothing is matched, least of all everything.
	p, text := compiled()
	if slices.ContainsFunc(p.Rules, func(r firewall.Rule) bool { return r.ID == "to-web" || r.ID == "mail" }) || len(p.NAT) != 0 {
		t.Errorf("rules %+v, NAT %+v", p.Rules, p.NAT)
	}
	if strings.Contains(text, "::80") {
		t.Error("a host without a prefix is in the ruleset")
	}
	p, text = compiled("2001:db8:7::1/64", "fd00:9::1/64")
	for _, want := range []string{
		"2001:db8:7::80", "fd00:9::80", `ip6 daddr 2001:db8:99::/64 dnat ip6 prefix to fd00:9::/64 comment "npt"`,
		`ip6 saddr fd00:9::/64 snat ip6 prefix to 2001:db8:99::/64 comment "npt"`, "2001:db8:7::25", "fd00:9::25",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the ruleset", want)
		}
	}
	d, err := firewall.NewDecider(p)
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{"2001:db8:7::80": "to-web", "2001:db8:7::25": "to-list", "2001:db8:8::80": ""} {
		f := firewall.Flow{Source: netip.MustParseAddr("2001:db8:f::9"), Destination: netip.MustParseAddr(to), Protocol: 6, Port: 9}
		if action, id := d.Decide(f); id != want || (action == firewall.Allow) != (want != "") {
			t.Errorf("%s: %s by %q", to, action, id)
		}
	}
	if _, text = compiled("2001:db8:8::1/56"); !strings.Contains(text, "2001:db8:8::80") || strings.Contains(text, "2001:db8:7:") {
		t.Error("it does not follow another prefix")
	}
}

func TestSentencesSayHowPrefixesChanged(t *testing.T) {
	doc := office(t)
	device := ""
	for _, i := range doc.Interfaces {
		if i.Name == "office" {
			device = i.Device
		}
	}
	has := func(all ...string) network.Addresses {
		out := network.Addresses{"other0": {netip.MustParsePrefix("192.0.2.1/24")}}
		for _, a := range all {
			out[device] = append(out[device], netip.MustParsePrefix(a))
		}
		return out
	}
	for _, row := range []struct {
		before, after network.Addresses
		want          string
	}{
		{has("2001:db8:7::1/64"), has("2001:db8:8::1/64"), "The prefix of office changed from 2001:db8:7::/64 to 2001:db8:8::/64."},
		{has(), has("2001:db8:8::1/64", "2001:db8:8::99/64"), "The interface office has got the prefix 2001:db8:8::/64."},
		{has("10.3.0.1/24"), has(), "The interface office has lost the network 10.3.0.0/24."},
		{has("2001:db8:7::1/64"), has("2001:db8:7::99/64"), ""},
	} {
		if got := strings.Join(addressChanges(doc, row.before, row.after), " "); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}
