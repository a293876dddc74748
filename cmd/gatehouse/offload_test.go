package main

import "testing"

func TestFlowOffloadIsOnUntilItIsSwitchedOff(t *testing.T) {
	doc := lively(t)
	if !perimeter(doc, world{}, 8443).Offload {
		t.Error("off although nobody said so")
	}
	doc.Firewall.OffloadOff = true
	if perimeter(doc, world{}, 8443).Offload {
		t.Error("on although switched off")
	}
}
