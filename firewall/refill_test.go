package firewall

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (o *wiredOffice) refill(id string, ranges ...Range) {
	o.t.Helper()
	var err error
	o.gateway.do(func() { err = o.applier.Refill(context.Background(), id, ranges) })
	if err != nil {
		o.t.Fatal(err)
	}
}

func one(a string) Range { return Range{netip.MustParseAddr(a), netip.MustParseAddr(a)} }

func TestALiveListChangesWithoutAnApply(t *testing.T) {
	o := newWiredOffice(t)
	p := o.policy()
	p.Rules = []Rule{{ID: "blocked", From: ZoneWAN, SourceLists: []string{"later"}, Action: Drop}, {ID: "open", From: ZoneWAN, To: ZoneLAN, Action: Allow}}
	o.apply(p)
	o.decides("while the list is empty", flow(wanHost4, lanHost4), true, "open")
	o.decides("while the list is empty, over IPv6", flow(wanHost6, lanHost6), true, "open")
	o.refill("later", one(wanHost4), one(wanHost6), one("198.51.100.1"))
	o.decides("who is in the list", flow(wanHost4, lanHost4), false, "blocked")
	o.decides("who is in the list over IPv6", flow(wanHost6, lanHost6), false, "blocked")
	o.decides("who is not", flow(peer4, lanHost4), true, "open")
	o.refill("later", one(peer4))
	o.decides("who was in the list", flow(wanHost4, lanHost4), true, "open")
	o.decides("who was in the list over IPv6", flow(wanHost6, lanHost6), true, "open")
	o.decides("who is in it now", flow(peer4, lanHost4), false, "blocked")
	if counted := o.counts()["blocked"]; counted != 3 {
		t.Errorf("the rule counts %d", counted)
	}
	// The next Apply says what is in the list.
	p.Lists[1].Ranges = []Range{one(wanHost6)}
	o.apply(p)
	o.decides("after an apply", flow(peer4, lanHost4), true, "open")
	o.decides("after an apply, over IPv6", flow(wanHost6, lanHost6), false, "blocked")
	o.refill("later")
	o.decides("when it is empty again", flow(wanHost6, lanHost6), true, "open")
}

func TestARefillThatCannotBeChangesNothing(t *testing.T) {
	o := newWiredOffice(t)
	p := o.policy()
	p.Lists = append(p.Lists, List{ID: "still", Ranges: []Range{one(peer4), one(wanHost4)}})
	p.Rules = []Rule{{ID: "still", From: ZoneWAN, SourceLists: []string{"still"}, Action: Drop}}
	o.apply(p)
	before := o.gateway.sh("nft list ruleset")
	o.gateway.do(func() {
		var missing NoLiveListError
		for _, id := range []string{"nobody", "still"} {
			if err := o.applier.Refill(context.Background(), id, nil); id == "nobody" && (!errors.As(err, &missing) || missing.List != id) {
				t.Errorf("list %s: %v", id, err)
			}
		}
		wrong := []Range{{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.1")}}
		if err := o.applier.Refill(context.Background(), "later", wrong); err == nil {
			t.Error("a range the wrong way round was taken")
		}
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := o.applier.Refill(ended, "later", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	})
	if diff := cmp.Diff(before, o.gateway.sh("nft list ruleset")); diff != "" {
		t.Errorf("the table changed (-before +after):\n%s", diff)
	}
}

// everySecond are n addresses that do not touch.
func everySecond(n int, from byte) []Range {
	var out []Range
	for i := range n {
		a := netip.AddrFrom4([4]byte{from, byte(i >> 15), byte(i >> 7), byte(i << 1)})
		out = append(out, Range{a, a})
	}
	return out
}

func TestARefillOfAHundredThousandIsWhole(t *testing.T) {
	o := newWiredOffice(t)
	p := o.policy()
	p.Rules = []Rule{{ID: "blocked", From: ZoneWAN, SourceLists: []string{"later"}, Action: Drop}, {ID: "open", From: ZoneWAN, To: ZoneLAN, Action: Allow}}
	p.Lists[1].Ranges = everySecond(100_000, 100)
	o.apply(p)
	o.refill("later", append(everySecond(100_000, 101), one(wanHost6))...)
	o.gateway.do(func() {
		if n, err := heldElements("list_later_4"); err != nil || n != 200_000 {
			t.Errorf("%d keys, %v", n, err)
		}
	})
	o.decides("the last of the list", flow("101.3.13.62", lanHost4), false, "blocked")
	o.decides("beside it", flow("101.3.13.63", lanHost4), true, "open")
	o.decides("what was in it before", flow("100.3.13.62", lanHost4), true, "open")
	o.decides("the other IP version", flow(wanHost6, lanHost6), false, "blocked")
	o.decides("beside it", flow(peer6, lanHost6), true, "open")
}

func BenchmarkRefill100000Addresses(b *testing.B) {
	o := newWiredOffice(b)
	p := o.policy()
	o.apply(p)
	lists := [][]Range{everySecond(100_000, 100), everySecond(100_000, 101)}
	i := 0
	for b.Loop() {
		o.refill("later", lists[i%2]...)
		i++
	}
}
