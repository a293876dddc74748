package firewall

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// timezone is the kernel's struct timezone of settimeofday(2).
type timezone struct{ minutesWest, dst int32 }

// keepUTC makes the kernel's own time zone UTC. It is not the one that people
// see: next to nothing but the day in a rule is reckoned by it, and a tool
// that sets the other may set this one too.
func keepUTC() error {
	var now unix.Timeval
	var zone timezone
	if _, _, no := unix.Syscall(unix.SYS_GETTIMEOFDAY, uintptr(unsafe.Pointer(&now)), uintptr(unsafe.Pointer(&zone)), 0); no != 0 {
		return fmt.Errorf("ask for the kernel's time zone: %w", no)
	}
	if zone.minutesWest == 0 {
		return nil
	}
	utc := timezone{}
	if _, _, no := unix.Syscall(unix.SYS_SETTIMEOFDAY, 0, uintptr(unsafe.Pointer(&utc)), 0); no != 0 {
		return fmt.Errorf("the kernel's own time zone is %d minutes west of UTC, so rules with times would hold on wrong days; setting it: %w", zone.minutesWest, no)
	}
	return nil
}
