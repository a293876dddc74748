//go:build guest

package firewall

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// These run on a kernel without nft_connlimit and nft_flow_offload.

func TestLackingAFeatureChangesNothingAndNamesIt(t *testing.T) {
	o := newSmallOffice(t)
	before := o.gateway.sh("nft list ruleset")
	p := o.policy()
	p.Rules = append([]Rule{{ID: "few-at-once", From: ZoneLAN, To: ZoneWAN, Protocol: TCP, Limit: Limit{Open: 5}, Action: Allow}}, p.Rules...)
	r := mustCompile(t, p)
	var err error
	o.gateway.do(func() { err = o.applier.Apply(t.Context(), r) })
	if err == nil {
		t.Fatal("was applied")
	}
	t.Log(err)
	for _, word := range []string{"not applied", `"few-at-once"`, "ct count over"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in: %v", word, err)
		}
	}
	if diff := cmp.Diff(before, o.gateway.sh("nft list ruleset")); diff != "" {
		t.Errorf("the rules changed (-before +after):\n%s", diff)
	}
}

func TestLackingTheFastPathGoesWithout(t *testing.T) {
	o := newSmallOffice(t)
	o.apply(o.fast())
	if got := o.applier.Offloading().String(); !strings.Contains(got, "not available on this kernel: its rules cannot use flow tables (nft_flow_offload)") {
		t.Errorf("flow offload is %s", got)
	}
	for _, way := range [][2]string{{lanHost4, wanHost4}, {lanHost6, wanHost6}} {
		o.talk(o.lan, way[0], o.wan, way[1], 80)
		if o.offloaded(way[1], 80) {
			t.Errorf("%s is offloaded", way[0])
		}
	}
}
