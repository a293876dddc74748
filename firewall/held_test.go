package firewall

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// longList is a policy with a list of every second address of a range.
func longList(entries int) Policy {
	p := office()
	l := List{ID: "long"}
	for i := range entries {
		a := netip.AddrFrom4([4]byte{100, byte(64 + i>>15), byte(i >> 7), byte(i << 1)})
		l.Ranges = append(l.Ranges, Range{a, a})
	}
	p.Lists = []List{l}
	p.Rules = append(p.Rules, Rule{ID: "long", From: ZoneWAN, To: ZoneLAN, SourceLists: []string{"long"}, Action: Drop})
	return p
}

func TestALongListIsWholeInTheKernel(t *testing.T) {
	const entries = 20_000
	r := mustCompile(t, longList(entries))
	newSpace(t).do(func() {
		if err := NewApplier(quiet()).Apply(context.Background(), r); err != nil {
			t.Error(err)
			return
		}
		n, err := heldElements("list_long_4")
		if err != nil || n != 2*entries {
			t.Errorf("%d keys, %v", n, err)
		}
		c, err := nftables.New(nftables.AsLasting())
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseLasting()
		table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
		all, err := c.GetSetElements(&nftables.Set{Table: table, Name: "list_long_4"})
		if err != nil || len(all) != n {
			t.Errorf("the library reads %d keys, %v", len(all), err)
		}
		if _, err := heldElements("no_such_set"); !errors.Is(err, unix.ENOENT) {
			t.Errorf("a set that is not there: %v", err)
		}
	})
}

func BenchmarkApply100000Addresses(b *testing.B) {
	r := mustCompile(b, longList(100_000))
	newSpace(b).do(func() {
		for b.Loop() {
			if err := NewApplier(quiet()).Apply(context.Background(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func FuzzCountElements(f *testing.F) {
	f.Add([]byte{8, 0, 3, 0, 4, 0, 1, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		if n, err := countElements(text); err == nil && n > len(text) {
			t.Errorf("%d elements in %d bytes", n, len(text))
		}
	})
}

func TestCountersGoOnAfterTheKernelForgotThem(t *testing.T) {
	r := mustCompile(t, office())
	newSpace(t).do(func() {
		a := NewApplier(quiet())
		a.Remember([]Counter{{Rule: "no-telnet", Packets: 7, Bytes: 700}, {Rule: "gone", Packets: 1}})
		if err := a.Apply(context.Background(), r); err != nil {
			t.Error(err)
			return
		}
		a.Remember([]Counter{{Rule: "no-telnet", Packets: 1}})
		if err := a.Apply(context.Background(), r); err != nil {
			t.Error(err)
			return
		}
		all, err := a.Counters(context.Background())
		found := false
		for _, c := range all {
			found = found || c == Counter{"no-telnet", 7, 700}
		}
		if err != nil || !found {
			t.Errorf("%v %v", all, err)
		}
	})
}
