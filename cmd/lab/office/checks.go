package office

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gatehouse/store"
	"gatehouse/web"
)

// pingResult counts echoes.
type pingResult struct {
	sent, received int
	missing        string // which were not answered, as ranges of numbers
}

var pingLine = regexp.MustCompile(`(\d+) packets transmitted, (\d+)(?: packets)? received`)

// ping sends n echoes, one each interval.
func (h *Host) ping(ctx context.Context, addr string, n int, interval time.Duration, more ...string) (pingResult, error) {
	args := append([]string{"-n", "-c", strconv.Itoa(n), "-W", "2",
		"-i", strconv.FormatFloat(interval.Seconds(), 'f', 3, 64)}, append(more, addr)...)
	out, err := h.Output(ctx, "ping", args...)
	m := pingLine.FindStringSubmatch(out)
	if m == nil {
		return pingResult{}, fmt.Errorf("ping from %s: %v %s", h.Name, err, out)
	}
	sent, _ := strconv.Atoi(m[1])
	received, _ := strconv.Atoi(m[2])
	return pingResult{sent, received, missing(out, sent)}, nil
}

var pingAnswer = regexp.MustCompile(`icmp_seq=(\d+) ttl`)

// missing are the pings without an answer, as ranges of their numbers.
func missing(out string, sent int) (ranges string) {
	came := map[int]bool{}
	for _, m := range pingAnswer.FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(m[1])
		came[n] = true
	}
	for n := 1; n <= sent; n++ {
		if came[n] {
			continue
		}
		first := n
		for n < sent && !came[n+1] {
			n++
		}
		ranges += fmt.Sprintf(" %d-%d", first, n)
	}
	return ranges
}

// reaches pings until everything comes back, within a few tries.
func (h *Host) reaches(ctx context.Context, addr string, more ...string) error {
	return until(ctx, 20*time.Second, "ping from "+h.Name+" to "+addr, func() error {
		r, err := h.ping(ctx, addr, 3, 200*time.Millisecond, more...)
		if err == nil && r.received != r.sent {
			err = fmt.Errorf("%d of %d came back", r.received, r.sent)
		}
		return err
	})
}

// fetched is how much goes through the tunnel, in bytes; less in a guest, whose
// processor is a program.
var fetched int64 = 100_000_000

// fetch gets n bytes and checks every one of them.
func (h *Host) fetch(ctx context.Context, host string, n int64) (mbits float64, err error) {
	start := time.Now()
	req, err := httpGet(ctx, fmt.Sprintf("http://%s/bytes/%d", host, n))
	if err != nil {
		return 0, err
	}
	resp, err := h.Client().Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	sum := sha256.New()
	got, err := io.Copy(sum, resp.Body)
	if err != nil {
		return 0, err
	}
	if got != n || [sha256.Size]byte(sum.Sum(nil)) != patternSum(n) {
		return 0, fmt.Errorf("%d bytes came, and they are not the ones sent", got)
	}
	return float64(n) * 8 / 1e6 / time.Since(start).Seconds(), nil
}

func tunnelV4(ctx context.Context, l *Office) (string, error) {
	return l.tunnel(ctx, branchPC, branchPC)
}

func tunnelV6(ctx context.Context, l *Office) (string, error) {
	return l.tunnel(ctx, branchPC6, "["+branchPC6+"]")
}

func (l *Office) tunnel(ctx context.Context, addr, host string) (string, error) {
	c, err := l.Inet.capture("hq", onTheWire)
	if err != nil {
		return "", err
	}
	pingErr := l.HQPC.reaches(ctx, addr)
	speed, fetchErr := l.HQPC.fetch(ctx, host, fetched)
	frames, wireErr := c.Stop()
	if err := errors.Join(pingErr, fetchErr, wireErr); err != nil {
		return "", err
	}
	if frames == 0 {
		return "", errors.New("the capture saw nothing")
	}
	return fmt.Sprintf("%d MB whole at %.0f Mbit/s; %d frames on the wire, no inner address, only IKE and ESP", fetched/1e6, speed, frames), nil
}

func internet(ctx context.Context, l *Office) (string, error) {
	who, err := l.HQPC.whoami(ctx, webAddr)
	if err != nil {
		return "", err
	}
	if who != hqWAN {
		return "", fmt.Errorf("the web saw %s", who)
	}
	return "the web saw " + hqWAN, nil
}

// scanned are ports where something might listen: on a gateway the page, SSH,
// DNS; on a PC the web server of the lab.
var scanned = []int{22, 53, 80, 443, 500, 4500, 8443, 31337}

// scan tries to open TCP ports and gives those that opened.
func (h *Host) scan(ctx context.Context, addrs ...string) (open []string, tried int) {
	type result struct {
		addr string
		ok   bool
	}
	results := make(chan result)
	for _, a := range addrs {
		for _, p := range scanned {
			tried++
			go func() {
				target := net.JoinHostPort(a, strconv.Itoa(p))
				conn, err := h.Dial(ctx, "tcp", target)
				if err == nil {
					conn.Close()
				}
				results <- result{target, err == nil}
			}()
		}
	}
	for range tried {
		if r := <-results; r.ok {
			open = append(open, r.addr)
		}
	}
	return open, tried
}

func attacker(ctx context.Context, l *Office) (string, error) {
	before, err := l.HQ.Status(ctx)
	if err != nil {
		return "", err
	}
	seen, err := l.HQPC.capture("eth0", func(f frame) string {
		if f.dstPort == spoofPort || f.src.String() == malloryAddr || f.src.String() == "2001:db8:1::66" {
			return "a packet of mallory's"
		}
		return ""
	})
	if err != nil {
		return "", err
	}
	// By address, then by routing to the office through hq, which is on the
	// same wire.
	routes := errors.Join(l.Mallory.route("10.0.0.0/8", hqWAN), l.Mallory.route("fd00::/16", hqWAN6))
	open, tried := l.Mallory.scan(ctx, hqWAN, hqWAN6, "10.1.0.1", "fd00:1::1", hqPC, hqPC6, branchPC, branchPC6, branchWAN)
	spoofed, spoofErr := l.Mallory.spoof(l.HQ)
	_, seenErr := seen.Stop()
	if err := errors.Join(routes, spoofErr, seenErr); err != nil {
		return "", err
	}
	if len(open) > 0 {
		return "", fmt.Errorf("mallory opened %v", open)
	}
	// The scan proves something only if there was something to find.
	if _, err := l.HQPC.fetch(ctx, "127.0.0.1", 10); err != nil {
		return "", fmt.Errorf("hq-pc serves nothing: %w", err)
	}
	after, err := l.HQ.Status(ctx)
	if err != nil {
		return "", err
	}
	blocked := after.Blocked - before.Blocked
	if blocked < uint64(spoofed) {
		return "", fmt.Errorf("only %d packets were counted as blocked, %d were spoofed alone", blocked, spoofed)
	}
	return fmt.Sprintf("%d ports shut, %d spoofed frames dropped, %d packets counted as blocked", tried, spoofed, blocked), nil
}

func rekeyUnderPing(ctx context.Context, l *Office) (string, error) {
	before, err := l.HQ.Tunnel(ctx, "branch")
	if err != nil {
		return "", err
	}
	r, err := l.HQPC.ping(ctx, branchPC, 1500, 10*time.Millisecond)
	if err != nil {
		return "", err
	}
	after, err := l.HQ.Tunnel(ctx, "branch")
	if err != nil {
		return "", err
	}
	rekeys := after.Rekeys - before.Rekeys
	if r.received != r.sent || rekeys < 3 {
		return "", fmt.Errorf("%d of %d pings came back over %d rekeys", r.received, r.sent, rekeys)
	}
	return fmt.Sprintf("%d pings, none lost, over %d rekeys", r.sent, rekeys), nil
}

// unprotected tries to reach the branch while there is no tunnel, with a
// capture on hq's line.
func (l *Office) unprotected(ctx context.Context) (int, error) {
	c, err := l.Inet.capture("hq", orUnreachable)
	if err != nil {
		return 0, err
	}
	var sent int
	var errs []error
	for _, addr := range []string{branchPC, branchPC6} {
		r, err := l.HQPC.ping(ctx, addr, 10, 100*time.Millisecond)
		if err != nil {
			errs = append(errs, err)
		}
		if r.received > 0 {
			errs = append(errs, fmt.Errorf("%s answered although there is no tunnel", addr))
		}
		sent += r.sent
	}
	if conn, err := l.HQPC.Dial(ctx, "tcp", net.JoinHostPort(branchPC, "80")); err == nil {
		conn.Close()
		errs = append(errs, errors.New("a connection opened although there is no tunnel"))
	}
	_, wireErr := c.Stop()
	return sent, errors.Join(append(errs, wireErr)...)
}

func noLeak(ctx context.Context, l *Office) (string, error) {
	if err := l.Branch.Stop(syscall.SIGTERM); err != nil {
		return "", err
	}
	// A gateway that stops tells its peers; only retransmits, over many
	// seconds, would show it by themselves.
	told := until(ctx, 3*time.Second, "hq to be told", func() error {
		t, err := l.HQ.Tunnel(ctx, "branch")
		if err == nil && t.State == web.TunnelUp {
			err = errors.New("it still takes the tunnel for up")
		}
		return err
	})
	sent, leak := l.unprotected(ctx)
	if err := errors.Join(told, leak, l.Branch.Boot(ctx), l.HQ.WaitUp(ctx, "branch"), l.HQPC.reaches(ctx, branchPC)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d pings and a connection stayed inside; the tunnel came back by itself", sent), nil
}

func kill(ctx context.Context, l *Office) (string, error) {
	st, err := l.HQ.Status(ctx)
	if err != nil {
		return "", err
	}
	if st.Dataplane == "kernel" {
		return outlive(ctx, l)
	}
	if err := l.HQ.Stop(syscall.SIGKILL); err != nil {
		return "", err
	}
	open, tried := l.Mallory.scan(ctx, hqWAN, hqWAN6, "10.1.0.1", hqPC, hqPC6)
	_, leak := l.unprotected(ctx)
	if len(open) > 0 {
		leak = errors.Join(leak, fmt.Errorf("mallory opened %v", open))
	}
	start := time.Now()
	err = errors.Join(leak, l.HQ.Boot(ctx), l.HQ.WaitUp(ctx, "branch"), l.HQPC.reaches(ctx, branchPC), l.HQPC.reaches(ctx, branchPC6))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d ports stayed shut, nothing leaked; traffic again %.1f s after the restart", tried, time.Since(start).Seconds()), nil
}

func wrongKey(ctx context.Context, l *Office) (string, error) {
	if err := l.HQ.Configure(ctx, hqDocument("not-the-key-of-the-branch", rekeyInChecks)); err != nil {
		return "", err
	}
	problems := func() error {
		return until(ctx, 30*time.Second, "both sides to say why", func() error {
			a, err := l.HQ.Tunnel(ctx, "branch")
			if err != nil {
				return err
			}
			b, err := l.Branch.Tunnel(ctx, "hq")
			if err != nil {
				return err
			}
			if a.State != web.TunnelDown || a.Problem == nil || a.Problem.Code != "rejected_by_peer" ||
				b.State != web.TunnelDown || b.Problem == nil || b.Problem.Code != "wrong_key" {
				return fmt.Errorf("hq %s %+v, branch %s %+v", a.State, a.Problem, b.State, b.Problem)
			}
			return nil
		})
	}
	said := problems()
	var pages error
	if said == nil {
		pages = errors.Join(
			l.hqPage().says(ctx, "/branches/branch", "did not accept this side", "rejected_by_peer"),
			l.branchPage().says(ctx, "/branches/hq", "uses another shared key", "wrong_key"))
	}
	back := errors.Join(l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks)), l.HQ.WaitUp(ctx, "branch"), l.HQPC.reaches(ctx, branchPC))
	for _, g := range []*Gateway{l.HQ, l.Branch} {
		if log := g.Log(maxLog); strings.Contains(log, psk) || strings.Contains(log, "not-the-key-of-the-branch") {
			back = errors.Join(back, fmt.Errorf("%s logged a key", g.Name))
		}
	}
	if err := errors.Join(said, pages, back); err != nil {
		return "", err
	}
	return "hq says rejected_by_peer, branch says wrong_key, both pages say it in words; no key in any log", nil
}

// putBack applies a document with a port that is not there, and a rule that
// would show if anything of it stayed.
func putBack(ctx context.Context, l *Office) (string, error) {
	before, err := l.HQ.Status(ctx)
	if err != nil {
		return "", err
	}
	doc := hqDocument(psk, rekeyInChecks)
	doc.Interfaces = append(doc.Interfaces, store.Interface{
		Name: "missing", Device: "lan7", Zone: store.ZoneLAN, Addresses: prefixes("10.7.0.1/24"),
	})
	doc.Firewall.Defaults = nil
	refused := l.HQ.Configure(ctx, doc)
	if refused == nil || !strings.Contains(refused.Error(), "lan7") {
		return "", fmt.Errorf("the apply said: %v", refused)
	}
	after, err := l.HQ.Status(ctx)
	if err != nil {
		return "", err
	}
	if after.Revision != before.Revision {
		return "", fmt.Errorf("revision %d is in force, not %d", after.Revision, before.Revision)
	}
	// What passed before still passes, by the same tunnel.
	err = errors.Join(l.HQPC.reaches(ctx, branchPC), l.HQPC.reaches(ctx, webAddr))
	for _, t := range after.Tunnels {
		if t.State != web.TunnelUp {
			err = errors.Join(err, fmt.Errorf("the tunnel is %s", t.State))
		}
	}
	if err := errors.Join(err, l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks))); err != nil {
		return "", err
	}
	return fmt.Sprintf("the port was named, revision %d stayed in force, traffic passed", before.Revision), nil
}
