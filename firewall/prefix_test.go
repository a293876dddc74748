package firewall

import (
	"context"
	"net/netip"
	"testing"
)

// TestAnotherPrefixWhileConnectionsRun gives the small office a prefix, then a
// second one beside it, then only that one: rules for a host behind it follow,
// and connections end with what allowed them and not before.
func TestAnotherPrefixWhileConnectionsRun(t *testing.T) {
	o := newSmallOffice(t)
	const old, new, oldWAN, newWAN = "2001:db8:aa::", "2001:db8:bb::", gatewayWAN4, "203.0.113.77"
	policy := func(wan string, behind ...string) Policy {
		p := o.policy()
		p.Interfaces[0].Addresses = prefixes(wan+"/24", gatewayWAN6+"/64")
		web := Rule{ID: "web", From: ZoneWAN, To: ZoneLAN, Protocol: TCP, Ports: []PortRange{{8080, 8080}}, Action: Allow}
		for _, prefix := range behind {
			p.Interfaces[1].Addresses = append(p.Interfaces[1].Addresses, netip.MustParsePrefix(prefix+"1/64"))
			web.Destinations = append(web.Destinations, netip.MustParsePrefix(prefix+"80/128"))
		}
		p.Rules = append(p.Rules, web)
		p.Forwards = []Forward{{ID: "four", Protocols: []Protocol{TCP}, Ports: PortRange{8080, 8080}, To: netip.MustParseAddr(lanHost4)}}
		return p
	}
	follow := func(before, after Policy) {
		t.Helper()
		o.apply(after)
		var err error
		o.gateway.do(func() { _, err = o.applier.Cut(context.Background(), before, after) })
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, prefix := range []string{old, new} {
		o.gateway.sh("ip addr add %s1/64 dev lan0 nodad", prefix)
		o.lan.sh("ip addr add %[1]s80/64 dev eth0 nodad; ip addr add %[1]s81/64 dev eth0 nodad", prefix)
		o.wan.sh("ip -6 route add %s/64 via %s", prefix, gatewayWAN6)
	}
	o.gateway.sh("ip addr add %s/24 dev wan0", newWAN)
	first, both, last := policy(oldWAN, old), policy(oldWAN, old, new), policy(newWAN, new)
	o.apply(first)
	opens := func(target string, listen string, want bool) {
		t.Helper()
		src := wanHost6
		if netip.MustParseAddr(target).Is4() {
			src = wanHost4
		}
		if _, err := o.dial(o.wan, src, at(target, 8080), o.lan, at(listen, 8080)); (err == nil) != want {
			t.Errorf("%s: %v", target, err)
		}
	}
	out, answered, err := o.connection(o.lan, lanHost4, o.wan, wanHost4, 5000)
	if err != nil {
		t.Fatal(err)
	}
	in, served, err := o.connection(o.wan, wanHost6, o.lan, old+"80", 8080)
	if err != nil {
		t.Fatal(err)
	}
	opens(old+"81", old+"81", false)
	opens(new+"80", new+"80", false)
	opens(oldWAN, lanHost4, true)
	opens(newWAN, lanHost4, false)

	follow(first, both)
	for name, err := range map[string]error{"to the internet": talks(out, answered), "to the old prefix": talks(in, served)} {
		if err != nil {
			t.Errorf("the connection %s broke: %v", name, err)
		}
	}
	inNew, servedNew, err := o.connection(o.wan, wanHost6, o.lan, new+"80", 8080)
	if err != nil {
		t.Fatalf("the host behind the new prefix: %v", err)
	}
	opens(new+"81", new+"81", false)
	opens(old+"80", old+"80", true)

	follow(both, last)
	if err := talks(inNew, servedNew); err != nil {
		t.Errorf("the connection to the new prefix broke: %v", err)
	}
	if err := talks(out, answered); err != nil {
		t.Errorf("the connection to the internet broke: %v", err)
	}
	if talks(in, served) == nil {
		t.Error("the connection to a prefix that is not ours any more runs on")
	}
	opens(old+"80", old+"80", false)
	opens(newWAN, lanHost4, true)
	opens(oldWAN, lanHost4, false)
}
