package main

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"gatehouse/firewall"
	"gatehouse/firewall/lists"
	"gatehouse/store"
	"gatehouse/web"
)

func only(addresses ...string) []firewall.Range {
	var out []firewall.Range
	for _, text := range addresses {
		a := netip.MustParseAddr(text)
		out = append(out, firewall.Range{First: a, Last: a})
	}
	return out
}

func TestAListHoldsItsEntriesAndWhatComesFromElsewhere(t *testing.T) {
	now := world{elsewhere: func(l store.List) []firewall.Range { return only("192.0.2.1", "192.0.2.9") }}
	entry := store.AddressRange(only("192.0.2.2")[0])
	rows := []struct {
		name string
		list store.List
		now  world
		want []firewall.Range
		live bool
	}{
		{"typed in", store.List{Entries: []store.AddressRange{entry}}, now, only("192.0.2.2"), false},
		{"from elsewhere", store.List{Names: []string{"a.example"}}, now, only("192.0.2.1", "192.0.2.9"), true},
		{"both", store.List{URLs: []string{"http://a.example/"}, Entries: []store.AddressRange{entry}}, now,
			[]firewall.Range{{First: netip.MustParseAddr("192.0.2.1"), Last: netip.MustParseAddr("192.0.2.2")}, only("192.0.2.9")[0]}, true},
		{"from elsewhere, and nobody knows", store.List{Countries: []string{"NL"}}, world{}, nil, true},
	}
	for _, row := range rows {
		if got := row.now.list(row.list, nil); !slices.Equal(got.Ranges, row.want) || got.Live != row.live {
			t.Errorf("%s: %+v", row.name, got)
		}
	}
}

func TestOnlyMembersOfLiveListsAreRefilled(t *testing.T) {
	policy := func(live bool, members ...string) firewall.Policy {
		return firewall.Policy{Masquerade: true, Lists: []firewall.List{{ID: "a", Ranges: only("192.0.2.1")}, {ID: "b", Live: live, Ranges: only(members...)}}}
	}
	before := policy(true, "192.0.2.2")
	if changed, more := differing(before, policy(true, "192.0.2.2")); more || changed != nil {
		t.Errorf("the same: %v, %v", changed, more)
	}
	if changed, more := differing(before, policy(true, "192.0.2.3")); more || len(changed) != 1 || changed[0].ID != "b" || changed[0].Ranges[0] != only("192.0.2.3")[0] {
		t.Errorf("other members: %v, %v", changed, more)
	}
	rules := policy(true, "192.0.2.3")
	rules.Masquerade = false
	other := policy(true, "192.0.2.2")
	other.Lists[1].ID = "c"
	fewer := policy(true)
	fewer.Lists = fewer.Lists[:1]
	for name, after := range map[string]firewall.Policy{
		"other rules": rules, "another list": other, "a list less": fewer, "a list that is live no more": policy(false, "192.0.2.2"),
	} {
		if _, more := differing(before, after); !more {
			t.Errorf("%s: only members differ", name)
		}
	}
	if _, more := differing(policy(false, "192.0.2.2"), policy(false, "192.0.2.3")); !more {
		t.Error("members of a list that is not live were refilled")
	}
}

func TestConnectionsToAnAddressThatANameHadGoOn(t *testing.T) {
	doc := store.Document{Lists: []store.List{{Name: "hosts", Names: []string{"a.example"}}, {Name: "web", URLs: []string{"http://a.example/"}}}}
	before := []firewall.List{{ID: "hosts", Ranges: only("192.0.2.1")}, {ID: "web", Ranges: only("192.0.2.1")}, {ID: "user-alice", Ranges: only("10.0.0.1")}}
	after := []firewall.List{{ID: "hosts", Ranges: only("192.0.2.3")}, {ID: "web", Ranges: only("192.0.2.3")}, {ID: "user-alice", Ranges: only("10.0.0.2")}}
	got := lasting(doc, before, after)
	for i, want := range [][]firewall.Range{only("192.0.2.1", "192.0.2.3"), only("192.0.2.3"), only("10.0.0.2")} {
		if !slices.Equal(got[i].Ranges, want) {
			t.Errorf("%s: %v, want %v", got[i].ID, got[i].Ranges, want)
		}
	}
	if !slices.Equal(after[0].Ranges, only("192.0.2.3")) {
		t.Error("the new lists were changed")
	}
}

func TestTheListsAreToldAsATable(t *testing.T) {
	now := time.Now()
	var out strings.Builder
	err := printLists(&out, []keptList{{Name: "bad", Sources: []web.ListSource{
		{From: "https://lists.example/", Entries: 7, Fetched: now.Add(-time.Hour), Next: now.Add(time.Minute)},
		{From: "NL", Problem: "There is no file of countries yet"},
	}}}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bad   https://lists.example/  7        1h0m0s ago  in 1m0s", "never       -        There is no file of countries yet"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestACountryFileIsGivenWithoutARunningGateway(t *testing.T) {
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-Country", Description: map[string]string{"en": "made by a test"}, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	_, network, err := net.ParseCIDR("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Insert(network, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("NL")}}); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := w.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "given.mmdb")
	if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	give := func(path string) error {
		c := countryFileCommand(&dir)
		c.SetArgs([]string{path})
		c.SilenceUsage, c.SilenceErrors = true, true
		return c.ExecuteContext(t.Context())
	}
	if err := give(path); err != nil {
		t.Fatal(err)
	}
	if err := give(os.DevNull); err == nil {
		t.Error("an empty file was taken")
	}
	k := lists.New(lists.Options{Dir: filepath.Join(dir, listsDir), Log: slog.New(slog.DiscardHandler)})
	if got := elsewhere(k)(store.List{Countries: []string{"NL"}}); !slices.Equal(got, []firewall.Range{firewall.RangeOf(netip.MustParsePrefix("192.0.2.0/24"))}) {
		t.Errorf("NL is %v", got)
	}
}
