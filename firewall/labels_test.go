package firewall

import (
	"net/netip"
	"testing"
)

func rangesOf(texts ...string) (out []Range) {
	for _, p := range prefixes(texts...) {
		first := p.Masked().Addr()
		last := first
		for p.Contains(last.Next()) {
			last = last.Next()
		}
		out = append(out, Range{first, last})
	}
	return out
}

// everythingAllowed lets all zones talk to one another, but for the label.
func (o *smallOffice) everythingAllowed(l ...Label) Policy {
	p := o.policy()
	p.Labels = l
	for i, from := range []string{ZoneWAN, ZoneLAN, ZoneVPN} {
		for _, to := range []string{ZoneWAN, ZoneLAN, ZoneVPN, ZoneGateway} {
			p.Rules = append(p.Rules, Rule{ID: "r" + string(rune('a'+i)) + "-" + to, From: from, To: to, Action: Allow})
		}
	}
	return p
}

func TestWhatCarriesALabelPassesByTheTunnelOnly(t *testing.T) {
	o := newSmallOffice(t)
	secret := Label{ID: "secret", Networks: rangesOf(lanHost4+"/32", lanHost6+"/128")}
	ledger := Label{ID: "ledger", Services: []Service{{Protocol: UDP, Ports: []PortRange{{5432, 5432}}}}}
	o.apply(o.everythingAllowed(secret, ledger))
	for _, row := range []struct {
		name     string
		from     *space
		src      string
		to       *space
		dst      string
		port     int
		label    string // that refuses it
		wayfarer bool   // what the decider cannot know of
	}{
		{"from the network to the internet", o.lan, lanHost4, o.wan, wanHost4, 5000, "secret", false},
		{"from the network to the internet over IPv6", o.lan, lanHost6, o.wan, wanHost6, 5000, "secret", false},
		{"from the internet to the network", o.wan, wanHost6, o.lan, lanHost6, 5000, "secret", false},
		{"from the network by the tunnel", o.lan, lanHost4, o.branch, branchHost4, 5000, "", false},
		{"from the network by the tunnel over IPv6", o.lan, lanHost6, o.branch, branchHost6, 5000, "", false},
		{"to the network by the tunnel", o.branch, branchHost4, o.lan, lanHost4, 5000, "", false},
		{"from the network to the gateway", o.lan, lanHost4, o.gateway, gatewayLAN4, 5000, "", false},
		{"the service, from the internet to the gateway", o.wan, wanHost4, o.gateway, gatewayWAN4, 5432, "ledger", false},
		{"the service, from the gateway to the internet", o.gateway, gatewayWAN4, o.wan, wanHost4, 5432, "ledger", true},
		{"the service over IPv6, from the gateway to the internet", o.gateway, gatewayWAN6, o.wan, wanHost6, 5432, "ledger", true},
		{"the service by the tunnel", o.branch, branchHost4, o.lan, lanHost4, 5432, "", false},
		{"another service", o.gateway, gatewayWAN4, o.wan, wanHost4, 5433, "", true},
		{"key exchange with the peer", o.gateway, gatewayWAN4, o.wan, peer4, 500, "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			id, before := LabelID(row.label), uint64(0)
			if row.label != "" {
				before = o.counted(id)
			}
			if _, arrived := o.datagramFromPort(row.from, row.src, map[bool]int{true: 500}[row.port == 500], row.to, row.dst, row.port); arrived != (row.label == "") {
				t.Errorf("arrived: %t", arrived)
			}
			if row.label != "" && o.counted(id) != before+1 {
				t.Errorf("counted %d under %s", o.counted(id)-before, id)
			}
			d, err := NewDecider(o.everythingAllowed(secret, ledger))
			if err != nil {
				t.Fatal(err)
			}
			action, by := d.Decide(Flow{Source: netip.MustParseAddr(row.src), Destination: netip.MustParseAddr(row.dst), Protocol: 17, Port: uint16(row.port)})
			if !row.wayfarer && ((action == Allow) != (row.label == "") || row.label != "" && by != id) {
				t.Errorf("the decider says %s by %s", action, by)
			}
		})
	}
}

func TestALabelEndsWhatWasAllowedBefore(t *testing.T) {
	o := newSmallOffice(t)
	o.apply(o.everythingAllowed())
	client, server, err := o.connection(o.lan, lanHost6, o.wan, wanHost6, 7000)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	defer server.Close()
	o.apply(o.everythingAllowed(Label{ID: "secret", Networks: rangesOf(lanHost6 + "/128")}))
	before := o.counted(LabelID("secret"))
	if _, err := client.Write([]byte("secret")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return o.counted(LabelID("secret")) > before }, "the packet is not refused")
}
