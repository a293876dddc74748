package store

import "net/netip"

// Group is what its remote users get when they connect.
type Group struct {
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	// Pools are the networks that virtual addresses come from, at most one for
	// each family.
	Pools []netip.Prefix `json:"pools,omitempty" jsonschema:"maxItems=2"`
	// Networks are what goes through the tunnel; empty means everything.
	Networks []netip.Prefix `json:"networks,omitempty"`
	// DNS are the name servers clients use, and Domains what they are asked
	// for; empty means everything.
	DNS     []netip.Addr `json:"dns,omitempty"`
	Domains []string     `json:"domains,omitempty"`
	Note    string       `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// DHCP hands out IPv4 addresses on one interface.
type DHCP struct {
	// Interface is the name of an Interface, not of the zone wan.
	Interface string `json:"interface" jsonschema:"minLength=1,maxLength=40"`
	Enabled   bool   `json:"enabled"`
	// First to Last are handed out; both in one network of the interface.
	First netip.Addr `json:"first"`
	Last  netip.Addr `json:"last"`
	// LeaseSeconds is 120 to 604800; 0 means 12 hours.
	LeaseSeconds int `json:"lease_seconds,omitempty" jsonschema:"minimum=0,maximum=604800"`
	// DNS are the name servers handed out; empty means this gateway.
	DNS []netip.Addr `json:"dns,omitempty"`
}

// Reservation gives one machine always the same address.
type Reservation struct {
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	// MAC is six bytes, as in 02:00:5e:10:00:01, lower case.
	MAC     string     `json:"mac" jsonschema:"pattern=^([0-9a-f]{2}:){5}[0-9a-f]{2}$"`
	Address netip.Addr `json:"address"`
	Note    string     `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// DNS is the name server of this gateway.
type DNS struct {
	Enabled bool `json:"enabled,omitempty"`
	// Domain is the office's own, as in office.example.
	Domain string `json:"domain,omitempty" jsonschema:"maxLength=253"`
	// Upstreams are asked for everything else.
	Upstreams []netip.Addr `json:"upstreams,omitempty"`
}

// Host is a fixed name in the office's domain.
type Host struct {
	Name      string       `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Addresses []netip.Addr `json:"addresses" jsonschema:"minItems=1"`
	Note      string       `json:"note,omitempty" jsonschema:"maxLength=1000"`
}
