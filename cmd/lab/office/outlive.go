package office

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// outlivingPings go on for longer than a gateway needs to die and to start again.
const outlivingPings = 150

// outlive kills hq while its kernel carries IPsec. The kernel needs no process for
// that: the tunnel carries on, protected, before the restart, across it, and when
// the next IKE SA takes the place of the one that died.
func outlive(ctx context.Context, l *Office) (string, error) {
	before, err := l.HQ.Tunnel(ctx, "branch")
	if err != nil {
		return "", err
	}
	wire, err := l.Inet.capture("hq", orUnreachable)
	if err != nil {
		return "", err
	}
	var r pingResult
	pings := make(chan error, 1)
	go func() {
		var err error
		r, err = l.HQPC.ping(ctx, branchPC, outlivingPings, 100*time.Millisecond)
		pings <- err
	}()
	begin := time.Now()
	killed := l.HQ.Stop(syscall.SIGKILL)
	open, tried := l.Mallory.scan(ctx, hqWAN, hqWAN6, "10.1.0.1", hqPC, hqPC6)
	if len(open) > 0 {
		killed = errors.Join(killed, fmt.Errorf("mallory opened %v", open))
	}
	starts := time.Since(begin)
	err = errors.Join(killed, l.HQ.Boot(ctx))
	started := time.Since(begin)
	err = errors.Join(err, l.HQ.WaitUp(ctx, "branch"))
	up := time.Since(begin)
	err = errors.Join(err, <-pings)
	_, leak := wire.Stop()
	if r.received != r.sent {
		leak = errors.Join(leak, fmt.Errorf("%d of %d pings came back; ten a second, missing are%s; hq started after %.1f to %.1f s, and had a tunnel at %.1f s",
			r.received, r.sent, r.missing, starts.Seconds(), started.Seconds(), up.Seconds()))
	}
	after, tunnelErr := l.HQ.Tunnel(ctx, "branch")
	if tunnelErr == nil && after.SPIIn == before.SPIIn {
		tunnelErr = errors.New("the tunnel is the one of before")
	}
	if err := errors.Join(err, leak, tunnelErr, l.HQPC.reaches(ctx, branchPC), l.HQPC.reaches(ctx, branchPC6)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d ports stayed shut, nothing leaked; %d pings across the kill and the restart, none lost", tried, r.sent), nil
}
