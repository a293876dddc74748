package firewall

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// firstMatch is what a policy means, written down as plainly as it can be said
// and with nothing of what the compiler or the decider is made of: where both
// ends are, what cannot be refused, the rules one after another, the matrix. It
// knows as much as gamble's policies say.
func firstMatch(p Policy, f Flow) (Action, string) {
	from, to := whereIs(p, f.Source), whereIs(p, f.Destination)
	ping := f.Protocol == 1 && f.ICMPType == 8 || f.Protocol == 58 && f.ICMPType == 128
	if to != "gateway" && f.Protocol == 58 && f.ICMPType == 139 {
		return Drop, "icmp-refused" // node information is not forwarded
	}
	if to == "gateway" {
		manages := from == "lan"
		for _, z := range p.AdminZones {
			manages = manages || z == from
		}
		for _, port := range p.AdminPorts {
			if manages && f.Protocol == 6 && f.Port == port {
				return Allow, "admin-access"
			}
		}
		for _, k := range p.IKE {
			if from == "wan" && k.Peer == f.Source && (f.Protocol == 50 || f.Protocol == 17 && (f.Port == 500 || f.Port == 4500)) {
				return Allow, "ike"
			}
		}
	}
	for _, r := range p.Rules {
		if r.From != "" && r.From != from || r.To != "" && r.To != to {
			continue
		}
		if !isOneOf(p, f.Source, r.Sources, r.SourceLists) || !isOneOf(p, f.Destination, r.Destinations, r.DestinationLists) {
			continue
		}
		match := len(r.Services) == 0
		for _, s := range r.Services {
			match = match || isService(s, f)
		}
		if len(r.SourceMACs) > 0 {
			any := false
			for _, m := range r.SourceMACs {
				any = any || m == f.MAC
			}
			match = match && any
		}
		if len(r.DSCP) > 0 {
			any := false
			for _, c := range r.DSCP {
				any = any || c == f.DSCP
			}
			match = match && any
		}
		if len(r.Times) > 0 {
			any := false
			for _, t := range r.Times {
				second := f.At.Sub(time.Date(f.At.Year(), f.At.Month(), f.At.Day(), 0, 0, 0, 0, time.UTC)) / time.Second
				any = any || t.Day == f.At.Weekday() && int(second) >= t.From && int(second) <= t.To
			}
			match = match && any
		}
		if match {
			return r.Action, r.ID
		}
	}
	if to == "gateway" && from != "wan" && ping {
		return Allow, ""
	}
	for _, d := range p.Defaults {
		if d.From == from && d.To == to {
			return d.Action, ""
		}
	}
	return Drop, ""
}

func whereIs(p Policy, a netip.Addr) string {
	zone, longest := "", -1
	for _, i := range p.Interfaces {
		for _, n := range i.Addresses {
			if n.Addr() == a {
				return "gateway"
			}
			if n.Contains(a) && n.Bits() > longest {
				zone, longest = i.Zone, n.Bits()
			}
		}
	}
	if zone != "" {
		return zone
	}
	for _, t := range p.Tunnels {
		for _, n := range t.Remote {
			if !n.Contains(a) {
				continue
			}
			for _, z := range p.TunnelZones {
				if len(z.Networks)+len(z.Lists) > 0 && isOneOf(p, a, z.Networks, z.Lists) {
					return z.Zone
				}
			}
			return "vpn"
		}
	}
	return "wan"
}

func isOneOf(p Policy, a netip.Addr, networks []netip.Prefix, lists []string) bool {
	if len(networks) == 0 && len(lists) == 0 {
		return true
	}
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	for _, name := range lists {
		for _, l := range p.Lists {
			for _, r := range l.Ranges {
				if l.ID == name && r.First.BitLen() == a.BitLen() && r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0 {
					return true
				}
			}
		}
	}
	return false
}

func isService(s Service, f Flow) bool {
	switch s.Protocol {
	case TCP, UDP:
		if f.Protocol != map[Protocol]uint8{TCP: 6, UDP: 17}[s.Protocol] {
			return false
		}
		any := len(s.Ports) == 0
		for _, p := range s.Ports {
			any = any || p.First <= f.Port && f.Port <= p.Last
		}
		return any
	case ICMP:
		if f.Source.Is4() && f.Protocol != 1 || f.Source.Is6() && f.Protocol != 58 {
			return false
		}
		any := len(s.Messages) == 0
		for _, m := range s.Messages {
			any = any || m.V6 == f.Source.Is6() && m.Type == f.ICMPType && (m.Code == -1 || m.Code == int(f.ICMPCode))
		}
		return any
	case OtherProtocol:
		for _, n := range s.Numbers {
			if n.First <= f.Protocol && f.Protocol <= n.Last {
				return true
			}
		}
		return false
	default:
		return true
	}
}

// FuzzDeciderFirstMatch has the decider agree with firstMatch about random
// policies and flows at any moment of a week.
func FuzzDeciderFirstMatch(f *testing.F) {
	for n := range uint64(200) {
		f.Add(n, n*n, uint32(n*3571))
	}
	f.Fuzz(func(t *testing.T, one, other uint64, second uint32) {
		g := gamble{rand.New(rand.NewPCG(one, other)), time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(second) * time.Second)}
		p := g.policy()
		d, err := NewDecider(p)
		if err != nil {
			t.Fatalf("%v\n%s", err, describePolicy(p))
		}
		for range 100 {
			flow := g.flow()
			flow.At = g.now.Add(time.Duration(g.IntN(7*24*3600)) * time.Second)
			want, by := firstMatch(p, flow)
			if got, id := d.Decide(flow); got != want || id != by {
				t.Fatalf("%+v: %s by %q, and plainly %s by %q\n%s", flow, got, id, want, by, describePolicy(p))
			}
		}
	})
}
