//go:build guest

package xfrm

import (
	"testing"

	"gatehouse/ipsec/planetest"
)

// A guest is slow, so the kernel takes what a window has to judge on one link of 32
// bits and one of extended numbers; the userspace plane meets all on the host
// (ipsec/esp).
func TestKernelReplaysOnTheWire(t *testing.T) {
	all := planetest.ReplayLinks()
	planetest.OnTheWire(t, pairs()["userspace to kernel"], []planetest.Link{all[0], all[len(all)-1]})
}

func TestKernelSequenceNumbersThatAreUsedUp(t *testing.T) {
	planetest.UsedUp(t, pairs()["kernel to userspace"], planetest.ReplayLinks())
}

func TestKernelTrafficPassesADisorderlyWireWhole(t *testing.T) {
	all := planetest.ReplayLinks()
	planetest.InDisorder(t, pairs()["kernel to userspace"], []planetest.Link{all[0], all[len(all)-1]}, 128<<10)
}
