package firewall

import (
	"errors"
	"fmt"
	"runtime"
	"sort"

	"golang.org/x/sys/unix"
)

// blame finds which object the kernel refused, where its answer does not say:
// it is about the batch as a whole, or about many elements at once. It tries
// parts of the batch in a network namespace that is thrown away, so the one in
// force is never touched. Where no such namespace can be made, or where the batch
// is accepted there, cause comes back as it is.
func (r Ruleset) blame(cause error) error {
	var refused *refusedError
	if errors.As(cause, &refused) && refused.step.finer == nil {
		return cause
	}
	if r.flows != nil {
		r.flows = &flowtable{devices: []string{"lo"}} // the one that is everywhere
	}
	steps := r.steps(nil, r.generation())
	found := cause
	if err := elsewhere(func() { found = bisect(steps, cause) }); err != nil {
		return cause
	}
	return found
}

// elsewhere runs do in a network namespace of its own, if one can be made.
func elsewhere(do func()) error {
	done := make(chan error, 1)
	go func() {
		// Not unlocked: the thread is in another namespace and must end with
		// this goroutine instead of serving others.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			do()
		}
		done <- err
	}()
	return <-done
}

func bisect(steps []step, cause error) error {
	fails := func(steps []step) bool {
		err := send(steps)
		return err != nil && !errors.Is(err, unix.ENOBUFS)
	}
	// first finds the first of more that fails behind the steps before it.
	first := func(before, more []step) (int, bool) {
		before = before[:len(before):len(before)]
		if !fails(append(before, more...)) {
			return 0, false
		}
		return sort.Search(len(more)-1, func(n int) bool { return fails(append(before, more[:n+1]...)) }), true
	}
	n, ok := first(nil, steps)
	if !ok {
		return cause
	}
	what, why := steps[n].what, cause
	if finer := steps[n].finer; finer != nil {
		more := finer()
		if at, ok := first(steps[:n], more); ok {
			what = more[at].what
		}
	}
	var refused *refusedError
	if errors.As(cause, &refused) {
		why = refused.err
	}
	return fmt.Errorf("the kernel refuses %s: %w", what, why)
}
