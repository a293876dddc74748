package esp

import (
	"sync/atomic"
	"time"

	"gatehouse/ipsec/sad"
)

// refuseEvery limits the events about refused packets, for each SA, policy and
// reason.
const refuseEvery = time.Second

// refusals are the packets of one SA or policy that were refused since they were
// last told.
type refusals [sad.Refusals]struct {
	count atomic.Uint64
	told  atomic.Int64 // Unix nanoseconds
}

// refuse counts a refused packet and tells of it, if it is time to.
func (e *Engine) refuse(r *refusals, why sad.Refusal, sa sad.ID, policy uint32, f *flow, now int64) {
	one := &r[why]
	one.count.Add(1)
	told := one.told.Load()
	if told != 0 && now-told < int64(refuseEvery) || !one.told.CompareAndSwap(told, now) {
		return
	}
	ev := sad.Event{Kind: sad.Refused, SA: sa, Policy: policy, Refusal: why, Count: one.count.Swap(0)}
	if f != nil {
		ev.Source, ev.Destination = f.src, f.dst
	}
	e.cfg.Event(ev)
}
