package esp

import (
	"math"
	"sync/atomic"
	"time"

	"gatehouse/ipsec/sad"
)

// life watches the bounds of one SA (RFC 4301 section 4.4.2.1).
type life struct {
	soft, hard sad.Bound // of bytes and packets; the largest number where there is none
	saidSoft   atomic.Bool
	over       atomic.Bool
	timers     [2]*time.Timer
}

// counted is a bound with the largest number in place of none.
func counted(b sad.Bound) sad.Bound {
	if b.Bytes == 0 {
		b.Bytes = math.MaxUint64
	}
	if b.Packets == 0 {
		b.Packets = math.MaxUint64
	}
	return b
}

// begin starts the bounds by time.
func (l *life) begin(e *Engine, sa *sad.SA) {
	l.soft, l.hard = counted(sa.Lifetime.Soft), counted(sa.Lifetime.Hard)
	if d := sa.Lifetime.Soft.Time; d > 0 {
		l.timers[0] = time.AfterFunc(d, func() { l.soon(e, sa) })
	}
	if d := sa.Lifetime.Hard.Time; d > 0 {
		l.timers[1] = time.AfterFunc(d, func() { l.end(e, sa) })
	}
}

func (l *life) stop() {
	for _, t := range l.timers {
		if t != nil {
			t.Stop()
		}
	}
}

// count adds a packet and says whether the SA may still carry it.
func (l *life) count(e *Engine, u *usage, sa *sad.SA, n int, now int64) bool {
	if l.over.Load() {
		return false
	}
	packets, bytes := u.packets.Add(1), u.bytes.Add(uint64(n))
	u.last.Store(now)
	if packets >= l.soft.Packets || bytes >= l.soft.Bytes {
		l.soon(e, sa)
	}
	if packets > l.hard.Packets || bytes > l.hard.Bytes {
		l.end(e, sa)
		return false
	}
	return true
}

func (l *life) soon(e *Engine, sa *sad.SA) {
	if !l.saidSoft.Swap(true) {
		e.cfg.Event(sad.Event{Kind: sad.SoftExpired, SA: sa.ID(), Policy: sa.Policy})
	}
}

// end removes the SA. Not at once: a change of the tables waits for others, and
// the packet path must not.
func (l *life) end(e *Engine, sa *sad.SA) {
	if l.over.Swap(true) {
		return
	}
	go func() {
		if err := e.Remove(sa.ID()); err != nil {
			e.cfg.Log.Error("an SA at the end of its lifetime could not be removed", "spi", sa.SPI, "err", err)
		}
		e.cfg.Event(sad.Event{Kind: sad.HardExpired, SA: sa.ID(), Policy: sa.Policy})
	}()
}
