package esp

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"gatehouse/ipsec/sad"
)

// publish makes new tables from the present ones. Called with changing held.
func (e *Engine) publish(edit func(*tables)) {
	next := *e.tables.Load()
	next.generation++
	edit(&next)
	e.tables.Store(&next)
}

// setInbound adds an SA to the tables or, with nil, takes it out. It copies the
// few that share the last byte of its SPI.
func (t *tables) setInbound(key saKey, sa *inbound) {
	part := maps.Clone(t.in[byte(key.spi)])
	if sa == nil {
		delete(part, key)
	} else {
		if part == nil {
			part = map[saKey]*inbound{}
		}
		part[key] = sa
	}
	t.in[byte(key.spi)] = part
}

// Install adds an SA.
func (e *Engine) Install(sa sad.SA) error {
	if err := sa.Validate(); err != nil {
		return err
	}
	switch {
	case sa.Encap != nil && sa.Encap.LocalPort != e.port:
		return fmt.Errorf("SA %s: encapsulation on port %d, the data plane listens on %d", sa.SPI, sa.Encap.LocalPort, e.port)
	case sa.Encap != nil && e.tun != nil && e.udp(sa.Remote) == nil:
		return fmt.Errorf("SA %s: the kernel has no UDP over IPv6", sa.SPI)
	case sa.CPU != nil:
		return fmt.Errorf("SA %s: this process encrypts with all processors by one SA", sa.SPI)
	case sa.Encap == nil && e.raw == nil:
		return fmt.Errorf("SA %s: it is not in UDP, and raw sockets cannot be opened: %w", sa.SPI, e.noRaw)
	case sa.Encap != nil && sa.Mode == sad.Transport && sa.Outer != (sad.Outer{}):
		return fmt.Errorf("SA %s: transport mode has no outer header to shape", sa.SPI)
	}
	first, err := newCryptography(&sa)
	if err != nil {
		return fmt.Errorf("SA %s: %w", sa.SPI, err)
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	if sa.Direction == sad.Out {
		return e.installOut(&outbound{SA: sa, lanes: newLanes(first, e.outLanes())})
	}
	key := saKey{sa.SPI, sa.Protocol}
	if e.tables.Load().inbound(sa.Protocol, sa.SPI) != nil {
		return fmt.Errorf("inbound SA %s exists already", sa.SPI)
	}
	in := &inbound{SA: sa, lanes: newLanes(first, e.inLanes())}
	if !sa.NoReplay {
		in.window = newWindow(sa.ReplayWindow)
		in.window.begin(sa.Seen)
	}
	in.life.begin(e, &in.SA)
	e.publish(func(t *tables) { t.setInbound(key, in) })
	return nil
}

// installOut is Install for an outbound SA.
func (e *Engine) installOut(out *outbound) error {
	if _, twice := e.out[out.ID()]; twice {
		// Two counters under one key would repeat nonces.
		return fmt.Errorf("outbound SA %s exists already", out.SPI)
	}
	out.seq.Store(out.Sent)
	e.installs++
	out.installed = e.installs
	out.life.begin(e, &out.SA)
	e.out[out.ID()] = out
	if p := e.byPolicy[out.Policy]; p != nil {
		p.outs = append(p.outs, out)
		p.choose()
	}
	if every := out.Outer.Dummies; every > 0 {
		out.busy.Lock()
		out.dummies = time.AfterFunc(every, func() { e.dummy(out, every) })
		out.busy.Unlock()
	}
	return nil
}

// choose makes the newest SAs that the policy needs its current ones.
func (p *policy) choose() {
	needs := p.Needs
	if len(needs) == 0 && len(p.outs) > 0 {
		last := p.outs[len(p.outs)-1]
		needs = []sad.Need{{Protocol: last.Protocol, Mode: last.Mode}}
	}
	var bundle []*outbound
	for _, need := range needs {
		for _, sa := range slices.Backward(p.outs) {
			if sa.Protocol == need.Protocol && sa.Mode == need.Mode {
				bundle = append(bundle, sa)
				break
			}
		}
	}
	if len(bundle) == 0 || len(bundle) < len(needs) {
		p.current.Store(nil)
		return
	}
	p.current.Store(&bundle)
}

// Remove ends an SA. If it carried a policy's traffic, the one installed
// before it does so again.
func (e *Engine) Remove(id sad.ID) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	if id.Direction == sad.In {
		if sa := e.tables.Load().inbound(id.Protocol, id.SPI); sa != nil {
			sa.life.stop()
			e.publish(func(t *tables) { t.setInbound(saKey{id.SPI, id.Protocol}, nil) })
		}
		return nil
	}
	sa := e.out[id]
	if sa == nil {
		return nil
	}
	sa.stop()
	delete(e.out, id)
	if p := e.byPolicy[sa.Policy]; p != nil {
		p.outs = slices.DeleteFunc(p.outs, func(o *outbound) bool { return o == sa })
		p.choose()
	}
	return nil
}

func (sa *outbound) stop() {
	sa.life.stop()
	sa.life.over.Store(true)
	if sa.Outer.Dummies > 0 {
		sa.busy.Lock()
		sa.dummies.Stop()
		sa.busy.Unlock()
	}
}

// SetPolicies replaces the SPD.
func (e *Engine) SetPolicies(policies []sad.Policy) error {
	if err := sad.ValidatePolicies(policies); err != nil {
		return err
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	byPolicy := make(map[uint32]*policy, len(policies))
	ordered := make([]*policy, 0, len(policies))
	for _, p := range policies {
		next := &policy{Policy: p}
		if old := e.byPolicy[p.ID]; old != nil {
			next.outs = old.outs
			next.acquired.Store(old.acquired.Load())
		} else {
			for _, sa := range e.out {
				if sa.Policy == p.ID {
					next.outs = append(next.outs, sa)
				}
			}
			slices.SortFunc(next.outs, func(a, b *outbound) int { return int(a.installed) - int(b.installed) })
		}
		next.choose()
		byPolicy[p.ID] = next
		ordered = append(ordered, next)
	}
	e.byPolicy = byPolicy
	maps.DeleteFunc(e.out, func(_ sad.ID, sa *outbound) bool {
		gone := byPolicy[sa.Policy] == nil
		if gone {
			sa.stop()
		}
		return gone
	})
	e.publish(func(t *tables) {
		t.policies = ordered
		t.local = newIndex(ordered, func(p *policy) []sad.Selector { return p.LocalTS })
		t.remote = newIndex(ordered, func(p *policy) []sad.Selector { return p.RemoteTS })
		t.number()
		for i, part := range t.in {
			kept := maps.Clone(part)
			maps.DeleteFunc(kept, func(_ saKey, sa *inbound) bool {
				gone := byPolicy[sa.Policy] == nil
				if gone {
					sa.life.stop()
				}
				return gone
			})
			t.in[i] = kept
		}
	})
	return nil
}

// Usage tells what an SA has carried.
func (e *Engine) Usage(id sad.ID) (sad.Usage, bool) {
	if id.Direction == sad.In {
		sa := e.tables.Load().inbound(id.Protocol, id.SPI)
		if sa == nil {
			return sad.Usage{}, false
		}
		u := sa.read()
		u.Sequence = sa.seen.Load()
		return u, true
	}
	e.changing.Lock()
	sa := e.out[id]
	e.changing.Unlock()
	if sa == nil {
		return sad.Usage{}, false
	}
	u := sa.read()
	u.Sequence, u.PathMTU = sa.seq.Load(), sa.path.now(time.Now().UnixNano())
	return u, true
}
