package traffic

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	pc, server, internet = netip.MustParseAddr("10.1.0.7"), netip.MustParseAddr("10.1.0.20"), netip.MustParseAddr("192.0.2.1")
	start                = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
)

func isInside(a netip.Addr) bool { return a.Is6() || a.As4()[0] == 10 }

func top(t *testing.T, talkers *Talkers, window time.Duration, now time.Time, want ...Talker) {
	t.Helper()
	got, _, _ := talkers.Top(window, 10, now)
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("talkers differ (-want +got):\n%s", diff)
	}
}

func TestTalkersAreToldByDifferences(t *testing.T) {
	talkers := NewTalkers(isInside)
	old := Carried{Key{1, 1}, pc, internet, 5_000_000, 9_000_000}
	// What a connection carried before anybody looked counts for nothing.
	talkers.Saw(old, start)
	talkers.Ended(Carried{Key{9, 9}, pc, internet, 1, 1}, start)
	top(t, talkers, time.Hour, start)
	talkers.Looked(start)
	old.Sent, old.Received = old.Sent+100, old.Received+2000
	talkers.Saw(old, start.Add(10*time.Second))
	// Both ends of a connection inside have an account.
	within := Carried{Key{2, 2}, server, pc, 300, 40}
	talkers.Saw(within, start.Add(10*time.Second))
	talkers.Looked(start.Add(10 * time.Second))
	top(t, talkers, time.Hour, start.Add(11*time.Second), Talker{pc, 140, 2300}, Talker{server, 300, 40})
	// The end of a connection counts what came since the last look.
	within.Sent += 5
	talkers.Ended(within, start.Add(12*time.Second))
	// One that was in no look counts whole.
	talkers.Ended(Carried{Key{3, 3}, internet, server, 7, 1000}, start.Add(13*time.Second))
	top(t, talkers, time.Hour, start.Add(15*time.Second), Talker{pc, 140, 2305}, Talker{server, 1305, 47})
}

// The event of an end may be read before or after a look in which the
// connection was or was not.
func TestAnEndCountsOnceWhateverCameFirst(t *testing.T) {
	for name, events := range map[string]func(*Talkers, Carried){
		"the look, then the end": func(k *Talkers, c Carried) { k.Saw(c, start); k.Looked(start); k.Ended(c, start) },
		"the end is in the queue during a look without it": func(k *Talkers, c Carried) {
			k.Saw(c, start)
			k.Looked(start)
			k.Looked(start)
			k.Ended(c, start)
		},
		"no look at all": func(k *Talkers, c Carried) { k.Ended(c, start) },
		"the same number again, for another one": func(k *Talkers, c Carried) {
			k.Saw(Carried{c.Key, internet, netip.MustParseAddr("192.0.2.2"), 1 << 40, 1 << 40}, start)
			k.Looked(start)
			k.Saw(c, start)
		},
	} {
		t.Run(name, func(t *testing.T) {
			talkers := NewTalkers(isInside)
			talkers.Looked(start)
			events(talkers, Carried{Key{1, 1}, pc, internet, 10, 20})
			top(t, talkers, time.Hour, start, Talker{pc, 10, 20})
		})
	}
}

func TestEndsThatNobodyToldAreForgotten(t *testing.T) {
	talkers := NewTalkers(isInside)
	for i := range uint32(100) {
		talkers.Saw(Carried{Key{i, 0}, pc, internet, 10, 20}, start)
	}
	talkers.Looked(start)
	talkers.Looked(start)
	if len(talkers.followed) != 100 {
		t.Errorf("%d are followed after one look without them", len(talkers.followed))
	}
	talkers.Looked(start)
	if len(talkers.followed) != 0 {
		t.Errorf("%d are followed after two", len(talkers.followed))
	}
}

func TestAWindowHasItsMinutesOnly(t *testing.T) {
	talkers := NewTalkers(isInside)
	talkers.Looked(start)
	for i := range 90 { // minute i carries i+1 bytes
		talkers.Ended(Carried{Key{}, pc, internet, uint64(i) + 1, 0}, start.Add(time.Duration(i)*time.Minute))
	}
	now := start.Add(89*time.Minute + 30*time.Second)
	sum := func(first, last uint64) (n uint64) {
		for ; first <= last; first++ {
			n += first
		}
		return n
	}
	top(t, talkers, 5*time.Minute, now, Talker{pc, sum(85, 90), 0})
	top(t, talkers, time.Hour, now, Talker{pc, sum(30, 90), 0})
	top(t, talkers, 24*time.Hour, now, Talker{pc, sum(30, 90), 0})
	top(t, talkers, time.Hour, now.Add(58*time.Minute), Talker{pc, sum(88, 90), 0})
	top(t, talkers, time.Hour, now.Add(2*time.Hour))
	if _, _, over := talkers.Top(time.Hour, 1, start.Add(3*time.Minute)); over != 3*time.Minute {
		t.Errorf("the account is over %s", over)
	}
}

// However many hosts and connections there are, memory is bounded and no byte
// is lost.
func TestTalkersStayBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	talkers := NewTalkers(isInside)
	talkers.Looked(start)
	const hosts = 300_000
	now := start
	for i := range uint32(hosts) {
		host := netip.AddrFrom16([16]byte{0xfd, 12: byte(i >> 24), 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
		now = start.Add(time.Duration(i/20_000) * time.Minute)
		talkers.Saw(Carried{Key{i, 0}, host, internet, 10, 1}, now)
		if i%20_000 == 0 {
			talkers.Looked(now)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the accounts take %d bytes", grown)
	}
	if len(talkers.followed) > maxFollowed || len(talkers.hosts) > maxHosts {
		t.Errorf("%d connections and %d hosts", len(talkers.followed), len(talkers.hosts))
	}
	got, rest, _ := talkers.Top(time.Hour, 10, now)
	var sent uint64
	for _, talker := range got {
		sent += talker.Sent
	}
	if len(got) != 10 || sent+rest.Sent != 10*uint64(counted(talkers)) {
		t.Errorf("%d hosts, %d bytes", len(got), sent+rest.Sent)
	}
	runtime.KeepAlive(talkers)
}

// counted is how many hosts of the test above were let in by the bound on
// connections.
func counted(talkers *Talkers) (n int) {
	all, rest, _ := talkers.Top(time.Hour, maxHosts, start.Add(14*time.Minute))
	for _, talker := range all {
		n += int(talker.Received)
	}
	return n + int(rest.Received)
}
