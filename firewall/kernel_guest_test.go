//go:build guest

package firewall

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tests of this tier run on Debian's kernels: what the namespaces of a build
// machine show of one kernel must be so on those that the gateway ships with.

func TestKernelCarriesThePerimeter(t *testing.T) {
	if held, err := os.ReadFile("/proc/sys/kernel/osrelease"); err != nil || strings.TrimSpace(string(held)) != os.Getenv("GUEST_KERNEL") {
		t.Fatalf("this is kernel %s, %v", held, err)
	}
	o := newSmallOffice(t)
	for _, way := range []struct {
		from, to  *space
		src, dst  string
		port      int
		mayAppear bool
	}{
		{o.lan, o.wan, lanHost4, wanHost4, 5000, true},
		{o.lan, o.wan, lanHost6, wanHost6, 5000, true},
		{o.branch, o.lan, branchHost4, lanHost4, 8080, true},
		{o.branch, o.lan, branchHost6, lanHost6, 8080, true},
		{o.wan, o.lan, wanHost4, lanHost4, 5000, false},
		{o.wan, o.lan, wanHost6, lanHost6, 5000, false},
	} {
		if _, _, err := o.connection(way.from, way.src, way.to, way.dst, way.port); (err == nil) != way.mayAppear {
			t.Errorf("%s to %s: %v", way.src, way.dst, err)
		}
	}
	if o.counted("allowed-lan-wan") != 2 || o.counted("wan-default") == 0 {
		t.Error("the counters are wrong")
	}
}

func TestKernelHoldsWhatTheTextSays(t *testing.T) {
	r := mustCompile(t, offloading())
	byUs, byNFT := newSpace(t), newSpace(t)
	for _, s := range []*space{byUs, byNFT} {
		s.ip("link add wan0 type dummy", "link add lan0 type dummy", "link add link lan0 name lan0.20 type vlan id 20", "link add slow0 type dummy")
	}
	byUs.applies(r)
	if err := byNFT.load(r.String()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(byNFT.sh("nft -s list ruleset"), byUs.sh("nft -s list ruleset")); diff != "" {
		t.Errorf("nft -f and Apply differ (-nft +apply):\n%s", diff)
	}
}

func (s *space) applies(r Ruleset) {
	s.t.Helper()
	var err error
	s.do(func() { err = NewApplier(quiet()).Apply(s.t.Context(), r) })
	if err != nil {
		s.t.Fatal(err)
	}
}
