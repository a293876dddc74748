package network

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// mostTries bounds how often a list is asked for that changes while it is read.
const mostTries = 20

// whole asks the kernel for a list until no change came in between: the kernel
// marks one that may lack something or have it twice.
func whole[T any](list func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		all, err := list()
		if try == mostTries || !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
}
