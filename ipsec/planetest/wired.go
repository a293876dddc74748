package planetest

import (
	"testing"

	"gatehouse/ipsec/sad"
)

// OnTheWire shows of each link, between the planes, what is taken of what is lost,
// late, double, old or forged, for windows of every size and none, and where the
// lower half of extended sequence numbers begins anew.
func OnTheWire(t *testing.T, kinds [2]Kind, links []Link) {
	hosts, wire := Held(t, kinds)
	first := sad.SPI(0x1000)
	for _, l := range links {
		for _, r := range Replays(l.ESN) {
			t.Run(l.String()+", "+r.String(), func(t *testing.T) { l.Replays(t, hosts, wire, first, r) })
			first += 0x1000
		}
	}
}

// UsedUp shows of each link what the first host does when 32-bit sequence numbers
// are used up.
func UsedUp(t *testing.T, kinds [2]Kind, links []Link) {
	hosts, wire := Held(t, kinds)
	for i, l := range links {
		if !l.ESN {
			t.Run(l.String(), func(t *testing.T) { l.Overflows(t, hosts, wire, sad.SPI(0x1000*(i+1))) })
		}
	}
}

// InDisorder shows that n bytes pass each link whole over a bad network.
func InDisorder(t *testing.T, kinds [2]Kind, links []Link, n int) {
	hosts, wire := Held(t, kinds)
	for i, l := range links {
		t.Run(l.String(), func(t *testing.T) { l.CarryInDisorder(t, hosts, wire, sad.SPI(0x1000*(i+1)), n) })
	}
}
