package esp

import (
	"sync/atomic"
	"time"

	"gatehouse/ipsec/sad"
)

// refuseEvery limits the events about refused packets, for each SA, policy and
// reason.
const refuseEvery = time.Second

// refusals are the packets of one SA or policy that were refused.
type refusals [sad.Refusals]struct {
	count atomic.Uint64
	said  atomic.Uint64 // how many of them events told of
	told  atomic.Int64  // when, in Unix nanoseconds
}

// refuse counts a refused packet and tells of it, if it is time to.
func (e *Engine) refuse(r *refusals, why sad.Refusal, sa sad.ID, policy uint32, f *flow, now int64) {
	one := &r[why]
	count := one.count.Add(1)
	e.refusedAll[why].Add(1)
	told := one.told.Load()
	if told != 0 && now-told < int64(refuseEvery) || !one.told.CompareAndSwap(told, now) {
		return
	}
	ev := sad.Event{Kind: sad.Refused, SA: sa, Policy: policy, Refusal: why, Count: count - one.said.Swap(count)}
	if f != nil {
		ev.Source, ev.Destination = f.src, f.dst
	}
	e.cfg.Event(ev)
}

// Refused are the packets that were refused, by reason, whatever became of the
// SAs and policies that did.
func (e *Engine) Refused() (out [sad.Refusals]uint64, known bool) {
	for why := range out {
		out[why] = e.refusedAll[why].Load()
	}
	return out, true
}

// RefusedBy are those that a policy itself refused.
func (e *Engine) RefusedBy(id uint32) (n uint64) {
	e.changing.Lock()
	p := e.byPolicy[id]
	e.changing.Unlock()
	if p == nil {
		return 0
	}
	for why := range p.refusals {
		n += p.refusals[why].count.Load()
	}
	return n
}
