//go:build guest

package firewall

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// joinedBy connects one more host to the gateway.
func (o *smallOffice) joinedBy(host *space, device, ours, theirs string) {
	o.t.Helper()
	gateway, _, _ := strings.Cut(ours, "/")
	o.gateway.ip(fmt.Sprintf("link add %s type veth peer name eth0 netns /proc/%d/fd/%d", device, os.Getpid(), int(host.handle)))
	o.gateway.ip(fmt.Sprintf("addr add %s dev %s", ours, device), "link set "+device+" up")
	host.ip("addr add "+theirs+" dev eth0", "link set eth0 up", "route add default via "+gateway)
}

// A VLAN is a zone of its own on a wire that it shares.
func TestKernelKeepsVLANsApart(t *testing.T) {
	o := newSmallOffice(t)
	p := o.fast()
	p.Interfaces = append(p.Interfaces, Interface{Device: "lan0.10", Zone: "guest", Addresses: prefixes("10.9.0.1/24", "fd00:9::1/64")})
	p.Defaults = append(p.Defaults, Default{"guest", ZoneWAN, Allow}, Default{"guest", ZoneLAN, Drop})
	o.apply(p) // before the device is there
	o.gateway.ip("link add link lan0 name lan0.10 type vlan id 10", "link set lan0.10 up",
		"addr add 10.9.0.1/24 dev lan0.10", "addr add fd00:9::1/64 dev lan0.10 nodad")
	o.apply(p)
	guest := newSpace(t)
	// The switch: a guest's port is VLAN 10 of the wire to the gateway.
	o.lan.ip("link add link eth0 name eth0.10 type vlan id 10",
		fmt.Sprintf("link set eth0.10 netns /proc/%d/fd/%d", os.Getpid(), int(guest.handle)))
	guest.ip("link set eth0.10 up", "addr add 10.9.0.2/24 dev eth0.10", "addr add fd00:9::2/64 dev eth0.10 nodad",
		"route add default via 10.9.0.1", "route add default via fd00:9::1")

	for _, way := range []struct{ guest, wan, lan string }{{"10.9.0.2", wanHost4, lanHost4}, {"fd00:9::2", wanHost6, lanHost6}} {
		o.talk(guest, way.guest, o.wan, way.wan, 80)
		if !o.offloaded(way.wan, 80) {
			t.Errorf("%s to the internet is not offloaded", way.guest)
		}
		if _, _, err := o.connection(guest, way.guest, o.lan, way.lan, 80); err == nil {
			t.Errorf("%s reaches the lan", way.guest)
		}
	}
	// A host of the lan has no business in the VLAN, nor a guest outside of it.
	o.lan.ip("addr add 10.9.0.77/24 dev eth0")
	before := o.counted("spoof-lan")
	if _, arrived := o.datagram(o.lan, "10.9.0.77", o.wan, wanHost4, 5000); arrived {
		t.Error("a guest's address passes without the VLAN")
	}
	if o.counted("spoof-lan") == before {
		t.Error("not counted as a lie")
	}
}
