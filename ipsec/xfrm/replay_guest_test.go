//go:build guest

package xfrm

import (
	"testing"

	"gatehouse/ipsec/planetest"
)

// acrossPlanes are the planes against one another, on one link without extended
// sequence numbers and one with them: a guest is slow, and the userspace plane
// meets the others on the host (ipsec/esp).
func acrossPlanes(t *testing.T, f func(t *testing.T, kinds [2]planetest.Kind, links []planetest.Link)) {
	all := planetest.ReplayLinks()
	for _, name := range []string{"kernel to userspace", "userspace to kernel"} {
		t.Run(name, func(t *testing.T) { f(t, pairs()[name], []planetest.Link{all[0], all[len(all)-1]}) })
	}
}

func TestKernelReplaysOnTheWire(t *testing.T) { acrossPlanes(t, planetest.OnTheWire) }

func TestKernelTrafficPassesADisorderlyWireWhole(t *testing.T) {
	acrossPlanes(t, func(t *testing.T, kinds [2]planetest.Kind, links []planetest.Link) {
		planetest.InDisorder(t, kinds, links, 128<<10)
	})
}
