package firewall

import (
	"errors"
	"fmt"
	"runtime"
	"sort"

	"golang.org/x/sys/unix"
)

// blame finds which object the kernel refused: its error does not say. It
// tries ever longer beginnings of the batch in a network namespace that is
// thrown away, so the one in force is never touched. Where no such namespace
// can be made, or where the batch is accepted there, cause comes back as it is.
func (r Ruleset) blame(cause error) error {
	done := make(chan error, 1)
	go func() {
		// Not unlocked: the thread is in another namespace and must end with
		// this goroutine instead of serving others.
		runtime.LockOSThread()
		done <- r.bisect(cause)
	}()
	return <-done
}

func (r Ruleset) bisect(cause error) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return cause
	}
	steps := r.steps(nil, r.generation())
	fails := func(n int) bool {
		err := send(steps[:n], r.bufferFor(n))
		if errors.Is(err, unix.ENOBUFS) {
			err = nil
		}
		return err != nil
	}
	if !fails(len(steps)) {
		return cause
	}
	n := sort.Search(len(steps)-1, func(n int) bool { return fails(n + 1) })
	return fmt.Errorf("the kernel refuses %s: %w", steps[n].what, cause)
}
