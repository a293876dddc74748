package ipsec

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"gatehouse/ipsec/sad"
)

// Manual is the part of the databases that is made by hand. Its policies stand
// before those of connections, in their order.
type Manual struct{ Policies []ManualPolicy }

// ManualPolicy is one entry of the SPD and the SAs that serve it. The Manager
// gives it its ID.
type ManualPolicy struct {
	sad.Policy
	// SAs are of the policy's direction, the innermost first.
	SAs []ManualSA
}

// ManualSA is an SA keyed by hand. The Manager fills in its Policy, and its Sent
// or Seen from what it was told by Remember.
type ManualSA struct {
	// Name is unique.
	Name string
	sad.SA
	// Successor takes over at the soft bound of the lifetime; nil: nothing does.
	Successor *ManualSA
}

// handMade is a ManualPolicy and what became of it. Guarded by m.mu.
type handMade struct {
	ManualPolicy
	id  uint32
	sas []*handKeyed // with successors behind those they follow
}

// handKeyed is a ManualSA and what is known of it. Guarded by m.mu.
type handKeyed struct {
	ManualSA
	policy    *handMade
	next      *handKeyed
	waits     bool // for the one before it to be due
	installed bool
	due       bool
	fault     string
	// before is what it had carried when it was installed; reserved is the
	// sequence number that it may send up to without another note.
	before   Kept
	reserved uint64
	noted    Kept
}

// makeByHand finds which of the policies are held already.
func (m *Manager) makeByHand(manual Manual) []*handMade {
	held := map[string]*handMade{}
	for _, h := range m.byHand {
		held[h.Name] = h
	}
	var out []*handMade
	for _, p := range manual.Policies {
		if h := held[p.Name]; h != nil && reflect.DeepEqual(h.ManualPolicy, p) {
			out = append(out, h)
			continue
		}
		m.nextPolicy++
		h := &handMade{ManualPolicy: p, id: m.nextPolicy}
		for _, sa := range p.SAs {
			h.add(sa, nil)
		}
		out = append(out, h)
	}
	return out
}

// add takes an SA and those that follow it.
func (h *handMade) add(sa ManualSA, before *handKeyed) {
	k := &handKeyed{ManualSA: sa, policy: h}
	if before != nil {
		before.next = k
		// What comes in may use the new keys at any time: the other side decides.
		k.waits = sa.Direction == sad.Out
	}
	h.sas = append(h.sas, k)
	if sa.Successor != nil {
		h.add(*sa.Successor, k)
	}
}

// entry is the policy for the data plane.
func (h *handMade) entry() sad.Policy {
	p := h.Policy
	p.ID = h.id
	for _, sa := range h.SAs {
		p.Needs = append(p.Needs, sad.Need{Protocol: sa.Protocol, Mode: sa.Mode})
	}
	return p
}

// settleByHand remembers what SAs that are about to go have carried.
func (m *Manager) settleByHand(next []*handMade) {
	stays := map[*handMade]bool{}
	for _, h := range next {
		stays[h] = true
	}
	for _, h := range m.byHand {
		if stays[h] {
			continue
		}
		for _, k := range h.sas {
			if k.installed {
				m.kept[k.before.Keys] = k.state(m, true)
				delete(m.byKeys, k.SA.ID())
			}
		}
	}
}

// installByHand installs the SAs of new policies, once it is noted how far they
// may count.
func (m *Manager) installByHand(next []*handMade) error {
	stays := map[*handMade]bool{}
	for _, h := range m.byHand {
		stays[h] = true
	}
	var fresh []*handKeyed
	var notes []Kept
	for _, h := range next {
		if stays[h] {
			continue
		}
		for _, k := range h.sas {
			k.begin(m)
			fresh = append(fresh, k)
			notes = append(notes, k.noted)
		}
	}
	if len(notes) > 0 {
		m.note(notes)
	}
	var errs []error
	for _, k := range fresh {
		if k.waits && k.before.Packets == 0 {
			continue
		}
		errs = append(errs, m.install(k))
	}
	return errors.Join(errs...)
}

// install gives an SA to the data plane, and its successor if that is due.
// Needs m.mu.
func (m *Manager) install(k *handKeyed) error {
	if k.installed {
		return nil
	}
	sa, ended := k.now(m.now())
	if !ended {
		if err := m.plane.Install(sa); err != nil {
			k.fault = err.Error()
			return fmt.Errorf("manual SA %s: %w", k.Name, err)
		}
		k.installed, k.waits = true, false
		m.byKeys[sa.ID()] = k
		m.log.Info("manual SA in use", "sa", k.Name, "spi", sa.SPI, "suite", sa.Suite.String())
	} else if !k.before.Ended {
		k.before.Ended = true
		m.log.Warn("manual SA is at the end of its lifetime", "sa", k.Name)
	}
	if k.next != nil && (k.due || ended) {
		return m.install(k.next)
	}
	return nil
}

// begin fills in what is known of the keys from before.
func (k *handKeyed) begin(m *Manager) {
	digest := digestOf(k.SA)
	var known bool
	if k.before, known = m.kept[digest]; !known {
		k.before = Kept{Keys: digest, Since: m.now()}
	}
	k.before.SA = k.Name
	k.noted = k.before
	if k.Direction == sad.Out {
		k.reserved = k.reserve(k.before.Sequence)
		k.noted.Sequence = k.reserved
	}
}

// now is the SA with what is left of its lifetime; ended says that nothing is.
func (k *handKeyed) now(at time.Time) (sa sad.SA, ended bool) {
	sa = k.SA
	sa.Policy = k.policy.id
	sa.LocalTS, sa.RemoteTS = k.policy.LocalTS, k.policy.RemoteTS
	if k.Direction == sad.Out {
		sa.Sent = k.before.Sequence
		ended = !sa.ESN && sa.Sent >= maxSequence
	} else if !sa.NoReplay {
		sa.Seen = k.before.Sequence
	}
	age := max(0, at.Sub(k.before.Since))
	var over bool
	sa.Lifetime.Hard, over = left(k.Lifetime.Hard, age, k.before)
	ended = ended || over || k.before.Ended
	sa.Lifetime.Soft, k.due = left(k.Lifetime.Soft, age, k.before)
	return sa, ended
}

// left is what remains of a bound. Where nothing does, it is no bound any more.
func left(b sad.Bound, age time.Duration, used Kept) (rest sad.Bound, over bool) {
	rest = b
	if b.Time > 0 {
		rest.Time = max(0, b.Time-age)
		over = over || rest.Time == 0
	}
	if b.Bytes > 0 {
		rest.Bytes = b.Bytes - min(b.Bytes, used.Bytes)
		over = over || rest.Bytes == 0
	}
	if b.Packets > 0 {
		rest.Packets = b.Packets - min(b.Packets, used.Packets)
		over = over || rest.Packets == 0
	}
	if over {
		rest = sad.Bound{}
	}
	return rest, over
}

// handEvent takes news that concern the life of an SA keyed by hand, and says
// whether these do. Needs m.mu.
func (m *Manager) handEvent(k *handKeyed, ev sad.Event) bool {
	switch ev.Kind {
	case sad.SoftExpired:
		k.due = true
	case sad.HardExpired, sad.Overflowed:
		k.before = k.state(m, false)
		k.before.Ended, k.installed = true, false
		m.kept[k.before.Keys] = k.before
		delete(m.byKeys, ev.SA)
		if ev.Kind == sad.Overflowed {
			if err := m.plane.Remove(ev.SA); err != nil {
				m.log.Error("cannot remove a manual SA", "sa", k.Name, "err", err)
			}
		}
		m.hurry()
	case sad.Exhausted:
	default:
		return false
	}
	m.event(Event{Time: m.now(), SA: k.Name, What: ev.Kind, Replaced: k.next != nil})
	if k.next != nil && (k.due || k.before.Ended) {
		if err := m.install(k.next); err != nil {
			m.log.Error("the next keys cannot be taken", "sa", k.Name, "err", err)
		}
	}
	return true
}
