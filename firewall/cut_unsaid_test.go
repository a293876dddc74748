package firewall

import (
	"net"
	"strings"
	"testing"
)

// A rule by hardware address cuts the connections of that host and of no other;
// one by class cuts none, for the class is not remembered.
func TestWhatIsNotRememberedIsNotCut(t *testing.T) {
	o := newSmallOffice(t)
	hardware, err := net.ParseMAC(strings.TrimSpace(o.lan.sh("ip -o link show eth0 | sed 's/.*ether \\([^ ]*\\).*/\\1/'")))
	if err != nil {
		t.Fatal(err)
	}
	old := o.policy()
	var talk []func() error
	for _, ends := range [][2]string{{lanHost4, wanHost4}, {lanHost6, wanHost6}} {
		c, s, err := o.connection(o.lan, ends[0], o.wan, ends[1], 80)
		if err != nil {
			t.Fatal(err)
		}
		talk = append(talk, func() error { return talks(c, s) })
	}
	with := func(r Rule) Policy {
		p := o.policy()
		r.ID, r.From, r.To = "new", ZoneLAN, ZoneWAN
		p.Rules = append([]Rule{r}, p.Rules...)
		return p
	}
	if n := o.cut(old, with(Rule{Action: Drop, DSCP: []uint8{46}})); n != 0 {
		t.Errorf("by class: %d were cut", n)
	}
	if n := o.cut(old, with(Rule{Action: Drop, SourceMACs: []MAC{{2, 0, 0, 0, 0, 9}}})); n != 0 {
		t.Errorf("by another host's address: %d were cut", n)
	}
	for _, say := range talk {
		if err := say(); err != nil {
			t.Error(err)
		}
	}
	if n := o.cut(old, with(Rule{Action: Drop, SourceMACs: []MAC{MAC(hardware)}})); n != 2 {
		t.Errorf("by the host's address: %d were cut", n)
	}
	for _, say := range talk {
		if say() == nil {
			t.Error("a connection of the host goes on")
		}
	}
}
