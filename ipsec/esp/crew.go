package esp

import (
	"context"
	"sync"
	"sync/atomic"
)

// crew are goroutines that help others with the cryptography of a batch. Whoever
// has a batch shares it out, takes part, and goes on when all of it is done; so
// what comes before and after happens in order, in one goroutine, and no flow is
// reordered. There is one handover for many packets, and none if the others are
// busy.
type crew struct {
	helpers int
	work    chan *shared
}

// shared is a batch that is worked on by several.
type shared struct {
	do   func(l lane, i int)
	n    int32
	next atomic.Int32
	busy sync.WaitGroup // helpers
}

const (
	// shareFrom packets on a batch is shared: fewer are done before a helper is
	// awake.
	shareFrom = 16
	// shareChunk packets are taken at once.
	shareChunk = 8
)

// newCrew makes a crew. A gateway that is fully loaded has two goroutines at work
// without it, one in each direction, so two cores need no helper.
func newCrew(cores int) crew {
	n := max(0, cores-2)
	return crew{helpers: n, work: make(chan *shared)}
}

// help is one helper's life.
func (c *crew) help(ctx context.Context, l lane) {
	for {
		select {
		case s := <-c.work:
			s.take(l)
			s.busy.Done()
		case <-ctx.Done():
			return
		}
	}
}

// each does s.do for 0 to n-1, in any order, perhaps with help.
func (c *crew) each(s *shared, l lane, n int) {
	if n < shareFrom || c.helpers == 0 {
		for i := range n {
			s.do(l, i)
		}
		return
	}
	s.n = int32(n)
	s.next.Store(0)
	for range min(c.helpers, n/shareChunk-1) {
		s.busy.Add(1)
		select {
		case c.work <- s:
			continue
		default: // all are busy
			s.busy.Done()
		}
		break
	}
	s.take(l)
	s.busy.Wait()
}

// take does chunks until there are none.
func (s *shared) take(l lane) {
	for {
		from := s.next.Add(shareChunk) - shareChunk
		if from >= s.n {
			return
		}
		for i := from; i < min(from+shareChunk, s.n); i++ {
			s.do(l, int(i))
		}
	}
}
