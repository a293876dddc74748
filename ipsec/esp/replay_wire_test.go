package esp

import (
	"testing"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// What is lost, late, double, old or forged on the wire, for windows of every size
// and none, and where the lower half of extended sequence numbers begins anew; and
// what happens at the end of those of 32 bits.
func TestReplaysOnTheWire(t *testing.T) {
	hosts, wire := planetest.Held(t, [2]planetest.Kind{thisPlane(), planeOf(6)})
	first := sad.SPI(0x1000)
	for _, l := range planetest.ReplayLinks() {
		for _, r := range planetest.Replays(l.ESN) {
			t.Run(l.String()+", "+r.String(), func(t *testing.T) { l.Replays(t, hosts, wire, first, r) })
			first += 0x1000
		}
		if !l.ESN {
			t.Run(l.String()+", used up", func(t *testing.T) { l.Overflows(t, hosts, wire, first) })
			first += 0x1000
		}
	}
}

func TestTrafficPassesADisorderlyWireWhole(t *testing.T) {
	hosts, wire := planetest.Held(t, [2]planetest.Kind{thisPlane(), planeOf(6)})
	for i, l := range planetest.ReplayLinks() {
		t.Run(l.String(), func(t *testing.T) { l.CarryInDisorder(t, hosts, wire, sad.SPI(0x1000*(i+1)), 1<<20) })
	}
}
