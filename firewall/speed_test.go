package firewall

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tenThousandRules is a policy as a firewall has it after many years: hosts and
// ports of both families, some networks, some rules with a log, exceptions
// before what they are excepted from.
func tenThousandRules(n int) Policy {
	p := office()
	p.Rules = nil
	for i := range n {
		r := Rule{ID: fmt.Sprintf("rule-%d", i), From: ZoneLAN, To: ZoneWAN, Protocol: TCP, Action: Action(i % 3), Log: i%50 == 0}
		port := uint16(1024 + i%5000)
		r.Ports = []PortRange{{port, port}}
		host4 := netip.AddrFrom4([4]byte{100, byte(64 + i>>16), byte(i >> 8), byte(i)})
		host6 := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(i >> 8), 15: byte(i)})
		switch {
		case i%10 == 9 && i > 16: // the network of hosts before, which so are exceptions
			r.Destinations = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(64 + (i-16)>>16), byte((i - 16) >> 8), byte(i - 16)}), 28).Masked()}
			r.Ports[0] = PortRange{port - 20, port + 80}
		case i%4 == 3:
			r.Destinations = []netip.Prefix{netip.PrefixFrom(host6, 128)}
		default:
			r.Destinations = []netip.Prefix{netip.PrefixFrom(host4, 32)}
		}
		if i%5 == 4 {
			r.Protocol = UDP
		}
		if i%20 == 1 {
			r.Sources = prefixes("10.1.0.0/25")
		}
		p.Rules = append(p.Rules, r)
	}
	return p
}

func BenchmarkCompile10000Rules(b *testing.B) {
	p := tenThousandRules(10_000)
	for b.Loop() {
		mustCompile(b, p)
	}
}

// BenchmarkApplyBesideNft measures Apply and nft -f with the same rules, turn
// by turn.
func BenchmarkApplyBesideNft(b *testing.B) {
	for name, p := range map[string]Policy{"10000Rules": tenThousandRules(10_000), "List100000": longList(100_000)} {
		b.Run(name, func(b *testing.B) {
			r := mustCompile(b, p)
			file := filepath.Join(b.TempDir(), "rules.nft")
			if err := os.WriteFile(file, []byte(r.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			ours, theirs := newSpace(b), newSpace(b)
			var apply, nft time.Duration
			for b.Loop() {
				began := time.Now()
				theirs.sh("nft -f %s", file)
				nft += time.Since(began)
				began = time.Now()
				ours.do(func() {
					if err := NewApplier(quiet()).Apply(context.Background(), r); err != nil {
						b.Error(err)
					}
				})
				apply += time.Since(began)
			}
			b.ReportMetric(float64(apply.Milliseconds())/float64(b.N), "apply-ms/op")
			b.ReportMetric(float64(nft.Milliseconds())/float64(b.N), "nft-ms/op")
			b.ReportMetric(apply.Seconds()/nft.Seconds(), "apply/nft")
		})
	}
}

// cpuTime is what this process has taken of the processors so far, which on a busy
// machine tells more than the clock.
func cpuTime() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCompileDiffApply is all of a change of one of 10,000 rules.
func BenchmarkCompileDiffApply(b *testing.B) {
	p := tenThousandRules(10_000)
	before := mustCompile(b, p)
	p.Rules[5000].Log = true
	newSpace(b).do(func() {
		a := NewApplier(quiet())
		if err := a.Apply(context.Background(), before); err != nil {
			b.Error(err)
		}
		began := cpuTime()
		defer func() { b.ReportMetric(float64((cpuTime()-began).Milliseconds())/float64(b.N), "cpu-ms/op") }()
		for b.Loop() {
			after := mustCompile(b, p)
			Differing(before, after)
			if err := a.Apply(context.Background(), after); err != nil {
				b.Error(err)
			}
		}
	})
}
