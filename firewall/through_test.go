package firewall

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ruleLine is a rule of the policies measured here as others write it: what it
// matches, and the verdict.
func ruleLines(p Policy) (v4, v6 []string) {
	verdicts := map[Action]string{Allow: "accept", Drop: "drop", Reject: "reject"}
	for _, r := range p.Rules {
		match := ""
		is6 := false
		for _, side := range []struct {
			keyword string
			of      []netip.Prefix
		}{{"saddr", r.Sources}, {"daddr", r.Destinations}} {
			for _, n := range side.of {
				is6 = is6 || n.Addr().Is6()
				match += map[bool]string{true: "ip6 ", false: "ip "}[n.Addr().Is6()] + side.keyword + " " + n.String() + " "
			}
		}
		if len(r.Sources) > 0 && len(r.Destinations) > 0 && r.Sources[0].Addr().BitLen() != r.Destinations[0].Addr().BitLen() {
			continue
		}
		match += map[Protocol]string{TCP: "tcp", UDP: "udp"}[r.Protocol] + " dport " + r.Ports[0].text()
		line := match + " %s" + verdicts[r.Action]
		switch {
		case is6:
			v6 = append(v6, line)
		case len(r.Destinations) > 0 || len(r.Sources) > 0:
			v4 = append(v4, line)
		default:
			v4, v6 = append(v4, line), append(v6, line)
		}
	}
	return v4, v6
}

// asUFW is the policy in the chains of ufw 0.36 as its iptables-restore leaves
// them in the kernel: a table for each family, known connections first, then the
// rules one by one, each with a counter.
func asUFW(p Policy) string {
	var b strings.Builder
	v4, v6 := ruleLines(p)
	for family, lines := range map[string][]string{"ip": v4, "ip6": v6} {
		fmt.Fprintf(&b, `table %s filter {
	chain ufw-user-forward {
		%s
	}
	chain ufw-before-forward {
		ct state related,established counter accept
		counter jump ufw-user-forward
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		counter jump ufw-before-forward
	}
}
`, family, strings.ReplaceAll(strings.Join(lines, "\n\t\t"), "%s", "counter "))
	}
	return b.String()
}

// asFirewalld is the policy in the chains of firewalld 1.3 with its nftables
// backend, as rich rules of a policy between two zones.
func asFirewalld(p Policy) string {
	v4, v6 := ruleLines(p)
	lines := slices.Concat(v4, v6)
	return fmt.Sprintf(`table inet firewalld {
	chain filter_FWD_lan-wan_pre { }
	chain filter_FWD_lan-wan_log { }
	chain filter_FWD_lan-wan_deny { }
	chain filter_FWD_lan-wan_allow {
		%s
	}
	chain filter_FWD_lan-wan_post { }
	chain filter_FWD_lan-wan {
		jump filter_FWD_lan-wan_pre
		jump filter_FWD_lan-wan_log
		jump filter_FWD_lan-wan_deny
		jump filter_FWD_lan-wan_allow
		jump filter_FWD_lan-wan_post
		reject with icmpx admin-prohibited
	}
	chain filter_FORWARD_POLICIES {
		iifname "lan0" oifname "wan0" jump filter_FWD_lan-wan
		reject with icmpx admin-prohibited
	}
	chain filter_FORWARD {
		type filter hook forward priority filter + 10; policy accept;
		ct state { established, related } accept
		ct status dnat accept
		iifname "lo" accept
		ct state invalid drop
		jump filter_FORWARD_POLICIES
	}
}
`, strings.ReplaceAll(strings.Join(lines, "\n\t\t"), "%s", ""))
}

// BenchmarkThroughTheBox measures what a box with 10,000 rules lets through beside
// the same box with 10, and beside the same rules as others write them: TCP
// throughput of one connection, and new connections a second. What is measured is
// allowed by the last rule. All variants take turns; the figures are medians.
func BenchmarkThroughTheBox(b *testing.B) {
	const repetitions, each = 5, time.Second
	o := newSmallOffice(b)
	large := o.policy()
	large.Masquerade, large.Defaults = false, nil
	large.Rules = append(tenThousandRules(10_000).Rules, Rule{ID: "measured", From: ZoneLAN, To: ZoneWAN, Protocol: TCP,
		Destinations: prefixes(wanHost4 + "/32"), Ports: []PortRange{{allowedTCP, allowedTCP}}, Action: Allow})
	small := large
	small.Rules = large.Rules[len(large.Rules)-10:]
	apply := func(p Policy) func() { return func() { o.apply(p) } }
	load := func(text string) func() {
		return func() {
			o.gateway.sh("nft flush ruleset")
			if err := o.gateway.load(text); err != nil {
				b.Fatal(err)
			}
		}
	}
	linear, err := compile(large, true)
	if err != nil {
		b.Fatal(err)
	}
	variants := []struct {
		name string
		set  func()
	}{
		{"10", apply(small)}, {"10000", apply(large)}, {"linear", load(linear.String())},
		{"ufw", load(asUFW(large))}, {"firewalld", load(asFirewalld(large))},
	}
	sink := o.sink(wanHost4, allowedTCP)
	for b.Loop() {
		bytes, connections := map[string][]float64{}, map[string][]float64{}
		for range repetitions {
			for _, v := range variants {
				o.gateway.sh("nft flush ruleset")
				v.set()
				bytes[v.name] = append(bytes[v.name], o.throughput(sink, each))
				connections[v.name] = append(connections[v.name], o.connectionRate(each))
			}
		}
		for _, v := range variants {
			rate, new := median(bytes[v.name]), median(connections[v.name])
			b.Logf("%-9s %5.1f Gb/s (%.2f of 10 rules), %6.0f new connections/s (%.2f)", v.name,
				rate*8/1e9, rate/median(bytes["10"]), new, new/median(connections["10"]))
			b.ReportMetric(rate/median(bytes["10"]), v.name+"-throughput")
			b.ReportMetric(new/median(connections["10"]), v.name+"-connections")
		}
	}
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// sink swallows what is sent to a host, and counts it.
func (o *smallOffice) sink(address string, port int) *atomic.Int64 {
	var l net.Listener
	var err error
	o.wan.do(func() { l, err = net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(port))) })
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { l.Close() })
	var n atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 256<<10)
				for {
					got, err := c.Read(b)
					n.Add(int64(got))
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return &n
}

// throughput is how many bytes a second one connection carries.
func (o *smallOffice) throughput(sink *atomic.Int64, lasting time.Duration) float64 {
	c, err := o.tcp(o.lan, lanHost4, wanHost4, allowedTCP, 10*time.Second)
	if err != nil {
		o.t.Fatal(err)
	}
	defer c.Close()
	ctx, stop := context.WithTimeout(context.Background(), lasting+100*time.Millisecond)
	defer stop()
	go func() {
		b := make([]byte, 256<<10)
		for ctx.Err() == nil {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond) // it has found its speed
	before, began := sink.Load(), time.Now()
	<-ctx.Done()
	return float64(sink.Load()-before) / time.Since(began).Seconds()
}

// connectionRate is how many connections a second two callers can open.
func (o *smallOffice) connectionRate(lasting time.Duration) float64 {
	var opened atomic.Int64
	var callers sync.WaitGroup
	began := time.Now()
	for range 2 {
		callers.Go(func() {
			o.lan.do(func() {
				for time.Since(began) < lasting {
					c, err := net.Dial("tcp", net.JoinHostPort(wanHost4, fmt.Sprint(allowedTCP)))
					if err != nil {
						o.t.Error(err)
						return
					}
					c.(*net.TCPConn).SetLinger(0)
					c.Close()
					opened.Add(1)
				}
			})
		})
	}
	callers.Wait()
	return float64(opened.Load()) / time.Since(began).Seconds()
}
