package main

import (
	"gatehouse/firewall"
	"gatehouse/store"
)

// The usual numbers, for what a document leaves at 0. A hundred people behind
// one address do not get near them.
const (
	usualNewPerSecond = 200
	usualNewBurst     = 1000
	usualOpen         = 4000
	// usualFreeSYNs a second to each port forward are led inside as they come.
	usualFreeSYNs = 50
)

// protection translates the guards of the zone wan.
func protection(g store.Guards) firewall.Protection {
	p := firewall.Protection{
		Bogons: !g.BogonsOff, BogonExceptions: g.BogonExceptions,
		Ping4: g.Ping4, Ping6: !g.Ping6Off, SYNProxy: !g.SYNProxyOff,
	}
	if !g.LimitsOff {
		p.NewPerSecond, p.NewBurst = uint32(or(g.NewPerSecond, usualNewPerSecond)), uint32(or(g.NewBurst, usualNewBurst))
		p.Open = uint32(or(g.Open, usualOpen))
	}
	p.FreeSYNs = usualFreeSYNs
	return p
}

var reversePaths = map[string]firewall.ReversePath{
	"": firewall.ReversePathAuto, store.ReversePathStrict: firewall.ReversePathStrict,
	store.ReversePathLoose: firewall.ReversePathLoose, store.ReversePathOff: firewall.ReversePathOff,
}
