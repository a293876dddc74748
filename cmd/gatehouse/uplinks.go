package main

import (
	"net/netip"

	"gatehouse/network"
	"gatehouse/store"
)

// uplinkTable and the mark of an uplink is the number of the routing table for
// answers to what came in by it.
const uplinkTable = 10300

// uplinkMarks number the ways to the internet by the names of their interfaces,
// where there are several: what comes in by one is answered by it.
func uplinkMarks(doc store.Document) map[string]uint32 {
	out := map[string]uint32{}
	for _, i := range doc.Interfaces {
		if i.Zone == store.ZoneWAN && len(i.Gateways) > 0 {
			out[i.Name] = uint32(len(out) + 1)
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// uplinkRoutes are the default routes by an interface. With several uplinks
// the first is taken while it is there, and each has its own in a table.
func uplinkRoutes(i store.Interface, mark uint32) []network.Route {
	const usual6 = 1024 // the kernel's metric for IPv6
	var out []network.Route
	for _, gw := range i.Gateways {
		everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if gw.Is6() {
			everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		r := network.Route{Destination: everything, Via: gw, Device: i.Device}
		if mark > 1 {
			r.Metric = int(mark)
			if gw.Is6() {
				r.Metric += usual6
			}
		}
		out = append(out, r)
		if mark != 0 {
			r.Table, r.Metric = uplinkTable+int(mark), 0
			out = append(out, r)
		}
	}
	if mark != 0 {
		for _, a := range i.Addresses {
			out = append(out, network.Route{Destination: a.Masked(), Device: i.Device, Table: uplinkTable + int(mark)})
		}
	}
	return out
}
