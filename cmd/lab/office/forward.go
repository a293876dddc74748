package office

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"

	"gatehouse/store"
)

// whoami asks a web server who it thinks is asking.
func (h *Host) whoami(ctx context.Context, host string) (string, error) {
	req, err := httpGet(ctx, "http://"+host+"/whoami")
	if err != nil {
		return "", err
	}
	resp, err := h.Client().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	who, err := io.ReadAll(io.LimitReader(resp.Body, 100))
	return string(who), err
}

// knocks is whoami without patience: a shut port does not answer.
func (h *Host) knocks(ctx context.Context, host string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return h.whoami(ctx, host)
}

// forwarded: hq leads a port to its PC, but not for those on a list. Both are
// objects of the document; nothing is said to nftables.
func forwarded(ctx context.Context, l *Office) (string, error) {
	doc := hqDocument(psk, rekeyInChecks)
	mallory := netip.MustParseAddr(malloryAddr)
	doc.Lists = []store.List{{Name: "strangers", Entries: []store.AddressRange{{First: mallory, Last: mallory}}}}
	doc.Services = []store.Service{{Name: "web", Protocol: "tcp", Ports: []store.PortRange{{First: 80, Last: 80}}}}
	doc.Firewall.Rules = []store.Rule{{Name: "no-strangers", From: store.ZoneWAN, To: store.ZoneLAN,
		SourceLists: []string{"strangers"}, Services: []string{"web"}, Action: store.Drop, Log: true}}
	doc.Firewall.Forwards = []store.Forward{{Name: "pc", Enabled: true, Protocol: "tcp",
		Ports: store.PortRange{First: 8088, Last: 8088}, To: store.Target{Addr: netip.MustParseAddr(hqPC)}, ToPort: 80}}
	outside := hqWAN + ":8088"
	if _, err := l.Web.knocks(ctx, outside); err == nil {
		return "", errors.New("the port was open before")
	}
	if err := l.HQ.Configure(ctx, doc); err != nil {
		return "", err
	}
	var faults []error
	for _, c := range []struct {
		from *Host
		seen string // empty: must not get through
	}{{l.Web, webAddr}, {l.Mallory, ""}, {l.HQPC, "10.1.0.1"}, {l.BranchPC, branchWAN}} {
		seen, err := c.from.knocks(ctx, outside)
		if c.seen == "" && err == nil || c.seen != "" && (err != nil || seen != c.seen) {
			faults = append(faults, fmt.Errorf("%s: %q %v, want %q", c.from.Name, seen, err, c.seen))
		}
	}
	// The power fails, and the kernel forgets what it counted.
	if err := l.HQ.Stop(syscall.SIGTERM); err != nil {
		return "", err
	}
	if out, err := l.HQ.Output(ctx, "nft", "delete", "table", "inet", "gatehouse"); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	faults = append(faults, l.HQ.Boot(ctx), l.HQ.WaitUp(ctx, "branch"), l.hqPage().says(ctx, "/objects/forwards", " times, last "))
	back := l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks))
	if err := errors.Join(append(faults, back)...); err != nil {
		return "", err
	}
	if _, err := l.Web.knocks(ctx, outside); err == nil {
		return "", errors.New("the port is open after the forward is gone")
	}
	return "the web and the branch came through as themselves, hq-pc as the gateway, mallory on the list not at all; counters outlived the kernel's table", nil
}
