package firewall

import (
	"net/netip"
	"os"
	"testing"
)

// TestAnswersLeaveByTheUplinkTheyWereAskedBy has a second wan, where a stranger
// calls that the routes would answer by the first.
func TestAnswersLeaveByTheUplinkTheyWereAskedBy(t *testing.T) {
	o := newSmallOffice(t)
	const gateway4, gateway6, router4, router6 = "192.0.2.2", "2001:db8:9::2", "192.0.2.1", "2001:db8:9::1"
	const stranger4, stranger6 = "198.51.100.77", "2001:db8:77::77"
	second := newSpace(t)
	o.gateway.sh("ip link add wan1 type veth peer name eth0 netns /proc/%d/fd/%d; ip link set wan1 up", os.Getpid(), int(second.handle))
	o.gateway.sh("ip addr add %s/24 dev wan1; ip addr add %s/64 dev wan1 nodad", gateway4, gateway6)
	second.sh("ip link set eth0 up; ip addr add %s/24 dev eth0; ip addr add %s/64 dev eth0 nodad", router4, router6)
	second.hasAddress(stranger4 + "/32")
	second.hasAddress(stranger6 + "/128")
	for _, mark := range []string{"1", "2"} {
		via4, via6, dev := wanHost4, wanHost6, "wan0"
		if mark == "2" {
			via4, via6, dev = router4, router6, "wan1"
		}
		o.gateway.sh("ip -4 rule add fwmark %[1]s lookup 10%[1]s; ip -4 route add default via %[2]s dev %[4]s table 10%[1]s;"+
			"ip -6 rule add fwmark %[1]s lookup 10%[1]s; ip -6 route add default via %[3]s dev %[4]s table 10%[1]s", mark, via4, via6, dev)
	}
	policy := func(first, other uint32) Policy {
		p := o.policy()
		p.Interfaces[0].Mark = first
		p.Interfaces = append(p.Interfaces, Interface{Device: "wan1", Zone: ZoneWAN, Addresses: prefixes(gateway4+"/24", gateway6+"/64"), Mark: other})
		addr := netip.MustParseAddr
		p.Forwards = []Forward{
			{ID: "web", Protocols: []Protocol{TCP}, Ports: PortRange{80, 80}, To: addr(lanHost4), ToPort: 8080},
			{ID: "six", Protocols: []Protocol{TCP}, Ports: PortRange{80, 80}, To: addr(lanHost6), ToPort: 8080},
		}
		p.Rules = append(p.Rules, Rule{ID: "own", From: ZoneWAN, To: ZoneGateway, Protocol: TCP, Ports: []PortRange{{9090, 9090}}, Action: Allow})
		return p
	}
	rows := []struct {
		name        string
		from        *space
		src, target string
		to          *space
		listen      string
		otherwise   bool // whether it works without marks, too
	}{
		{"a forward by the second uplink", second, stranger4, at(gateway4, 80), o.lan, at(lanHost4, 8080), false},
		{"a forward by the second uplink over IPv6", second, stranger6, at(gateway6, 80), o.lan, at(lanHost6, 8080), false},
		{"the gateway itself by the second uplink", second, stranger4, at(gateway4, 9090), o.gateway, at(gateway4, 9090), false},
		{"the gateway itself by the second uplink over IPv6", second, stranger6, at(gateway6, 9090), o.gateway, at(gateway6, 9090), false},
		{"a forward by the first", o.wan, wanHost4, at(gatewayWAN4, 80), o.lan, at(lanHost4, 8080), true},
		{"a forward from inside", o.branch, branchHost4, at(gateway4, 80), o.lan, at(lanHost4, 8080), true},
		{"a connection from inside", o.lan, lanHost4, at(wanHost4, 5000), o.wan, at(wanHost4, 5000), true},
	}
	for _, marks := range []bool{true, false} {
		p := policy(0, 0)
		if marks {
			p = policy(1, 2)
		}
		o.apply(p)
		for _, row := range rows {
			want := marks || row.otherwise
			if _, err := o.dial(row.from, row.src, row.target, row.to, row.listen); (err == nil) != want {
				t.Errorf("%s, with marks %v: %v", row.name, marks, err)
			}
		}
	}
}

func TestMarksAreForOneWANDeviceEach(t *testing.T) {
	for name, change := range map[string]func(*Policy){
		"of a lan device": func(p *Policy) { p.Interfaces[1].Mark = 1 },
		"used twice": func(p *Policy) {
			p.Interfaces[0].Mark = 1
			p.Interfaces = append(p.Interfaces, Interface{Device: "wan1", Zone: ZoneWAN, Mark: 1})
		},
	} {
		p := office()
		change(&p)
		if _, err := Compile(p); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
