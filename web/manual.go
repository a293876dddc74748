package web

import (
	"fmt"
	"time"
)

// ManualSA is the live state of an SA keyed by hand.
type ManualSA struct {
	Name   string `json:"name"`
	Policy string `json:"policy"` // that it serves
	SPI    string `json:"spi"`
	// State is "in use", "ready" (to follow another), "due" (for new keys),
	// "leaving" (another carries what is sent), "ended" or "faulty".
	State string `json:"state"`
	Fault string `json:"fault,omitempty"`
	// Since is when its keys were first used; Packets and Bytes are from then on.
	Since   time.Time `json:"since,omitzero"`
	Packets uint64    `json:"packets"`
	Bytes   uint64    `json:"bytes"`
	// Sequence is the last number sent, or the highest received.
	Sequence uint64 `json:"sequence"`
	// Since this process began: packets that came again, that were not genuine,
	// that came by the wrong SA.
	Replayed uint64    `json:"replayed"`
	Invalid  uint64    `json:"invalid"`
	Refused  uint64    `json:"refused"`
	Last     time.Time `json:"last,omitzero"`
	// NotKept says why its counter would be lost in a crash; empty if it is kept.
	NotKept string `json:"not_kept,omitempty"`
}

// staleKeys is the age of keys that the page warns of. Nobody changes them but
// people, and they have no forward secrecy: whoever finds them reads everything
// that was recorded.
const staleKeys = 90 * day

// liveState is a status with a sentence behind it.
type liveState struct{ Kind, Word, Text string }

// manualStates are how SAs keyed by hand are, by their names.
func (s *server) manualStates() map[string]liveState {
	out := map[string]liveState{}
	for _, sa := range s.Gateway.Status().ManualSAs {
		out[sa.Name] = sa.live(s.Now())
	}
	return out
}

func (sa ManualSA) live(now time.Time) liveState {
	l := map[string]liveState{
		"in use": {Kind: "ok", Word: "In use"}, "ready": {Kind: "muted", Word: "Ready to follow"}, "due": {Kind: "warn", Word: "New keys are due"},
		"leaving": {Kind: "muted", Word: "Followed by another"}, "ended": {Kind: "bad", Word: "At its end"}, "faulty": {Kind: "bad", Word: "Does not work"},
	}[sa.State]
	age := now.Sub(sa.Since)
	if sa.State == "in use" && age >= staleKeys {
		l = liveState{Kind: "warn", Word: fmt.Sprintf("Its keys are %d days old", int(age/day))}
	}
	if sa.NotKept != "" {
		l = liveState{Kind: "warn", Word: "A crash would lose its counter"}
	}
	switch {
	case sa.Fault != "":
		l.Text = sa.Fault
	case sa.State == "ready":
	default:
		l.Text = fmt.Sprintf("%s in %d packets, number %d, keys since %s", humanBytes(sa.Bytes), sa.Packets, sa.Sequence, sa.Since.UTC().Format("2006-01-02"))
		if sa.Replayed+sa.Invalid+sa.Refused > 0 {
			l.Text += fmt.Sprintf("; refused: %d came again, %d were not genuine, %d did not belong here", sa.Replayed, sa.Invalid, sa.Refused)
		}
	}
	return l
}
