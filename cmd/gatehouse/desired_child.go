package main

import (
	"fmt"

	"gatehouse/ipsec"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/store"
)

// children are what a branch carries: its own networks, then its children. esp are
// the suites of its profile.
func children(doc store.Document, b store.Branch, esp []crypto.Suite) ([]ipsec.Child, error) {
	var out []ipsec.Child
	if len(b.LocalNetworks) > 0 {
		c := ipsec.Child{Name: b.Name, Protocol: sad.ESP, LocalNetworks: b.LocalNetworks, RemoteNetworks: b.RemoteNetworks,
			Lifetime: seconds(b.RekeySeconds, defaultChildLifetime)}
		var err error
		if c.Suites, err = suites(b.ESPProposals, crypto.ParseESPSuite, esp); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	for _, ch := range doc.Children {
		if ch.Branch != b.Name || !ch.Enabled {
			continue
		}
		// A slash, which no name has, keeps it apart from the branch itself.
		c := ipsec.Child{Name: b.Name + "/" + ch.Name, Protocol: sad.ESP, LocalNetworks: ch.LocalNetworks, RemoteNetworks: ch.RemoteNetworks,
			Lifetime: seconds(ch.RekeySeconds, defaultChildLifetime)}
		parse, otherwise := crypto.ParseESPSuite, esp
		if ch.Protocol == "ah" {
			c.Protocol, parse, otherwise = sad.AH, crypto.ParseAHSuite, crypto.DefaultAHSuites()
		}
		if ch.Mode == "transport" {
			c.Mode = sad.Transport
		}
		var err error
		if c.Suites, err = suites(ch.Proposals, parse, otherwise); err != nil {
			return nil, fmt.Errorf("child %s: %w", ch.Name, err)
		}
		out = append(out, c)
	}
	return out, nil
}
