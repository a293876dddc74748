//go:build guest

package xfrm

import (
	"testing"
	"time"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// refused waits for news of a refusal.
func refused(t *testing.T, h *planetest.Host, why sad.Refusal) sad.Event {
	t.Helper()
	for deadline := time.After(20 * time.Second); ; {
		select {
		case e := <-h.Events:
			if e.Kind == sad.Refused && e.Refusal == why {
				return e
			}
		case <-deadline:
			t.Fatalf("nothing is told of: %s", why)
		}
	}
}

func TestKernelPlanesTellWhatTheyRefuse(t *testing.T) {
	hosts := planetest.Two(t, pairs()["userspace to kernel"])
	l := planetest.SelectingLinks()[0]
	l.Bind(t, hosts, 0x1000, nil)
	send := func(port uint16) {
		for _, to := range l.Targets(hosts) {
			from := hosts[0].Inner[0].Addr()
			if to.Is6() {
				from = hosts[0].Inner[1].Addr()
			}
			hosts[0].Send(t, from, to, planetest.Packet{Protocol: 17, Source: 4000, Destination: port})
		}
	}
	whole := sad.Policy{ID: 1, Name: "peer", Action: sad.Protect, Needs: l.Needs}
	for _, p := range hosts[1].Inner {
		whole.LocalTS = append(whole.LocalTS, sad.SelectorFromPrefix(p))
	}
	for _, p := range hosts[0].Inner {
		whole.RemoteTS = append(whole.RemoteTS, sad.SelectorFromPrefix(p))
	}
	set := func(policies ...sad.Policy) {
		t.Helper()
		if err := hosts[1].Plane.SetPolicies(policies); err != nil {
			t.Fatal(err)
		}
	}

	// By a policy that the kernel matches itself, by one that a mark is needed for,
	// and by the SA of another policy.
	block := whole
	block.ID, block.Action, block.Needs = 2, sad.Discard, nil
	set(block, whole)
	send(5000)
	refused(t, hosts[1], sad.Discarded)
	block.Class = sad.Class{DSCP: []uint8{0}}
	set(block, whole)
	send(5000)
	for e := refused(t, hosts[1], sad.Discarded); e.Policy != 2; e = refused(t, hosts[1], sad.Discarded) {
	}
	other := whole
	other.ID = 3
	set(other, whole)
	send(5000)
	refused(t, hosts[1], sad.WrongSA)
}
