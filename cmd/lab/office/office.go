// Package office builds the lab's machines and cables and checks the product
// in them.
package office

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"gatehouse/store"
)

// Addresses of the lab. All are from the documentation and private ranges.
const (
	hqWAN, branchWAN, partnerWAN = "203.0.113.2", "198.51.100.2", "198.51.100.3"
	malloryAddr, webAddr         = "203.0.113.66", "198.51.100.80"
	hqWAN6, branchWAN6           = "2001:db8:1::2", "2001:db8:2::2"
	hqPC, branchPC, partnerLAN   = "10.1.0.10", "10.2.0.10", "10.3.0.1"
	hqPC6, branchPC6             = "fd00:1::10", "fd00:2::10"
	branchLAN                    = "10.2.0.1"
	psk                          = "lab-only-key-4f9a1c7e2b"
)

// Office is the whole lab.
type Office struct {
	Options
	Inet, HQPC, BranchPC, Mallory, Web, Partner *Host
	HQ, Branch                                  *Gateway
	dir                                         string
}

// New makes machines and cables; no gateway runs yet.
func New(o Options) (*Office, error) {
	if err := settleIn(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(o.Gatehouse); err != nil {
		return nil, fmt.Errorf("the gatehouse binary: %w; run make build", err)
	}
	dir, err := os.MkdirTemp("/run", "lab-")
	if err != nil {
		return nil, err
	}
	l := &Office{Options: o, dir: dir}
	hosts := map[string]**Host{
		"inet": &l.Inet, "hq-pc": &l.HQPC, "branch-pc": &l.BranchPC, "mallory": &l.Mallory, "web": &l.Web, "partner": &l.Partner,
	}
	for name, h := range hosts {
		if *h, err = newHost(name); err != nil {
			return nil, err
		}
	}
	for name, g := range map[string]**Gateway{"hq": &l.HQ, "branch": &l.Branch} {
		h, err := newHost(name)
		if err != nil {
			return nil, err
		}
		*g = &Gateway{Host: h, binary: o.Gatehouse, dir: dir}
	}
	l.HQ.page = os.NewFile(pageFD, "page")
	for fd := range 1 + spareFDs {
		syscall.CloseOnExec(pageFD + fd)
	}
	return l, l.wire()
}

// wire lays the cables and addresses everything but the gateways' own ports.
func (l *Office) wire() error {
	steps := []func() error{
		func() error { return cable(l.Inet, "hq", l.HQ.Host, "wan0") },
		func() error { return cable(l.Inet, "mallory", l.Mallory, "eth0") },
		func() error { return cable(l.Inet, "branch", l.Branch.Host, "wan0") },
		func() error { return cable(l.Inet, "web", l.Web, "eth0") },
		func() error { return cable(l.Inet, "partner", l.Partner, "eth0") },
		func() error { return cable(l.HQ.Host, "lan0", l.HQPC, "eth0") },
		func() error { return cable(l.Branch.Host, "lan0", l.BranchPC, "eth0") },
		func() error {
			return l.Inet.bridge("net1", []string{"hq", "mallory"}, "203.0.113.1/24", "2001:db8:1::1/64")
		},
		func() error {
			return l.Inet.bridge("net2", []string{"branch", "web", "partner"}, "198.51.100.1/24", "2001:db8:2::1/64")
		},
		l.Inet.router,
	}
	for _, c := range []struct {
		host              *Host
		prefix, prefix6   string
		gateway, gateway6 string
	}{
		{l.Mallory, malloryAddr + "/24", "2001:db8:1::66/64", "203.0.113.1", "2001:db8:1::1"},
		{l.Web, webAddr + "/24", "2001:db8:2::80/64", "198.51.100.1", "2001:db8:2::1"},
		{l.Partner, partnerWAN + "/24", "2001:db8:2::3/64", "198.51.100.1", "2001:db8:2::1"},
		{l.HQPC, hqPC + "/24", hqPC6 + "/64", "10.1.0.1", "fd00:1::1"},
		{l.BranchPC, branchPC + "/24", branchPC6 + "/64", "10.2.0.1", "fd00:2::1"},
	} {
		steps = append(steps,
			func() error { return c.host.address("eth0", c.prefix, c.prefix6) },
			func() error { return c.host.route("0.0.0.0/0", c.gateway) },
			func() error { return c.host.route("::/0", c.gateway6) },
			func() error { return c.host.serve(":80") })
	}
	steps = append(steps, func() error { return l.Partner.address("lo", partnerLAN+"/24") })
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// document is the configuration of one gateway: two ports, the usual zones,
// and its branches.
func document(name string, wan, lan []string, gateways []string, branches ...store.Branch) store.Document {
	doc := store.Document{
		Version: store.DocumentVersion, System: store.System{Name: name},
		Interfaces: []store.Interface{
			{Name: "internet", Device: "wan0", Zone: store.ZoneWAN, Addresses: prefixes(wan...)},
			{Name: "office", Device: "lan0", Zone: store.ZoneLAN, Addresses: prefixes(lan...)},
		},
		Firewall: store.Firewall{
			Masquerade: true,
			// The lab's internet is made of networks for documentation.
			Protection: store.Guards{BogonExceptions: prefixes("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")},
			Defaults: []store.ZoneDefault{
				{From: store.ZoneLAN, To: store.ZoneWAN, Action: store.Allow},
				{From: store.ZoneLAN, To: store.ZoneVPN, Action: store.Allow},
				{From: store.ZoneVPN, To: store.ZoneLAN, Action: store.Allow},
			},
		},
		Branches: branches,
	}
	for _, g := range gateways {
		doc.Interfaces[0].Gateways = append(doc.Interfaces[0].Gateways, netip.MustParseAddr(g))
	}
	return doc
}

// rekeySeconds is short in checks, so that everything runs across rekeys.
func hqDocument(key string, rekeySeconds int, more ...store.Branch) store.Document {
	return document("hq", []string{hqWAN + "/24", hqWAN6 + "/64"}, []string{"10.1.0.1/24", "fd00:1::1/64"},
		[]string{"203.0.113.1", "2001:db8:1::1"}, append([]store.Branch{{
			Name: "branch", Enabled: true, Peer: branchWAN, Start: store.StartAlways,
			LocalNetworks: prefixes("10.1.0.0/24", "fd00:1::/64"), RemoteNetworks: prefixes("10.2.0.0/24", "fd00:2::/64"),
			PSK: store.Secret(key), RekeySeconds: rekeySeconds, DPDSeconds: 5,
		}}, more...)...)
}

func branchDocument(key string, rekeySeconds int) store.Document {
	return document("branch", []string{branchWAN + "/24", branchWAN6 + "/64"}, []string{"10.2.0.1/24", "fd00:2::1/64"},
		[]string{"198.51.100.1", "2001:db8:2::1"}, store.Branch{
			Name: "hq", Enabled: true, Peer: hqWAN, Start: store.StartAnswer,
			LocalNetworks: prefixes("10.2.0.0/24", "fd00:2::/64"), RemoteNetworks: prefixes("10.1.0.0/24", "fd00:1::/64"),
			PSK: store.Secret(key), RekeySeconds: rekeySeconds, DPDSeconds: 5,
		})
}

// Open boots and configures both gateways and waits for the tunnel.
func (l *Office) Open(ctx context.Context, rekeySeconds int) error {
	for g, doc := range map[*Gateway]store.Document{
		l.Branch: branchDocument(psk, rekeySeconds), l.HQ: hqDocument(psk, rekeySeconds),
	} {
		if err := g.Boot(ctx); err != nil {
			return err
		}
		if err := g.Configure(ctx, doc); err != nil {
			return err
		}
	}
	for g, branch := range map[*Gateway]string{l.HQ: "branch", l.Branch: "hq"} {
		if err := g.WaitUp(ctx, branch); err != nil {
			return fmt.Errorf("%w\nend of %s's log:\n%s", err, g.Name, g.Log(3000))
		}
	}
	return nil
}

// Close says goodbye like an admin would. What is left ends with the process.
func (l *Office) Close() {
	for _, g := range []*Gateway{l.HQ, l.Branch} {
		if err := g.Stop(syscall.SIGTERM); err != nil {
			fmt.Fprintln(os.Stderr, "lab:", err)
		}
	}
}
