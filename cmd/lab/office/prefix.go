package office

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"gatehouse/store"
)

// followsPrefix: hq's LAN port gets a prefix as a provider would give it, then
// another. Rules for hosts behind it follow without an apply, and a connection
// that has nothing to do with it runs on.
func followsPrefix(ctx context.Context, l *Office) (string, error) {
	const first, second = "2001:db8:aa::", "2001:db8:bb::"
	behind := func(rest string) string { return "office+::" + rest }
	doc := hqDocument(psk, rekeyInChecks)
	web, err := store.ParseNetwork(behind("80"))
	if err != nil {
		return "", err
	}
	doc.Firewall.Rules = []store.Rule{{Name: "web", From: store.ZoneWAN, To: store.ZoneLAN, Protocol: "tcp",
		Destinations: []store.Network{web}, Ports: []store.PortRange{{First: 80, Last: 80}}, Action: store.Allow}}
	doc.Firewall.Forwards = []store.Forward{{Name: "more", Enabled: true, Protocol: "tcp", Ports: store.PortRange{First: 80, Last: 80},
		To: store.Target{Interface: "office", Addr: netip.MustParseAddr("::81")}}}
	for _, prefix := range []string{first, second} {
		if err := errors.Join(l.HQPC.address("eth0", prefix+"80/64", prefix+"81/64", prefix+"82/64"), l.Inet.route(prefix+"/64", hqWAN6)); err != nil {
			return "", err
		}
	}
	if err := l.HQ.Configure(ctx, doc); err != nil {
		return "", err
	}
	before, err := l.HQ.Status(ctx)
	if err != nil {
		return "", err
	}
	running, err := l.HQPC.Dial(ctx, "tcp", webAddr+":80")
	if err != nil {
		return "", err
	}
	defer running.Close()
	asked := bufio.NewReader(running)
	runs := func() error {
		if _, err := io.WriteString(running, "GET /whoami HTTP/1.1\r\nHost: web\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(asked, nil)
		if err != nil {
			return fmt.Errorf("the connection that runs: %w", err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	opens := func(host string) bool {
		_, err := l.Web.knocks(ctx, "["+host+"]:80")
		return err == nil
	}
	ip := func(args ...string) error {
		out, err := l.HQ.Output(ctx, "ip", args...)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	add := func(prefix string) error {
		return ip("addr", "add", prefix+"1/64", "dev", "lan0", "nodad", "valid_lft", "3600", "preferred_lft", "3600")
	}
	faults := []error{runs()}
	if opens(first + "80") {
		faults = append(faults, errors.New("a host without a prefix is open"))
	}
	faults = append(faults, add(first))
	began := time.Now()
	faults = append(faults, until(ctx, 20*time.Second, "the rule for the first prefix", func() error {
		if !opens(first+"80") || !opens(first+"81") {
			return errors.New("it does not open")
		}
		return nil
	}))
	took := time.Since(began)
	faults = append(faults, add(second), ip("addr", "del", first+"1/64", "dev", "lan0"),
		until(ctx, 40*time.Second, "the rule for the second prefix", func() error {
			if !opens(second+"80") || !opens(second+"81") || opens(first+"80") {
				return errors.New("it does not follow")
			}
			return nil
		}), runs())
	for _, host := range []string{first + "82", second + "82"} {
		if opens(host) {
			faults = append(faults, fmt.Errorf("%s is open, which no rule is for", host))
		}
	}
	after, err := l.HQ.Status(ctx)
	if err == nil && after.Revision != before.Revision {
		err = fmt.Errorf("revision %d became %d", before.Revision, after.Revision)
	}
	faults = append(faults, err, until(ctx, 20*time.Second, "the event", func() error {
		return l.hqPage().says(ctx, "/", "The prefix of office changed from 2001:db8:aa::/64 to 2001:db8:bb::/64.")
	}))
	faults = append(faults, ip("addr", "del", second+"1/64", "dev", "lan0"), l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks)))
	for _, prefix := range []string{first, second} {
		for _, rest := range []string{"80", "81", "82"} {
			_, err := l.HQPC.Output(ctx, "ip", "addr", "del", prefix+rest+"/64", "dev", "eth0")
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return "", err
	}
	return fmt.Sprintf("the rule and the forward opened %.1f s after the prefix was there, followed the next one, and let a connection run", took.Seconds()), nil
}
