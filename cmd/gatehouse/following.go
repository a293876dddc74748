package main

import (
	"net/netip"
	"slices"

	"gatehouse/firewall"
	"gatehouse/store"
)

// addressesOf are the addresses of an interface: those of the document, and
// those its device has for a time.
func (w world) addressesOf(i store.Interface) []netip.Prefix {
	out := slices.Clone(i.Addresses)
	for _, a := range w.addresses[i.Device] {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// following are the IPv6 networks of each interface by its name, which objects
// of a document can follow.
type following map[string][]netip.Prefix

func (w world) following(doc store.Document) following {
	out := following{}
	for _, i := range doc.Interfaces {
		for _, a := range w.addressesOf(i) {
			if n := a.Masked(); n.Addr().Is6() && !n.Addr().IsLinkLocalUnicast() && !slices.Contains(out[i.Name], n) {
				out[i.Name] = append(out[i.Name], n)
			}
		}
	}
	return out
}

// networks are what networks of a document mean now.
func (f following) networks(all []store.Network) []netip.Prefix {
	var out []netip.Prefix
	for _, n := range all {
		out = append(out, n.Within(f[n.Interface])...)
	}
	return out
}

// opened is the rule that lets connections pass to a forward's host that has
// addresses of its own outside; false while it has none.
func (f following) opened(doc store.Document, fw store.Forward) (firewall.Rule, bool) {
	r := firewall.Rule{ID: fw.Name, Sources: fw.Sources, SourceLists: fw.SourceLists, Action: firewall.Allow, Log: fw.Log}
	for _, a := range fw.To.Within(f[fw.To.Interface]) {
		r.Destinations = append(r.Destinations, netip.PrefixFrom(a, a.BitLen()))
	}
	for _, i := range doc.Interfaces {
		if i.Name == fw.To.Interface {
			r.To = string(i.Zone)
		}
	}
	for _, p := range split(fw.Protocol) {
		r.Services = append(r.Services, firewall.Service{Protocol: p, Ports: []firewall.PortRange{firewall.PortRange(fw.Ports)}})
	}
	return r, len(r.Destinations) > 0
}

// translated is a NAT entry with the networks it means now; false while there
// are none.
func (f following) translated(n store.NAT) (firewall.NAT, bool) {
	out := firewall.NAT{ID: n.Name, Exempt: n.Action == store.NATExempt, Sources: f.networks(n.Sources), Destinations: f.networks(n.Destinations)}
	known := len(n.Sources) == 0 || len(out.Sources) > 0
	known = known && (len(n.Destinations) == 0 || len(out.Destinations) > 0)
	both := n.Action == store.NATOneToOne || n.Action == store.NATPrefix
	switch {
	case both && n.Address.IsValid():
		out.Outside = netip.PrefixFrom(n.Address, n.Address.BitLen())
	case both:
		var found bool
		out.Outside, found = onInternet(n.Network.Within(f[n.Network.Interface]))
		known = known && found
	default:
		out.Address = n.Address
	}
	if both && len(out.Sources) > 1 {
		// The one that nobody outside could use is the one to translate.
		out.Sources = out.Sources[:1]
		for _, p := range f.networks(n.Sources) {
			if p.Addr().IsPrivate() {
				out.Sources[0] = p
				break
			}
		}
	}
	return out, known
}

// onInternet is the first network that is valid on the internet, or else the
// first.
func onInternet(all []netip.Prefix) (netip.Prefix, bool) {
	if len(all) == 0 {
		return netip.Prefix{}, false
	}
	if i := slices.IndexFunc(all, func(p netip.Prefix) bool { return !p.Addr().IsPrivate() }); i >= 0 {
		return all[i], true
	}
	return all[0], true
}
