package firewall

import (
	"context"
	"net/netip"
	"testing"
)

func (o *smallOffice) cut(old, new Policy) int {
	o.t.Helper()
	o.apply(new)
	var n int
	var err error
	o.gateway.do(func() { n, err = o.applier.Cut(context.Background(), old, new) })
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

func TestWhatANewPolicyDeniesIsCut(t *testing.T) {
	o := newSmallOffice(t)
	old := o.policy()
	open := func(from *space, src string, to *space, dst string, port int) func() error {
		c, s, err := o.connection(from, src, to, dst, port)
		if err != nil {
			t.Fatal(err)
		}
		return func() error { return talks(c, s) }
	}
	web := open(o.lan, lanHost4, o.wan, wanHost4, 80)
	mail := open(o.lan, lanHost4, o.wan, wanHost4, 25)
	mail6 := open(o.lan, lanHost6, o.wan, wanHost6, 25)
	page := open(o.lan, lanHost4, o.gateway, gatewayLAN4, 8443)
	branch := open(o.branch, branchHost4, o.lan, lanHost4, 8080)
	for _, talk := range []func() error{web, mail, mail6, page, branch} {
		if err := talk(); err != nil {
			t.Fatal(err)
		}
	}
	new := o.policy()
	new.Rules = append([]Rule{{ID: "no-mail", From: ZoneLAN, To: ZoneWAN, Protocol: TCP, Ports: []PortRange{{25, 25}}, Action: Drop}}, new.Rules...)
	if n := o.cut(old, new); n != 2 {
		t.Errorf("%d connections were cut", n)
	}
	for name, talk := range map[string]func() error{"web": web, "the page": page, "the branch": branch} {
		if err := talk(); err != nil {
			t.Errorf("%s was cut: %v", name, err)
		}
	}
	if mail() == nil || mail6() == nil {
		t.Error("mail goes on")
	}
	// The branch loses what only its rule allowed.
	newer := new
	newer.Rules = new.Rules[:1]
	if n := o.cut(new, newer); n != 1 || branch() == nil {
		t.Errorf("%d were cut", n)
	}
	if err := web(); err != nil {
		t.Errorf("the web was cut: %v", err)
	}
	if n := o.cut(newer, newer); n != 0 {
		t.Errorf("%d were cut by the same policy", n)
	}
}

func TestAForwardThatIsGoneIsCut(t *testing.T) {
	o := newSmallOffice(t)
	with, without := o.named(), o.named()
	without.Forwards = without.Forwards[1:]
	o.apply(with)
	l := at(gatewayWAN4, 80)
	c, s, err := o.connectionTo(o.wan, wanHost4, l, o.lan, at(lanHost4, 8080))
	if err != nil || talks(c, s) != nil {
		t.Fatal(err)
	}
	out, in, err := o.connection(o.lan, lanHost4, o.wan, wanHost4, 81)
	if err != nil || talks(out, in) != nil {
		t.Fatal(err)
	}
	if n := o.cut(with, without); n != 1 || talks(c, s) == nil {
		t.Errorf("%d were cut", n)
	}
	if err := talks(out, in); err != nil {
		t.Errorf("a masqueraded connection was cut: %v", err)
	}
}

// What the decider says and what the kernel does must be the same for every
// row of the packet tests that does not depend on a device.
func TestTheDeciderAgreesWithTheMatrix(t *testing.T) {
	o := &smallOffice{t: t}
	d, err := NewDecider(o.named())
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	for name, row := range map[string]struct {
		flow Flow
		want Action
		id   string
	}{
		"lan to the internet":       {Flow{Source: addr(lanHost4), Destination: addr(wanHost4), Protocol: 6, Port: 443}, Allow, ""},
		"telnet":                    {Flow{Source: addr(lanHost4), Destination: addr(wanHost4), Protocol: 6, Port: 23}, Reject, "no-telnet"},
		"a stranger":                {Flow{Source: addr(wanHost4), Destination: addr(lanHost4), Protocol: 6, Port: 8080}, Drop, ""},
		"a stranger by the forward": {Flow{Source: addr(wanHost4), Destination: addr(lanHost4), Protocol: 6, Port: 8080, Translated: true}, Allow, "web"},
		"a rule before a forward":   {Flow{Source: addr(wanHost4), Destination: addr(lanHost4), Protocol: 6, Port: 7070, Translated: true}, Drop, "no-entry"},
		"an empty list":             {Flow{Source: addr(branchHost4), Destination: addr(lanHost4), Protocol: 17, Port: 5000}, Drop, ""},
		"one service of two":        {Flow{Source: addr(wanHost4), Destination: addr("10.1.0.30"), Protocol: 17, Port: 53, Translated: true}, Allow, "server"},
		"the page":                  {Flow{Source: addr(lanHost6), Destination: addr(gatewayLAN6), Protocol: 6, Port: 8443}, Allow, "admin-access"},
		"the page from outside":     {Flow{Source: addr(wanHost4), Destination: addr(gatewayWAN4), Protocol: 6, Port: 8443}, Drop, ""},
		"IKE of a peer":             {Flow{Source: addr(peer4), Destination: addr(gatewayWAN4), Protocol: 17, Port: 500}, Allow, "ike"},
		"IKE of a stranger":         {Flow{Source: addr(wanHost4), Destination: addr(gatewayWAN4), Protocol: 17, Port: 500}, Drop, ""},
		"a ping from the lan":       {Flow{Source: addr(lanHost4), Destination: addr(gatewayLAN4), Protocol: 1, Port: 0}, Allow, ""},
		"the gateway itself":        {Flow{Source: addr(gatewayWAN4), Destination: addr(wanHost4), Protocol: 6, Port: 443}, Allow, ""},
		"a printer":                 {Flow{Source: addr("10.2.0.7"), Destination: addr("10.1.0.70"), Protocol: 6, Port: 631}, Allow, "printer"},
	} {
		if got, id := d.Decide(row.flow); got != row.want || id != row.id {
			t.Errorf("%s: %s by %q, want %s by %q", name, got, id, row.want, row.id)
		}
	}
}

func TestLeadIsWhatDestinationNATDoes(t *testing.T) {
	o := &smallOffice{t: t}
	d, err := NewDecider(o.named())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		source, destination string
		port                uint16
		to                  string
		toPort              uint16
	}{
		{wanHost4, gatewayWAN4, 80, lanHost4, 8080},
		{lanHost4, "203.0.113.3", 80, lanHost4, 8080},
		{wanHost6, gatewayWAN6, 80, lanHost6, 8080},
		{wanHost4, gatewayWAN4, 6010, lanHost4, 6010},
		{wanHost4, gatewayWAN4, 6102, lanHost4, 6202},
		{peer4, gatewayWAN4, 2222, lanHost4, 2222},
		{wanHost4, gatewayWAN4, 2222, gatewayWAN4, 2222},
		{wanHost4, "203.0.113.4", 25, "10.1.0.30", 25},
		{lanHost4, "203.0.113.4", 25, "10.1.0.30", 25},
		{gatewayLAN4, "203.0.113.4", 25, "203.0.113.4", 25},
		{wanHost4, lanHost4, 80, lanHost4, 80},
	} {
		f := Flow{Source: netip.MustParseAddr(row.source), Destination: netip.MustParseAddr(row.destination), Protocol: 6, Port: row.port}
		got := d.Lead(f)
		if got.Destination.String() != row.to || got.Port != row.toPort || got.Translated != (row.to != row.destination) {
			t.Errorf("%s to %s port %d is led to %s port %d", row.source, row.destination, row.port, got.Destination, got.Port)
		}
	}
}
