package firewall

import (
	"bytes"
	"context"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWatchLogTellsWhoWasStoppedAndWhy(t *testing.T) {
	o := newSmallOffice(t)
	o.wan.hasAddress("10.1.0.77/32")
	o.wan.hasAddress("fd00:2::77/128")
	ctx, cancel := context.WithCancel(context.Background())
	seen := make(chan Dropped, 64)
	done := make(chan error, 1)
	go func() {
		o.gateway.do(func() {
			done <- WatchLog(ctx, o.policy().LogGroup, quiet(), func(d Dropped) {
				select {
				case seen <- d:
				default:
				}
			})
		})
	}()
	// Nothing says that the kernel has bound the group but a report.
	wait := func(want Dropped, send func()) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
			send()
			for more := true; more; {
				select {
				case d := <-seen:
					if time.Since(d.Time).Abs() > time.Minute {
						t.Errorf("the time is %s", d.Time)
					}
					d.Time, d.SrcPort = time.Time{}, 0
					if d.Rule == want.Rule && d.Src == want.Src {
						if diff := cmp.Diff(want, d, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
							t.Errorf("report differs (-want +got):\n%s", diff)
						}
						return
					}
				case <-time.After(patience):
					more = false
				}
			}
		}
		t.Errorf("no report of %+v", want)
	}
	wait(Dropped{Rule: "spoof-wan", Action: "drop", InDevice: "wan0", Src: netip.MustParseAddr("10.1.0.77"),
		Dst: netip.MustParseAddr(lanHost4), Protocol: 17, DstPort: 5000},
		func() { o.datagram(o.wan, "10.1.0.77", o.lan, lanHost4, 5000) })
	wait(Dropped{Rule: "spoof-wan", Action: "drop", InDevice: "wan0", Src: netip.MustParseAddr("fd00:2::77"),
		Dst: netip.MustParseAddr(gatewayWAN6), Protocol: 17, DstPort: 4500},
		func() { o.datagram(o.wan, "fd00:2::77", o.gateway, gatewayWAN6, 4500) })
	wait(Dropped{Rule: "wan-default", Action: "drop", InDevice: "wan0", Src: netip.MustParseAddr(wanHost4),
		Dst: netip.MustParseAddr(gatewayWAN4), Protocol: 6, DstPort: 8443},
		func() { o.connection(o.wan, wanHost4, o.gateway, gatewayWAN4, 8443) })
	wait(Dropped{Rule: "no-telnet", Action: "reject", InDevice: "lan0", OutDevice: "wan0", Src: netip.MustParseAddr(lanHost4),
		Dst: netip.MustParseAddr(wanHost4), Protocol: 6, DstPort: 23},
		func() { o.connection(o.lan, lanHost4, o.wan, wanHost4, 23) })
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("WatchLog: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("WatchLog did not end with its context")
	}
}

// A flood is counted whole but reported in part.
func TestAFloodIsCountedWholeAndReportedInPart(t *testing.T) {
	o := newSmallOffice(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reports := make(chan Dropped, 4096)
	done := make(chan error, 1)
	go o.gateway.do(func() { done <- WatchLog(ctx, o.policy().LogGroup, quiet(), func(d Dropped) { reports <- d }) })
	for end := time.Now().Add(10 * time.Second); len(reports) == 0 && time.Now().Before(end); {
		o.datagram(o.wan, wanHost4, o.gateway, gatewayWAN4, 4000)
	}
	before, had := o.counted("wan-default"), len(reports)
	const flood = 2000
	out := o.wan.sh(`python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(%d): s.sendto(b"x", ("%s", 4000))
'`, flood, gatewayWAN4)
	time.Sleep(patience)
	if got := o.counted("wan-default") - before; got != flood {
		t.Errorf("counted %d of %d packets %s", got, flood, out)
	}
	if got := len(reports) - had; got == 0 || got > flood/4 {
		t.Errorf("reported %d of %d packets", got, flood)
	}
	cancel()
	<-done
}

func TestParseHeader(t *testing.T) {
	v6 := func(next string, rest string) string {
		return "60000000" + "0000" + next + "40" + "20010db8000000000000000000000001" + "20010db8000000000000000000000002" + rest
	}
	src6, dst6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	src4, dst4 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	const tail4 = "0000" + "c0000201" + "c0000202"
	for _, row := range []struct {
		name, packet string
		want         header
	}{
		{"nothing", "", header{}},
		{"neither IPv4 nor IPv6", "50", header{}},
		{"IPv4 cut before the addresses", "4500001c00000000401100", header{}},
		{"UDP over IPv4", "4500001c000000004011" + tail4 + "00350036", header{src4, dst4, 17, 53, 54}},
		{"IPv4 with options", "4600001c000000004006" + tail4 + "01010101" + "00350036", header{src4, dst4, 6, 53, 54}},
		{"IPv4 with a header length that is too small", "4400001c000000004006" + tail4 + "00350036", header{src4, dst4, 6, 0, 0}},
		{"IPv4 with options that are cut", "4f00001c000000004006" + tail4 + "00350036", header{src4, dst4, 6, 0, 0}},
		{"a later fragment has no ports", "4500001c000000014011" + tail4 + "00350036", header{src4, dst4, 17, 0, 0}},
		{"a first fragment has", "4500001c000020004011" + tail4 + "00350036", header{src4, dst4, 17, 53, 54}},
		{"ESP has no ports", "4500001c000000004032" + tail4 + "00350036", header{src4, dst4, 50, 0, 0}},
		{"ports that are cut", "4500001c000000004011" + tail4 + "003500", header{src4, dst4, 17, 0, 0}},
		{"TCP over IPv6", v6("06", "00350036"), header{src6, dst6, 6, 53, 54}},
		{"IPv6 behind hop-by-hop and destination options", v6("00", "3c00000000000000"+"1100000000000000"+"00350036"), header{src6, dst6, 17, 53, 54}},
		{"a later fragment of IPv6", v6("2c", "1100000900000000"+"00350036"), header{src6, dst6, 17, 0, 0}},
		{"a first fragment of IPv6", v6("2c", "1100000100000000"+"00350036"), header{src6, dst6, 17, 53, 54}},
		{"an extension that is cut", v6("00", "3cff00"), header{src6, dst6, 0, 0, 0}},
		{"extensions without end", v6("00", strings.Repeat("0000000000000000", 20)), header{src6, dst6, 0, 0, 0}},
	} {
		t.Run(row.name, func(t *testing.T) {
			raw, err := hex.DecodeString(row.packet)
			if err != nil {
				t.Fatal(err)
			}
			if got := parseHeader(raw); got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
		})
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, seed := range []string{"4500001c00000000401100", "6000000000002c40", "4f00001c0000000040060000c0000201c0000202"} {
		raw, _ := hex.DecodeString(seed)
		f.Add(raw)
	}
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 0, 0, 64}, bytes.Repeat([]byte{0}, 90)...))
	f.Fuzz(func(t *testing.T, packet []byte) {
		h := parseHeader(packet)
		if h.src.IsValid() != h.dst.IsValid() {
			t.Errorf("one address without the other: %+v", h)
		}
		if !h.src.IsValid() && h != (header{}) {
			t.Errorf("ports or protocol without addresses: %+v", h)
		}
	})
}
