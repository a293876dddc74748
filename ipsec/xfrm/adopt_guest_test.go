//go:build guest

package xfrm

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// mortal is a kernel plane whose process can end and start again.
type mortal struct {
	*Plane
	open func() *Plane
	end  func()
}

func mortalPlane() planetest.Kind {
	return planetest.Kind{Name: "kernel", Open: func(t testing.TB, h *planetest.Host) planetest.Plane {
		m := &mortal{}
		m.open = func() (p *Plane) {
			h.Inside(t, func() (err error) {
				p, err = Open(Config{Device: "ipsec0", IfID: 0x67, Port: 4500, Mark: planetest.Mark, Log: slog.Default(), IKE: func(addrPort, addrPort, []byte) {}, Event: h.Event})
				return err
			})
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			m.end = func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			return p
		}
		m.Plane = m.open()
		t.Cleanup(func() { m.end() })
		return m
	}}
}

// restart ends the process; the next one has forgotten everything.
func (m *mortal) restart() {
	m.end()
	m.Plane = m.open()
}

// foreign is what other software of this host has in the kernel.
var foreign = []string{
	"xfrm state add src 192.0.2.1 dst 192.0.2.77 proto esp spi 0x7777 reqid 7 mode tunnel enc cbc(aes) 0x00112233445566778899aabbccddeeff auth hmac(sha256) 0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	"xfrm policy add src 192.0.2.1 dst 192.0.2.77 dir out tmpl src 192.0.2.1 dst 192.0.2.77 proto esp reqid 7 mode tunnel",
	"xfrm policy add src 2001:db8::1 dst 2001:db8::2 proto ipv6-icmp type 133 dir out priority 17",
}

// listed is what the kernel has that is foreign, and how many others.
func listed(t testing.TB, h *planetest.Host) (others string, ours int) {
	for _, what := range []string{"state", "policy"} {
		var block string
		add := func() {
			if strings.Contains(block, "192.0.2.77") || strings.Contains(block, "priority 17") {
				others += block
			} else if block != "" && !strings.Contains(block, "socket") && !strings.Contains(block, "spi 0x00000000") {
				ours++
			}
			block = ""
		}
		for line := range strings.Lines(planetest.Run(t, "ip", "-n", h.NS, "xfrm", what, "list")) {
			if strings.HasPrefix(line, "src ") {
				add()
			}
			block += line
		}
		add()
	}
	return others, ours
}

// pinging sends pings from the second host until told to stop, and gives the count
// of those that were sent and that came back.
func pinging(t testing.TB, hosts [2]*planetest.Host, to string) (stop func() (sent, back int)) {
	cmd := exec.Command("ip", "netns", "exec", hosts[1].NS, "ping", "-q", "-i", "0.1", "-W", "10", to)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (sent, back int) {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "packets transmitted") {
				if _, err := fmt.Sscanf(line, "%d packets transmitted, %d received", &sent, &back); err != nil {
					t.Error(err, line)
				}
			}
		}
		if sent == 0 {
			t.Errorf("no pings: %s", out.String())
		}
		return sent, back
	}
}

// clear counts pings that arrive at the second host unprotected.
func clear(t testing.TB, h *planetest.Host) (count func() string) {
	h.Run(t, "nft", "add table inet seen; add counter inet seen clear; add chain inet seen c { type filter hook prerouting priority -300; }; "+
		"add rule inet seen c iifname wire meta ipsec missing meta l4proto icmp counter name clear; "+
		"add rule inet seen c iifname wire meta ipsec missing icmpv6 type { echo-request, echo-reply } counter name clear")
	return func() string { return h.Run(t, "nft", "list", "counter", "inet", "seen", "clear") }
}

// restarted shows for one link that traffic runs on across a restart, that the SAs
// of manual keys go on counting where they were, and that what others have stays.
func restarted(t *testing.T, hosts [2]*planetest.Host, l planetest.Link, first sad.SPI) {
	a := hosts[0].Plane.(*mortal)
	var mine []sad.SA
	l.Bind(t, hosts, first, func(sa *sad.SA) {
		if sa.Local == hosts[0].Outer(l.Outer6) {
			mine = append(mine, *sa)
		}
	})
	policies := slices.Clone(a.policies)
	to := hosts[0].Outer(l.Outer6)
	if !l.HostToHost() {
		to = hosts[0].Inner[0].Addr()
	}
	hosts[1].Run(t, "ping", "-q", "-c", "1", "-W", "10", to.String())
	kept, ours := listed(t, hosts[0])
	stop := pinging(t, hosts, to.String())
	hosts[1].Run(t, "sleep", "0.5")
	a.restart()
	if _, n := listed(t, hosts[0]); n != ours {
		t.Errorf("%d SAs and policies at the start, %d at the end of the process before", n, ours)
	}
	// The other process numbers its policies otherwise.
	for i := range policies {
		policies[i].ID += 40
	}
	if err := a.SetPolicies(policies); err != nil {
		t.Fatal(err)
	}
	hosts[1].Run(t, "sleep", "0.3") // between the two, SAs that nobody has claimed
	for _, sa := range mine {
		sa.Policy += 40
		sa.Lifetime.Hard.Time = time.Hour
		if sa.Direction == sad.Out {
			sa.Sent = 1 << 20 // what was set aside
		}
		if err := a.Install(sa); err != nil {
			t.Fatal(err)
		}
	}
	hosts[1].Run(t, "sleep", "0.3")
	sent, back := stop()
	if sent != back {
		t.Errorf("%d of %d pings came back", back, sent)
	}
	for _, sa := range mine {
		u, err := a.conn.usage(sa)
		if err != nil || u.Packets < uint64(sent) || l.ESN && u.Sequence != u.Packets {
			t.Errorf("%v: %+v, %v; not all of %d packets by one SA without a gap", sa, u, err, sent)
		}
		if u, ok := a.Usage(sa.ID()); !ok || u.Packets == 0 || u.Packets >= uint64(sent) {
			t.Errorf("%v: %+v since the restart, of %d packets", sa, u, sent)
		}
	}
	now, n := listed(t, hosts[0])
	if now != kept || n != ours {
		t.Errorf("%d SAs and policies, before %d; others have\n%s\nbefore\n%s", n, ours, now, kept)
	}
}

func TestKernelARestartAdoptsWhatMatches(t *testing.T) {
	hosts := planetest.Two(t, [2]planetest.Kind{mortalPlane(), plainLinux()})
	count := clear(t, hosts[1])
	for _, line := range foreign {
		planetest.Run(t, append([]string{"ip", "-n", hosts[0].NS}, strings.Fields(line)...)...)
	}
	for i, l := range planetest.Links() {
		// With ESN the kernel shows sequence numbers. The socket that takes ESP out of
		// UDP ends with the process.
		one := l.ESN && l.Outer6 == l.HostToHost() && l.Outer6 == (l.Needs[0].Protocol == sad.AH)
		if bundle := len(l.Needs) == 2 && l.HostToHost() && !l.Outer6; !one && !bundle {
			continue
		}
		t.Run(l.String(), func(t *testing.T) { restarted(t, hosts, l, sad.SPI(0x1000*(i+1))) })
	}
	if text := count(); !strings.Contains(text, "packets 0 ") {
		t.Errorf("pings passed in clear: %s", text)
	}
}

// An IKE SA ends with its process. Its SAs carry on until those of the next one do,
// then they go; so do those whose policy is no more.
func TestKernelARestartKeepsTheTunnelUntilThereIsAnother(t *testing.T) {
	hosts := planetest.Two(t, [2]planetest.Kind{mortalPlane(), kernelPlane()})
	count := clear(t, hosts[1])
	for _, line := range foreign {
		planetest.Run(t, append([]string{"ip", "-n", hosts[0].NS}, strings.Fields(line)...)...)
	}
	kept, _ := listed(t, hosts[0])
	a := hosts[0].Plane.(*mortal)
	l := planetest.Links()[0]
	var out sad.SA
	l.Bind(t, hosts, 0x1000, func(sa *sad.SA) {
		if sa.Local == hosts[0].Outer4 && sa.Direction == sad.Out {
			out = *sa
		}
	})
	policies := slices.Clone(a.policies)
	policies[0].Peer = out.Remote
	// A packet that finds no SA leaves one without an SPI in the kernel for a while.
	if err := a.Remove(out.ID()); err != nil {
		t.Fatal(err)
	}
	exec.Command("ip", "netns", "exec", hosts[0].NS, "ping", "-q", "-c", "1", "-W", "1", hosts[1].Inner[0].Addr().String()).Run()
	if text := planetest.Run(t, "ip", "-n", hosts[0].NS, "xfrm", "state", "list"); !strings.Contains(text, "spi 0x00000000") {
		t.Errorf("no such SA:\n%s", text)
	}
	if err := a.Install(out); err != nil {
		t.Fatal(err)
	}
	stop := pinging(t, hosts, hosts[0].Inner[0].Addr().String())
	hosts[1].Run(t, "sleep", "0.5")
	a.restart()
	policies[0].ID = 9
	for len(hosts[0].Events) > 0 {
		<-hosts[0].Events
	}
	if err := a.SetPolicies(policies); err != nil {
		t.Fatal(err)
	}
	if ev := <-hosts[0].Events; ev.Kind != sad.Inherited || ev.Policy != 9 {
		t.Errorf("%+v", ev)
	}
	hosts[1].Run(t, "sleep", "0.3")
	l.Install(t, hosts, 0x2000, func(sa *sad.SA) {
		if sa.Local == hosts[0].Outer4 {
			sa.Policy = 9
		}
	})
	hosts[1].Run(t, "sleep", "0.3")
	if sent, back := stop(); sent != back {
		t.Errorf("%d of %d pings came back", back, sent)
	}
	_, both := listed(t, hosts[0])
	a.leave(time.Now().Add(retireAfter + time.Second))
	now, one := listed(t, hosts[0])
	if both-one != 2 || now != kept {
		t.Errorf("%d SAs and policies became %d; others have\n%s\nbefore\n%s", both, one, now, kept)
	}
	hosts[1].Run(t, "ping", "-q", "-c", "3", "-i", "0.05", "-W", "10", hosts[0].Inner[0].Addr().String())

	// The admin chose another peer, or took the policy away, while the process was
	// not there.
	a.restart()
	policies[0].Peer = netip.MustParseAddr("192.0.2.99")
	if err := a.SetPolicies(policies); err != nil {
		t.Fatal(err)
	}
	if text := planetest.Run(t, "ip", "-n", hosts[0].NS, "xfrm", "state", "list"); strings.Contains(text, "192.0.2.2") {
		t.Errorf("SAs lead to the old peer:\n%s", text)
	}
	l.Install(t, hosts, 0x2800, func(sa *sad.SA) {
		if sa.Local == hosts[0].Outer4 {
			sa.Policy = 9
		}
	})
	a.restart()
	if err := a.SetPolicies(nil); err != nil {
		t.Fatal(err)
	}
	if now, n := listed(t, hosts[0]); n != 0 || now != kept {
		t.Errorf("%d SAs and policies are left; others have\n%s\nbefore\n%s", n, now, kept)
	}
	// The next start is with the other data plane.
	l.Bind(t, hosts, 0x3000, nil)
	a.end()
	hosts[0].Inside(t, func() error { return Clear(0x67) })
	if now, n := listed(t, hosts[0]); n != 0 || now != kept {
		t.Errorf("%d SAs and policies are left; others have\n%s\nbefore\n%s", n, now, kept)
	}
	a.Plane = a.open()
	exec.Command("ip", "netns", "exec", hosts[0].NS, "ping", "-q", "-c", "3", "-i", "0.05", "-W", "1", hosts[1].Inner[0].Addr().String()).Run()
	if text := count(); !strings.Contains(text, "packets 0 ") {
		t.Errorf("pings passed in clear: %s", text)
	}
}
