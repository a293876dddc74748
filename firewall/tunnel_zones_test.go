package firewall

import (
	"context"
	"net/netip"
	"testing"
)

// The wired office has behind its tunnel: users, who are the Live list "staff"
// (10.2.9.0/24); partners, who are 10.2.8.0/23 but for the users, 10.2.12.0/24
// and fd00:2:8::/120; and the rest.
func TestZonesBehindTheTunnel(t *testing.T) {
	const (
		user4, partner4, rest4 = "10.2.9.5", "10.2.8.5", "10.2.0.5"
		partner6, rest6        = "fd00:2:8::5", "fd00:2::5"
		user6                  = "fd00:2:9::5" // not in the list at first
	)
	o := newWiredOffice(t)
	p := o.policy()
	p.AdminZones = []string{"users"}
	p.Rules = []Rule{
		{ID: "users-in", From: "users", To: ZoneLAN, Action: Allow},
		{ID: "lan-to-partners", From: ZoneLAN, To: "partners", Action: Allow},
		{ID: "partners-to-users", From: "partners", To: "users", Action: Allow},
		{ID: "rest-to-partners", From: ZoneVPN, To: "partners", Action: Allow},
		{ID: "users-here", From: "users", To: ZoneGateway, Protocol: UDP, Action: Allow},
		{ID: "rest-in", From: ZoneVPN, To: ZoneLAN, Protocol: TCP, Action: Allow},
	}
	p.Defaults = []Default{{ZoneLAN, "users", Allow}, {"partners", "partners", Allow}, {"users", ZoneVPN, Reject}}
	o.apply(p)
	check := func(name string, f Flow, zones string, passes bool, by string) {
		t.Helper()
		d, err := NewDecider(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Zone(f.Source) + " to " + d.Zone(f.Destination); got != zones {
			t.Errorf("%s: is from %s", name, got)
		}
		if v := d.Explain(f); (v.Action == Allow) != passes || v.ID != "" && v.ID != by {
			t.Errorf("%s: the decider says %s by %q", name, v.Action, v.ID)
		}
		o.decides(name, f, passes, by)
	}
	check("a user to the lan", flow(user4, lanHost4), "users to lan", true, "users-in")
	check("a partner to the lan", flow(partner4, lanHost4), "partners to lan", false, "forward-default")
	check("a partner to the lan over IPv6", flow(partner6, lanHost6), "partners to lan", false, "forward-default")
	check("the rest to the lan", flow(rest4, lanHost4, tcp(80)), "vpn to lan", true, "rest-in")
	check("the rest to the lan over IPv6", flow(rest6, lanHost6, tcp(80)), "vpn to lan", true, "rest-in")
	check("a rule of the rest is not the users'", flow(partner4, lanHost4, tcp(80)), "partners to lan", false, "forward-default")
	check("the lan to a user", flow(lanHost4, user4), "lan to users", true, "allowed-lan-users")
	check("the lan to a partner", flow(lanHost4, partner4), "lan to partners", true, "lan-to-partners")
	check("the lan to a partner over IPv6", flow(lanHost6, partner6), "lan to partners", true, "lan-to-partners")
	check("the lan to the rest", flow(lanHost4, rest4), "lan to vpn", false, "forward-default")
	check("the lan to the rest over IPv6", flow(lanHost6, rest6), "lan to vpn", false, "forward-default")
	check("both ends in the tunnel", flow(partner4, user4), "partners to users", true, "partners-to-users")
	check("the other way round", flow(user4, partner4), "users to partners", false, "forward-default")
	check("a zone within itself", flow(partner4, "10.2.12.7"), "partners to partners", true, "allowed-partners-partners")
	check("the rest to a partner over IPv6", flow(rest6, partner6), "vpn to partners", true, "rest-to-partners")
	check("a user to the rest", flow(user4, rest4), "users to vpn", false, "forward-default")
	check("the rest to the rest", flow(rest4, "10.2.0.6"), "vpn to vpn", false, "forward-default")
	check("a user to the gateway", flow(user4, gatewayLAN4), "users to gateway", true, "users-here")
	check("a user to the page", flow(user4, gatewayLAN4, tcp(8443)), "users to gateway", true, "admin-access")
	check("a partner to the gateway", flow(partner4, gatewayLAN4), "partners to gateway", false, "input-default")
	check("a partner to the page", flow(partner4, gatewayLAN4, tcp(8443)), "partners to gateway", false, "input-default")
	check("the rest to the page over IPv6", flow(rest6, gatewayLAN6, tcp(8443)), "vpn to gateway", false, "input-default")
	check("the internet to a user", flow(wanHost4, user4), "wan to users", false, "wan-default")

	// A user comes and another goes.
	addr := netip.MustParseAddr
	check("before a user is in the list", flow(user6, lanHost6), "vpn to lan", false, "forward-default")
	p.Lists[0].Ranges = []Range{{addr(user6), addr(user6)}}
	var err error
	o.gateway.do(func() { err = o.applier.Refill(context.Background(), "staff", p.Lists[0].Ranges) })
	if err != nil {
		t.Fatal(err)
	}
	check("when it is", flow(user6, lanHost6), "users to lan", true, "users-in")
	check("who was a user before", flow(user4, lanHost4), "partners to lan", false, "forward-default")
	check("the page for the user", flow(user6, gatewayLAN6, tcp(8443)), "users to gateway", true, "admin-access")
	// By the tunnel comes only what is behind it, whatever zone says otherwise.
	p.TunnelZones[1].Networks = append(p.TunnelZones[1].Networks, prefixes("10.9.0.0/24")...)
	o.apply(p)
	before := o.counts()["spoof-vpn"]
	o.on(o.lines["ipsec0"], flow("10.9.0.2", lanHost4), 1)
	if !soon(func() bool { return o.counts()["spoof-vpn"] == before+1 }) {
		t.Error("a guest's source out of the tunnel was not refused")
	}
}
