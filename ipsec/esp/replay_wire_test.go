package esp

import (
	"testing"

	"gatehouse/ipsec/planetest"
)

// The second host has helpers, so that its batches are shared out.
func TestReplaysOnTheWire(t *testing.T) {
	planetest.OnTheWire(t, [2]planetest.Kind{thisPlane(), planeOf(6)}, planetest.ReplayLinks())
}

func TestTrafficPassesADisorderlyWireWhole(t *testing.T) {
	planetest.InDisorder(t, [2]planetest.Kind{thisPlane(), planeOf(6)}, planetest.ReplayLinks(), 1<<20)
}
