package xfrm

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/nftables"

	"gatehouse/ipsec/sad"
)

// The kernel counts the packets that it refuses, for each reason and for all of its
// IPsec, and does not tell which they were. What the rules of nf_tables discard is
// counted for each policy.

// refuseEvery is how often refused packets are told.
const refuseEvery = time.Second

// discarded reads how many packets the rules dropped for each policy.
func (k *marker) discarded() error {
	if len(k.counted) == 0 {
		return nil
	}
	all, err := k.c.GetObjects(&nftables.Table{Name: markTable, Family: nftables.TableFamilyINet})
	if err != nil {
		return fmt.Errorf("counters of discarded packets: %w", err)
	}
	for _, o := range all {
		c, ok := o.(*nftables.CounterObj)
		if !ok {
			continue
		}
		for policy, before := range k.counted {
			if c.Name == counterOf(policy) && c.Packets > before {
				k.total[policy] += c.Packets - before
				k.counted[policy] = c.Packets
			}
		}
	}
	return nil
}

// watchRefusals tells of refused packets.
func (p *Plane) watchRefusals(ctx context.Context) error {
	tick := time.NewTicker(refuseEvery)
	defer tick.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := p.tellRefusals()
		if err != nil && !failed && ctx.Err() == nil {
			p.cfg.Log.Warn("refused packets cannot be told of", "err", err)
		}
		failed = err != nil
	}
}

func (p *Plane) tellRefusals() error {
	p.mu.Lock()
	err := p.marker.discarded()
	policies := maps.Clone(p.marker.total)
	p.mu.Unlock()
	for id, n := range policies {
		if more := n - p.toldOf[id]; more > 0 {
			p.cfg.Event(sad.Event{Kind: sad.Refused, Refusal: sad.Discarded, Policy: id, Count: more})
		}
	}
	p.toldOf = policies
	now, known := p.Refused()
	if !known {
		return err
	}
	for why, n := range now {
		if more := n - min(p.told[why], n); more > 0 {
			p.cfg.Event(sad.Event{Kind: sad.Refused, Refusal: sad.Refusal(why), Count: more})
		}
	}
	p.told = now
	return err
}

// RefusedBy is how many packets a policy discarded. The kernel counts it only of
// those that the rules of nf_tables are for.
func (p *Plane) RefusedBy(policy uint32) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.marker.discarded(); err != nil {
		p.cfg.Log.Warn("cannot read what a policy discarded", "err", err)
	}
	return p.marker.total[policy]
}
