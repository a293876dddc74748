package main

import (
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gatehouse/store"
	"gatehouse/web"
)

// reviewed puts office.json in force and a changed one into the draft.
func reviewed(t *testing.T, client, server string, change func(*store.Document)) web.Review {
	t.Helper()
	db, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	g := &gateway{log: slog.New(slog.NewTextHandler(io.Discard, nil)), db: db, adminPort: 8443, doc: office(t), revision: 1}
	draft := office(t)
	change(&draft)
	if err := db.Import(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	r, err := g.Review(t.Context(), netip.MustParseAddr(client), netip.MustParseAddr(server))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func moveOffice(to string) func(*store.Document) {
	return func(d *store.Document) {
		d.Interfaces[1].Addresses[0] = netip.MustParsePrefix(to)
		d.Branches[0].LocalNetworks[0] = netip.MustParsePrefix(to).Masked()
	}
}

func TestReviewWarnsWhoWouldBeCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		client, server string
		change         func(*store.Document)
		want           []string // words, one for each risk
	}{
		"nothing changes":        {"10.1.0.10", "10.1.0.1", func(*store.Document) {}, nil},
		"the office moves":       {"10.1.0.10", "10.1.0.1", moveOffice("10.1.9.1/24"), []string{"https://10.1.9.1:8443/", "10.1.0.10"}},
		"only the address moves": {"10.1.0.10", "10.1.0.1", moveOffice("10.1.0.2/24"), []string{"gives up the address of this page, 10.1.0.1"}},
		"the network shrinks":    {"10.1.0.200", "10.1.0.1", moveOffice("10.1.0.1/25"), []string{"10.1.0.200"}},
		"the admin is elsewhere": {"127.0.0.1", "127.0.0.1", moveOffice("10.1.9.1/24"), nil},
		"the admin uses IPv6":    {"fd00:1::10", "fd00:1::1", moveOffice("10.1.9.1/24"), nil},
		"the port changes sides": {"10.1.0.10", "10.1.0.1", func(d *store.Document) { d.Interfaces[1].Zone = store.ZoneWAN }, []string{"10.1.0.10"}},
	} {
		got := reviewed(t, c.client, c.server, c.change).Risks
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i, w := range c.want {
			if !strings.Contains(got[i], w) {
				t.Errorf("%s: %q does not say %s", name, got[i], w)
			}
		}
	}
}

func TestReviewShowsTheRulesThatChange(t *testing.T) {
	if r := reviewed(t, "10.1.0.10", "10.1.0.1", func(*store.Document) {}); len(r.Firewall) != 0 {
		t.Errorf("nothing changed, and yet %+v", r.Firewall)
	}
	r := reviewed(t, "10.1.0.10", "10.1.0.1", func(d *store.Document) { d.Branches[0].Peer = "198.51.100.9" })
	has := func(kind, text string) bool {
		return slices.ContainsFunc(r.Firewall, func(l web.DiffLine) bool { return l.Kind == kind && strings.Contains(l.Text, text) })
	}
	if !has("added", "198.51.100.9") || !has("removed", "198.51.100.2") || len(r.Firewall) > 40 {
		t.Errorf("%+v", r.Firewall)
	}
}

func TestReviewNamesRulesThatCanNeverMatch(t *testing.T) {
	notes := reviewed(t, "10.1.0.10", "10.1.0.1", func(d *store.Document) {
		d.Lists = append(d.Lists, store.List{Name: "nobody"})
		network := []store.Network{store.Fixed(netip.MustParsePrefix("10.1.0.0/28"))}
		host := []store.Network{store.Fixed(netip.MustParsePrefix("10.1.0.7/32"))}
		d.Firewall.Rules = append([]store.Rule{
			{Name: "lan-out", From: store.ZoneLAN, To: store.ZoneWAN, Sources: network, Action: store.Allow},
			{Name: "follows", From: store.ZoneWAN, To: store.ZoneLAN, Destinations: []store.Network{{Interface: "office", Prefix: netip.MustParsePrefix("::80/128")}}, Action: store.Allow},
			{Name: "one-host", From: store.ZoneLAN, To: store.ZoneWAN, Sources: host, Action: store.Drop},
			{Name: "switched-off", Disabled: true, From: store.ZoneLAN, To: store.ZoneWAN, Sources: host, Action: store.Drop},
			{Name: "blocked", From: store.ZoneWAN, To: store.ZoneLAN, SourceLists: []string{"nobody"}, Action: store.Drop},
		}, d.Firewall.Rules...)
	}).Notes
	want := []string{"Rule one-host can never match: rule lan-out decides all of it before.", "Rule blocked can never match: the lists that it names are empty."}
	if !slices.Equal(notes, want) {
		t.Errorf("%q", notes)
	}
	if notes := reviewed(t, "10.1.0.10", "10.1.0.1", func(*store.Document) {}).Notes; len(notes) > 0 {
		t.Errorf("the office of the documentation: %q", notes)
	}
}
