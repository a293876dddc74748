package network

import (
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestMarkedPackets asks the kernel by which way it would send them.
func TestMarkedPacketsGoByATableOfTheirOwn(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		way := func(family, to, mark string) string {
			t.Helper()
			out, err := exec.Command("ip", family, "route", "get", to, "mark", mark).CombinedOutput()
			if err != nil {
				t.Fatalf("%v %s", err, out)
			}
			_, rest, _ := strings.Cut(string(out), " via ")
			via, _, _ := strings.Cut(rest, " ")
			return via
		}
		two := office()
		two.Links[1] = Link{Device: "b", WAN: true, Addresses: []netip.Prefix{p("192.0.2.2/24"), p("2001:db8:9::2/64")}}
		two.Routes = two.Routes[:2]
		addr := netip.MustParseAddr
		for i, via := range []string{"203.0.113.1", "192.0.2.1"} {
			two.Routes = append(two.Routes, Route{Destination: p("0.0.0.0/0"), Via: addr(via), Device: two.Links[i].Device, Table: 900 + i})
		}
		for i, via := range []string{"2001:db8:1::1", "2001:db8:9::1"} {
			two.Routes = append(two.Routes, Route{Destination: p("::/0"), Via: addr(via), Device: two.Links[i].Device, Table: 900 + i})
		}
		sh(t, "ip rule add fwmark 2 lookup 900 priority 10200 protocol "+strconv.Itoa(RouteProtocol)) // of an earlier release
		two.Rules = []Rule{{Mark: 1, Table: 900}, {Mark: 2, Table: 901}}
		for range 2 { // the second changes nothing
			if err := apply(t, two); err != nil {
				t.Fatal(err)
			}
			for _, row := range [][4]string{
				{"-4", "198.51.100.9", "0", "203.0.113.1"}, {"-4", "198.51.100.9", "1", "203.0.113.1"}, {"-4", "198.51.100.9", "2", "192.0.2.1"},
				{"-4", "198.51.100.9", "0x80000102", "192.0.2.1"}, // with bits that are of IPsec
				{"-6", "2001:db8:77::9", "0", "2001:db8:1::1"}, {"-6", "2001:db8:77::9", "1", "2001:db8:1::1"}, {"-6", "2001:db8:77::9", "2", "2001:db8:9::1"},
			} {
				if got := way(row[0], row[1], row[2]); got != row[3] {
					t.Errorf("%s with mark %s goes by %q, want %s", row[1], row[2], got, row[3])
				}
			}
		}
		// Somebody else's rule stays, ours go with their tables.
		sh(t, "ip rule add fwmark 9 lookup 77 priority 50")
		if err := apply(t, office()); err != nil {
			t.Fatal(err)
		}
		for _, family := range []string{"-4", "-6"} {
			rules, err := exec.Command("ip", family, "rule").CombinedOutput()
			if err != nil || strings.Contains(string(rules), "lookup 90") || family == "-4" && !strings.Contains(string(rules), "lookup 77") {
				t.Errorf("%v %s", err, rules)
			}
			for _, table := range []string{"900", "901"} {
				if out, _ := exec.Command("ip", family, "route", "show", "table", table).Output(); len(out) > 0 {
					t.Errorf("table %s still has %s", table, out)
				}
			}
		}
	})
}
