package office

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"gatehouse/store"
)

// seen: who looks at hq sees mallory refused by its rule and name, and hq-pc's
// download in the connections and the talkers; ending it ends it.
func seen(ctx context.Context, l *Office) (string, error) {
	doc := hqDocument(psk, rekeyInChecks)
	mallory, pc := netip.MustParseAddr(malloryAddr), netip.MustParseAddr(hqPC)
	doc.Hosts = []store.Host{{Name: "mallory", Addresses: []netip.Addr{mallory}}, {Name: "hq-pc", Addresses: []netip.Addr{pc, netip.MustParseAddr(hqPC6)}}}
	doc.Lists = []store.List{{Name: "strangers", Entries: []store.AddressRange{{First: mallory, Last: mallory}}}}
	doc.Firewall.Rules = []store.Rule{{Name: "no-strangers", From: store.ZoneWAN, To: store.ZoneLAN, SourceLists: []string{"strangers"}, Action: store.Drop, Log: true}}
	doc.Firewall.Forwards = []store.Forward{{Name: "pc", Enabled: true, Protocol: "tcp",
		Ports: store.PortRange{First: 8088, Last: 8088}, To: store.Target{Addr: pc}, ToPort: 80}}
	if err := l.HQ.Configure(ctx, doc); err != nil {
		return "", err
	}
	refused := l.refusalIsSeen(ctx)
	moved, download := l.downloadIsSeen(ctx)
	back := l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks))
	if err := errors.Join(refused, download, back); err != nil {
		return "", err
	}
	return "mallory is refused by name under no-strangers, by command and on the page; " + moved, nil
}

func (l *Office) refusalIsSeen(ctx context.Context) error {
	return until(ctx, 20*time.Second, "mallory in hq's log", func() error {
		if _, err := l.Mallory.knocks(ctx, hqWAN+":8088"); err == nil {
			return permanent{errors.New("mallory got in")}
		}
		out, err := l.HQ.tool(ctx, nil, "firewall", "log", "--rule", "no-strangers", "--address", "mallory")
		if err != nil {
			return permanent{err}
		}
		for _, want := range []string{malloryAddr + ":", "(mallory, wan)", hqPC + ":80 (hq-pc, lan)", "drop tcp"} {
			if !strings.Contains(out, want) {
				return fmt.Errorf("it does not say %q: %s", want, out)
			}
		}
		return l.hqPage().says(ctx, "/firewall/log?rule=no-strangers", "<strong>mallory</strong>", "<strong>hq-pc</strong>", "Web, TCP port 80",
			"/objects/rules/edit?name=no-strangers", "/firewall/trace?destination="+hqPC)
	})
}

// downloadIsSeen begins a download of hq-pc that would last for half an hour.
func (l *Office) downloadIsSeen(ctx context.Context) (string, error) {
	conn, err := l.HQPC.Dial(ctx, "tcp", net.JoinHostPort(webAddr, "80"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /bytes/%d HTTP/1.1\r\nHost: %s\r\n\r\n", int64(1)<<31, webAddr); err != nil {
		return "", err
	}
	// Ten megabits a second, so that the lab has room for other work.
	read := make(chan error, 1)
	ending := make(chan struct{})
	go func() { read <- drain(conn, ending) }()
	source := conn.LocalAddr().String()
	var id string
	err = until(ctx, 40*time.Second, "hq-pc's download to be seen", func() error {
		out, err := l.HQ.tool(ctx, nil, "firewall", "connections", "--host", "hq-pc", "--port", "80")
		if err != nil {
			return permanent{err}
		}
		for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
			if strings.Contains(lines.Text(), source+" (hq-pc, lan)") && strings.Contains(lines.Text(), webAddr+":80") {
				id, _, _ = strings.Cut(lines.Text(), " ")
			}
		}
		if id == "" {
			return fmt.Errorf("no connection from %s:\n%s", source, out)
		}
		if out, err = l.HQ.tool(ctx, nil, "firewall", "talkers"); err != nil {
			return permanent{err}
		}
		if !strings.Contains(out, hqPC+" (hq-pc, lan)") {
			return fmt.Errorf("hq-pc is no talker:\n%s", out)
		}
		return l.hqPage().says(ctx, "/firewall/connections?host=hq-pc", source, webAddr+":80", "/firewall/connections/end?id="+id, "Top talkers")
	})
	if err != nil {
		return "", err
	}
	select {
	case err := <-read:
		return "", fmt.Errorf("the download ended by itself: %w", err)
	default:
	}
	out, err := l.HQ.tool(ctx, nil, "firewall", "connections", "kill", id)
	if err != nil || strings.TrimSpace(out) != "1 ended" {
		return "", fmt.Errorf("kill said %q: %w", out, err)
	}
	close(ending)
	select {
	case err := <-read:
		if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
			return "", fmt.Errorf("the download did not end in silence: %w", err)
		}
	case <-time.After(20 * time.Second):
		return "", errors.New("the download goes on after it was ended")
	}
	if err := l.hqPage().says(ctx, "/audit", "Ended the connection from "+source+" (hq-pc, lan)"); err != nil {
		return "", err
	}
	if who, err := l.HQPC.whoami(ctx, webAddr); err != nil || who != hqWAN {
		return "", fmt.Errorf("hq-pc has no new connection: %s %w", who, err)
	}
	return "hq-pc's download stands in connections and talkers and ends when it is ended", nil
}

// silence is how long nothing comes of a download before it counts as ended.
const silence = 5 * time.Second

// drain reads until nothing comes for a while; slowly until ending is closed.
func drain(conn net.Conn, ending <-chan struct{}) error {
	part := make([]byte, 128<<10)
	for {
		select {
		case <-ending:
		case <-time.After(100 * time.Millisecond):
		}
		if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		if _, err := conn.Read(part); err != nil {
			return err
		}
	}
}
