package ipsec

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"gatehouse/ipsec/sad"
)

// Kept is what must be known of an SA keyed by hand after a restart: keys that
// outlive a process must not count anew (RFC 4303 section 3.3.3).
type Kept struct {
	// Keys is a digest of the keys: they are what must not count anew, under
	// whatever name and after whatever keys between. SA is the name they had last.
	Keys, SA string
	// Since is when the keys were first used.
	Since time.Time
	// Sequence is how far the SA may have counted: of an outbound one a number
	// that was certainly not passed, of an inbound one the highest that was seen.
	Sequence       uint64
	Packets, Bytes uint64
	// Ended says that its lifetime is over.
	Ended bool
}

// Tuning of notes.
const (
	// ahead is how many numbers an outbound SA takes at once. Every crash skips
	// up to as many, of 2^32; half of them must be more than can be sent between
	// two looks.
	ahead = 1 << 21
	// between is how often it is looked whether a note is due.
	between = time.Second
	// seenDelay is how long what was received is only known here: after a power
	// cut, so much could be sent once more by who recorded it.
	seenDelay = time.Minute
	// inFlight is more than what is sent while an SA is being removed.
	inFlight = 1 << 12
	// maxSequence is the last number without ESN (RFC 4303 section 2.2).
	maxSequence = 1<<32 - 1
)

// digestOf tells keys apart without telling them: whoever could try all
// integrity keys could forge packets anyway.
func digestOf(sa sad.SA) string {
	h := sha256.New()
	fmt.Fprintf(h, "gatehouse manual SA\x00%d %d %d %s %s %s\x00", sa.SPI, sa.Protocol, sa.Direction, sa.Local, sa.Remote, sa.Suite)
	h.Write(sa.EncryptionKey)
	h.Write(sa.IntegrityKey)
	return hex.EncodeToString(h.Sum(nil))
}

// reserve is the number that may be sent up to from one that was.
func (k *handKeyed) reserve(from uint64) uint64 {
	if k.ESN {
		return from + ahead
	}
	return min(from+ahead, maxSequence)
}

// state is what the SA has carried by now. With leaving, it allows for packets
// that are on their way.
func (k *handKeyed) state(m *Manager, leaving bool) Kept {
	s := k.before
	u, ok := m.plane.Usage(k.SA.ID())
	if !k.installed || !ok {
		return s
	}
	s.Packets, s.Bytes = s.Packets+u.Packets, s.Bytes+u.Bytes
	s.Sequence = max(s.Sequence, u.Sequence)
	if leaving && k.Direction == sad.Out {
		s.Sequence += inFlight
		if !k.ESN {
			s.Sequence = min(s.Sequence, maxSequence)
		}
	}
	return s
}

// Remember gives back what was noted in an earlier life. Call it before Apply.
func (m *Manager) Remember(all []Kept) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range all {
		m.kept[k.Keys] = k
	}
}

// note writes down what must be known after a crash. Needs m.keeping.
func (m *Manager) note(all []Kept) {
	err := m.keep(all)
	if err != nil && m.keepFault == nil {
		m.log.Error("the counters of manual SAs cannot be kept: after a crash the peer may take packets for old ones", "err", err)
	}
	m.keepFault = err
}

// keepCounters notes how far SAs keyed by hand have counted, before it matters
// and seldom otherwise.
func (m *Manager) keepCounters(ctx context.Context) {
	tick := time.NewTicker(between)
	defer tick.Stop()
	last := m.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.urgent:
			m.noteCounters(true, false)
		case <-tick.C:
			late := m.now().Sub(last) >= seenDelay
			if m.noteCounters(late, false) || late {
				last = m.now()
			}
		}
	}
}

// hurry makes the next note come now.
func (m *Manager) hurry() {
	select {
	case m.urgent <- struct{}{}:
	default:
	}
}

// noteCounters notes what changed if that is due: when an outbound SA has used
// half of what it took, or when it is asked for. leaving notes exact numbers.
func (m *Manager) noteCounters(asked, leaving bool) bool {
	m.keeping.Lock()
	defer m.keeping.Unlock()
	m.mu.Lock()
	due := asked
	var notes []Kept
	reserved := map[*handKeyed]uint64{}
	for _, h := range m.byHand {
		for _, k := range h.sas {
			s := k.state(m, leaving)
			if k.Direction == sad.Out && k.installed && !leaving {
				due = due || s.Sequence+ahead/2 > k.reserved && k.reserved != k.reserve(s.Sequence)
				reserved[k] = k.reserve(s.Sequence)
				s.Sequence = reserved[k]
			}
			if s.Packets != k.noted.Packets || s.Ended != k.noted.Ended || leaving {
				notes = append(notes, s)
			}
		}
	}
	m.mu.Unlock()
	if !due || len(notes) == 0 {
		return false
	}
	m.note(notes)
	if m.keepFault != nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	byKeys := map[string]Kept{}
	for _, n := range notes {
		byKeys[n.Keys] = n
	}
	for _, h := range m.byHand {
		for _, k := range h.sas {
			if n, ok := byKeys[k.before.Keys]; ok {
				k.noted = n
				k.reserved = max(k.reserved, reserved[k])
			}
		}
	}
	return true
}
