package ipsec

import (
	"time"

	"gatehouse/ipsec/sad"
)

// ManualState is one word for an SA keyed by hand.
type ManualState string

// The states.
const (
	InUse   ManualState = "in use"
	Ready   ManualState = "ready"   // to follow another
	Due     ManualState = "due"     // in use, and new keys are due
	Ended   ManualState = "ended"   // its lifetime is over, or its counter used up
	Faulty  ManualState = "faulty"  // the data plane does not take it
	Leaving ManualState = "leaving" // its successor carries what is sent
)

// ManualStatus is how an SA keyed by hand is.
type ManualStatus struct {
	Name, Policy string
	SPI          sad.SPI
	State        ManualState
	Fault        string
	// Since is when its keys were first used.
	Since time.Time
	// Usage is of this process, but for Packets and Bytes, which are all.
	Usage sad.Usage
	// NoReplay says that packets are taken twice.
	NoReplay bool
	// NotKept is why its counters are not kept; empty if they are.
	NotKept string
}

// ManualStatus tells how every SA keyed by hand is, in the order of Apply.
func (m *Manager) ManualStatus() []ManualStatus {
	m.keeping.Lock()
	defer m.keeping.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []ManualStatus
	for _, h := range m.byHand {
		for _, k := range h.sas {
			st := ManualStatus{Name: k.Name, Policy: h.Name, SPI: k.SPI, State: Ready, Fault: k.fault, Since: k.before.Since, NoReplay: k.NoReplay}
			if m.keepFault != nil {
				st.NotKept = m.keepFault.Error()
			}
			kept := k.state(m, false)
			if u, ok := m.plane.Usage(k.SA.ID()); ok && k.installed {
				st.Usage = u
			}
			st.Usage.Packets, st.Usage.Bytes, st.Usage.Sequence = kept.Packets, kept.Bytes, kept.Sequence
			switch {
			case k.fault != "":
				st.State = Faulty
			case k.before.Ended:
				st.State = Ended
			case k.installed && k.due && k.next != nil && k.next.installed:
				st.State = Leaving
			case k.installed && k.due:
				st.State = Due
			case k.installed:
				st.State = InUse
			}
			out = append(out, st)
		}
	}
	return out
}
