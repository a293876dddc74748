package main

import (
	"fmt"

	"gatehouse/ipsec"
	"gatehouse/store"
)

// refusedEvent is the sentence about packets that IPsec refused, with the reason.
// The data plane sends one a second for a reason at most.
func refusedEvent(e ipsec.Event) store.Event {
	what := "1 packet was"
	if e.Count != 1 {
		what = fmt.Sprintf("%d packets were", e.Count)
	}
	text := fmt.Sprintf("%s refused: %s", what, e.Refusal)
	if e.Source.IsValid() {
		text += fmt.Sprintf(" (the last from %s", e.Source)
		if e.Destination.IsValid() {
			text += fmt.Sprintf(" to %s", e.Destination)
		}
		text += ")"
	}
	if e.SPI != 0 {
		text += fmt.Sprintf(", SPI %s", e.SPI)
	}
	return store.Event{Time: e.Time, Severity: "warn", Kind: "ipsec", Subject: e.Policy, Message: text + "."}
}
