package main

import (
	"fmt"
	"net/netip"
	"time"

	"gatehouse/firewall"
	"gatehouse/ipsec"
	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/ike"
	"gatehouse/network"
	"gatehouse/store"
)

const (
	// tunnelDevice is the one virtual interface of IPsec, whatever the plane.
	tunnelDevice = "ipsec0"
	// logGroup is the nflog group of dropped packets.
	logGroup = 100
	// fallbackMetric puts the unreachable route below the tunnel's route.
	fallbackMetric = 4096
)

// Defaults for fields a branch leaves at zero (store.Branch).
const (
	defaultChildLifetime = time.Hour
	defaultDPD           = 30 * time.Second
	// ikeLifetime is not an admin's setting yet: four hours is what the
	// others use.
	ikeLifetime = 4 * time.Hour
)

// desired is what the whole gateway should be: one document, translated into
// the words of each package.
type desired struct {
	firewall firewall.Policy
	ruleset  firewall.Ruleset
	network  network.Config
	ipsec    []ipsec.Connection
	manual   ipsec.Manual
}

// compile translates a document. It touches nothing; an error names the
// object that cannot be translated.
func compile(doc store.Document, now world, adminPort uint16) (desired, error) {
	var d desired
	var err error
	if err := carriedOut(doc); err != nil {
		return desired{}, err
	}
	if d.ipsec, err = connections(doc, now.keyring); err != nil {
		return desired{}, err
	}
	if d.manual, err = byHand(doc, now); err != nil {
		return desired{}, err
	}
	d.firewall = perimeter(doc, now, adminPort)
	if d.ruleset, err = firewall.Compile(d.firewall); err != nil {
		return desired{}, fmt.Errorf("firewall: %w", err)
	}
	d.network = links(doc, now)
	return d, nil
}

// carriedOut refuses what a document can say and this version does not do: an
// admin who switched it on would believe that it works.
func carriedOut(doc store.Document) error {
	refuse := func(what, name string) error {
		return fmt.Errorf("%s %s is switched on, and this version of Gatehouse cannot carry it out yet: switch it off", what, name)
	}
	for _, d := range doc.DHCP {
		if d.Enabled {
			return refuse("handing out addresses on interface", d.Interface)
		}
	}
	if doc.DNS.Enabled {
		return refuse("the name server of", doc.System.Name)
	}
	return nil
}

func connections(doc store.Document, keys *keyring) ([]ipsec.Connection, error) {
	var out []ipsec.Connection
	for _, b := range doc.Branches {
		if !b.Enabled {
			continue
		}
		c := ipsec.Connection{
			Name: b.Name, Peer: b.Peer, Initiate: b.Start != store.StartAnswer, OnTraffic: b.Start == store.StartTraffic,
			PSK:         []byte(b.PSK.Reveal()),
			DPD:         seconds(b.DPDSeconds, defaultDPD),
			IKELifetime: ikeLifetime,
		}
		var err error
		if c.LocalID, err = identity(b.LocalID); err != nil {
			return nil, fmt.Errorf("branch %s: local identity: %w", b.Name, err)
		}
		if b.PPKID != "" {
			c.PPK = &ike.PPK{ID: b.PPKID, Key: []byte(b.PPK.Reveal()), Optional: b.PPKOptional}
		}
		if c.Certified, err = keys.certified(b); err != nil {
			return nil, fmt.Errorf("branch %s: %w", b.Name, err)
		}
		if c.RemoteID, err = identity(b.RemoteID); err != nil {
			return nil, fmt.Errorf("branch %s: remote identity: %w", b.Name, err)
		}
		ike, esp := profile(b).Suites()
		if c.IKE, err = suites(b.IKEProposals, crypto.ParseIKESuite, ike); err != nil {
			return nil, fmt.Errorf("branch %s: %w", b.Name, err)
		}
		c.Legacy = b.Algorithms == store.AlgorithmsLegacy
		if c.Children, err = children(doc, b, esp); err != nil {
			return nil, fmt.Errorf("branch %s: %w", b.Name, err)
		}
		if len(c.Children) > 0 { // else all are switched off
			out = append(out, c)
		}
	}
	return out, nil
}

func seconds(n int, otherwise time.Duration) time.Duration {
	if n == 0 {
		return otherwise
	}
	return time.Duration(n) * time.Second
}

func identity(s string) (auth.Identity, error) {
	if s == "" {
		return auth.Identity{}, nil
	}
	return auth.ParseIdentity(s)
}

// profile is what a branch offers where it names no proposals.
func profile(b store.Branch) crypto.Profile {
	switch {
	case b.Algorithms == store.AlgorithmsStrict:
		return crypto.Strict
	case b.Algorithms == store.AlgorithmsLegacy:
		return crypto.ForLegacy
	case b.Partner:
		return crypto.ForPartner
	}
	return crypto.ForGatehouse
}

func suites(names []string, parse func(string) (crypto.Suite, error), otherwise []crypto.Suite) ([]crypto.Suite, error) {
	if len(names) == 0 {
		return otherwise, nil
	}
	out := make([]crypto.Suite, len(names))
	for i, n := range names {
		s, err := parse(n)
		if err != nil {
			return nil, err
		}
		out[i] = s
	}
	return out, nil
}

func onLink(i store.Interface, via netip.Addr) bool {
	for _, a := range i.Addresses {
		if a.Contains(via) {
			return true
		}
	}
	return false
}

func links(doc store.Document, now world) network.Config {
	c := network.Config{Forwarding: true, ProxySYN: !doc.Firewall.Protection.SYNProxyOff}
	marks := uplinkMarks(doc)
	for _, i := range doc.Interfaces {
		c.Links = append(c.Links, network.Link{Device: i.Device, MTU: i.MTU, Addresses: i.Addresses, WAN: i.Zone == store.ZoneWAN})
		c.Routes = append(c.Routes, uplinkRoutes(i, marks[i.Name])...)
		if mark := marks[i.Name]; mark != 0 {
			c.Rules = append(c.Rules, network.Rule{Mark: mark, Table: uplinkTable + int(mark)})
		}
	}
	for _, r := range doc.Routes {
		c.Routes = append(c.Routes, network.Route{Destination: r.Destination, Via: r.Via})
	}
	seen := map[netip.Prefix]bool{}
	for _, j := range doc.Joints() {
		for _, n := range j.Remote {
			if seen[n] {
				continue // children may have networks of the other side in common
			}
			seen[n] = true
			if j.Enabled {
				c.Routes = append(c.Routes, network.Route{Destination: n, Device: tunnelDevice, Source: ownAddressIn(doc, j.Local, n.Addr().Is4())})
			}
			c.Routes = append(c.Routes, network.Route{Destination: n, Unreachable: true, Metric: fallbackMetric})
		}
	}
	throughTunnel(doc, now, &c)
	return c
}

// ownAddressIn is the address that this gateway itself uses inside a tunnel: its
// first in one of the tunnel's local networks, so that the SPD accepts what the
// gateway sends. Invalid if it has none there.
func ownAddressIn(doc store.Document, networks []netip.Prefix, v4 bool) netip.Addr {
	for _, i := range doc.Interfaces {
		for _, a := range i.Addresses {
			for _, n := range networks {
				if a.Addr().Is4() == v4 && n.Contains(a.Addr()) {
					return a.Addr()
				}
			}
		}
	}
	return netip.Addr{}
}
