package office

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/store"
)

// scheduled: hq lets the branch in during a schedule that is over with this
// minute or the next, in a time zone that is not UTC. Then new connections are
// refused, and the one that is open ends.
func scheduled(ctx context.Context, l *Office) (string, error) {
	doc := hqDocument(psk, rekeyInChecks)
	doc.System.TimeZone = "Asia/Kathmandu" // 5 hours and 45 minutes ahead, the whole year
	where, err := doc.System.Location()
	if err != nil {
		return "", err
	}
	// Long enough for the check to get in.
	end := time.Now().Add(15 * time.Second).Truncate(time.Minute).Add(time.Minute).In(where)
	doc.Schedules = []store.Schedule{{Name: "shift", From: end.Add(-3 * time.Hour).Format("15:04"), To: end.Format("15:04")}}
	doc.Firewall.Defaults = slices.DeleteFunc(doc.Firewall.Defaults, func(d store.ZoneDefault) bool { return d.From == store.ZoneVPN })
	doc.Firewall.Rules = []store.Rule{{Name: "in-the-shift", From: store.ZoneVPN, To: store.ZoneLAN, Schedules: []string{"shift"}, Action: store.Allow}}
	if err := l.HQ.Configure(ctx, doc); err != nil {
		return "", err
	}
	if err := l.HQ.WaitUp(ctx, "branch"); err != nil {
		return "", err
	}
	if _, err := l.BranchPC.knocks(ctx, hqPC); err != nil {
		return "", fmt.Errorf("during the schedule: %w", err)
	}
	if _, err := l.BranchPC.knocks(ctx, "["+hqPC6+"]"); err != nil {
		return "", fmt.Errorf("during the schedule: %w", err)
	}
	open, err := l.BranchPC.Dial(ctx, "tcp", hqPC+":80")
	if err != nil {
		return "", err
	}
	defer open.Close()
	if err := served(open); err != nil {
		return "", fmt.Errorf("a connection during the schedule: %w", err)
	}
	var faults []error
	for at, says := range map[time.Duration]string{-time.Minute: "It is allowed by rule in-the-shift", 0: "It is dropped"} {
		told, err := l.HQ.tool(ctx, nil, "firewall", "trace", "--time", end.Add(at).Format("2006-01-02 15:04"), branchPC, hqPC, "tcp", "80")
		if err != nil || !strings.Contains(told, says) {
			faults = append(faults, fmt.Errorf("trace of %v before the end: %q %v", at, told, err))
		}
	}
	// The gateway ends what was open when it sees the minute change.
	faults = append(faults, until(ctx, time.Until(end)+10*time.Second, "the schedule to end", func() error {
		if served(open) == nil {
			return errors.New("the open connection goes on")
		}
		return nil
	}))
	if time.Now().Before(end) {
		faults = append(faults, errors.New("the open connection ended before the schedule"))
	}
	for _, pc := range []string{hqPC, "[" + hqPC6 + "]"} {
		if _, err := l.BranchPC.knocks(ctx, pc); err == nil {
			faults = append(faults, fmt.Errorf("%s is reached after the schedule", pc))
		}
	}
	if err := errors.Join(append(faults, l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks)))...); err != nil {
		return "", err
	}
	return "the branch was let in until the minute was over, in Nepal's time; then nothing new, and the open connection ended", nil
}
