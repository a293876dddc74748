package esp

import (
	"testing"

	"gatehouse/ipsec/planetest"
)

// The second host has helpers, so that its batches are shared out.
func onAWire() [2]planetest.Kind { return [2]planetest.Kind{thisPlane(), planeOf(6)} }

func TestReplaysOnTheWire(t *testing.T) {
	planetest.OnTheWire(t, onAWire(), planetest.ReplayLinks())
}

func TestSequenceNumbersThatAreUsedUp(t *testing.T) {
	planetest.UsedUp(t, onAWire(), planetest.ReplayLinks())
}

func TestTrafficPassesADisorderlyWireWhole(t *testing.T) {
	planetest.InDisorder(t, onAWire(), planetest.ReplayLinks(), 1<<20)
}
