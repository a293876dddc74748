package esp

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// branches are n policies with an SA each, seen from one end or the other, each
// for a network of its own.
func branches(t testing.TB, n int, d sad.Direction) (policies []sad.Policy, sas []sad.SA) {
	t.Helper()
	s, err := crypto.ParseESPSuite("aes256gcm16")
	if err != nil {
		t.Fatal(err)
	}
	enc, _ := crypto.ChildKeySizes(s)
	near := []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix("10.1.0.0/24"))}
	for i := range n {
		far := []sad.Selector{sad.SelectorFromPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(2 + i>>8), byte(i), 0}), 24))}
		sa := sad.SA{
			SPI: sad.SPI(0x10000 + i), Protocol: sad.ESP, Direction: d, Policy: uint32(i + 1), Suite: s,
			Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"),
			Encap: &sad.Encap{LocalPort: 4500, RemotePort: 4500}, EncryptionKey: bytes.Repeat([]byte{7}, enc),
			LocalTS: near, RemoteTS: far,
		}
		if d == sad.In {
			sa.ReplayWindow = 1024
			sa.Local, sa.Remote, sa.LocalTS, sa.RemoteTS = sa.Remote, sa.Local, far, near
		}
		sas = append(sas, sa)
		policies = append(policies, sad.Policy{ID: sa.Policy, Action: sad.Protect, LocalTS: sa.LocalTS, RemoteTS: sa.RemoteTS})
	}
	return policies, sas
}

// concentrator is one end of many SAs.
func concentrator(t testing.TB, n int, d sad.Direction) *Engine {
	t.Helper()
	e := newEngine(Config{Cores: 2, Event: func(sad.Event) {}, Log: slog.Default()})
	e.port = 4500
	policies, sas := branches(t, n, d)
	if err := e.SetPolicies(policies); err != nil {
		t.Fatal(err)
	}
	for _, sa := range sas {
		if err := e.Install(sa); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// heap is what is in use, in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers held goes with the second
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

const manySAs = 10_000

// saMemory is what an SA takes, with its policy, in bytes.
func saMemory(t testing.TB, d sad.Direction) uint64 {
	before := heap()
	e := concentrator(t, manySAs, d)
	used := heap() - before
	runtime.KeepAlive(e)
	return used / manySAs
}

func TestAnSATakesAtMostFourKilobytes(t *testing.T) {
	for d, name := range map[sad.Direction]string{sad.In: "inbound", sad.Out: "outbound"} {
		n := saMemory(t, d)
		t.Logf("%s: %d bytes", name, n)
		if n > 4096 {
			t.Errorf("an %s SA and its policy take %d bytes", name, n)
		}
	}
}

// BenchmarkInstalledSAs is the way of a packet out by one end and in by the
// other, with few and many SAs installed, taking turns because the machine is not
// idle. The medians count. The traffic is that of the last of the SAs, whose policy
// is the last in order; "spread" goes over all of them, packet by packet.
func BenchmarkInstalledSAs(b *testing.B) {
	const chunk = 128
	type way struct {
		name  string
		n     int
		each  bool
		out   *sender
		in    *receiver
		times []float64
		next  int
	}
	ways := []*way{{name: "1", n: 1}, {name: "100", n: 100}, {name: "10000", n: manySAs}, {name: "100-spread", n: 100, each: true}, {name: "10000-spread", n: manySAs, each: true}}
	for _, w := range ways {
		w.out = concentrator(b, w.n, sad.Out).newSender(1)
		w.in = concentrator(b, w.n, sad.In).newReceiver(1, laneUDP4)
		w.in.out = (&device{}).writer()
	}
	ip := udp4("10.1.0.5", "10.2.0.9", 1372)
	peer := netip.MustParseAddrPort("192.0.2.1:4500")
	carry := func(w *way) {
		to := w.n - 1
		if w.each {
			to = w.next
			w.next = (w.next + 1) % w.n
		}
		buf := w.out.bufs[0]
		w.out.sizes[0] = copy(buf[headroom:], ip)
		binary.BigEndian.PutUint16(buf[headroom+17:], uint16(to+2<<8))
		w.out.protectAll(1)
		w.in.inUDP(w.in.e.tables.Load(), arrival{packet: w.out.batch[0].packet, from: peer}, 1)
		w.in.openAll(w.in.e.tables.Load(), 1)
		if len(w.in.out.joiner.out) != 1 {
			b.Fatal("lost")
		}
		w.in.out.joiner.reset()
		w.in.batch = w.in.batch[:0]
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, w := range ways {
			start := time.Now()
			for range chunk {
				carry(w)
			}
			w.times = append(w.times, float64(time.Since(start).Nanoseconds())/chunk)
		}
	}
	for _, w := range ways {
		slices.Sort(w.times)
		b.ReportMetric(w.times[len(w.times)/2], w.name+"-ns/packet")
	}
	b.ReportMetric(ways[2].times[len(ways[2].times)/2]/ways[0].times[len(ways[0].times)/2], "10000/1")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkMemory says how many bytes an SA and its policy take.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(float64(saMemory(b, sad.In)), "inbound-bytes/SA")
		b.ReportMetric(float64(saMemory(b, sad.Out)), "outbound-bytes/SA")
	}
	b.ReportMetric(0, "ns/op")
}
