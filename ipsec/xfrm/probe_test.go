package xfrm

import (
	"context"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestProbeIsHonestAndLeavesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root: it makes a network namespace")
	}
	before, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	r := Probe(context.Background())
	if r.Usable == (len(r.Findings) > 0) {
		t.Errorf("usable %v with findings %v", r.Usable, r.Findings)
	}
	after, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before) {
		t.Errorf("%d links before, %d after", len(before), len(after))
	}
	if _, err := netlink.LinkByName("probe0"); err == nil {
		t.Error("the probe's interface is in our namespace")
	}
	// Asking twice gives the same answer.
	if again := Probe(context.Background()); again.Usable != r.Usable {
		t.Errorf("first %v, then %v", r, again)
	}
	t.Logf("usable %v: %q", r.Usable, r.Findings)
}

func TestProbeStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r := Probe(ctx); r.Usable && len(r.Findings) > 0 {
		t.Errorf("%+v", r)
	}
}
