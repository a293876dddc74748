package office

import (
	"context"
	"fmt"
	"regexp"
	"time"
)

// Check is one thing that must hold. Run gives what it saw.
type Check struct {
	Name, What string
	Run        func(context.Context, *Office) (string, error)
}

// checkLimit bounds one check.
const checkLimit = 4 * time.Minute

// Checks are all of them, in an order in which each leaves the office as it
// found it.
func Checks() []Check {
	return []Check{
		{"1-tunnel-v4", "hq-pc pings and fetches 100 MB from branch-pc, IPv4 inside", tunnelV4},
		{"1-tunnel-v6", "the same with IPv6 inside", tunnelV6},
		{"2-internet", "hq-pc reaches the web under hq's address", internet},
		{"2-attacker", "mallory opens nothing, by address, spoofed source or route", attacker},
		{"2-forward", "a forwarded port opens, but not for those on a list", forwarded},
		{"2-follow", "a rule about a user follows the user's devices without an apply", followed},
		{"2-schedule", "a rule with a schedule ends with it, and so do its connections", scheduled},
		{"2-lists", "a block list on the web is fetched, and who is on it is refused without an apply", blockListed},
		{"2-prefix", "rules follow the prefix of an interface without an apply", followsPrefix},
		{"seen", "hq shows who is refused, who talks and who downloads, by name; an ended download ends", seen},
		{"5-rekey", "a rekey every few seconds loses no ping", rekeyUnderPing},
		{"3-no-leak", "with the peer stopped nothing leaves unprotected", noLeak},
		{"4-kill", "kill -9 leaves the perimeter; a restart brings the tunnel back", kill},
		{"6-wrong-key", "a wrong key is told on both sides and on the page", wrongKey},
		{"7-strongswan-calls", "strongSwan as initiator", strongSwanCalls},
		{"7-strongswan-answers", "strongSwan as responder", strongSwanAnswers},
		{"7-strongswan-certified", "strongSwan with certificates of every kind, both roles; another authority's and an expired one", strongSwanCertified},
		{"7-strongswan-more", "two children, messages in pieces, and hq's address changes under the tunnel", strongSwanMore},
		{"put-back", "an apply that fails half-way leaves everything as it was", putBack},
		{"trial-runs-out", "a change that cuts the admin off goes back by itself", trialRunsOut},
		{"trial-blocks", "a change that shuts the page to the admin goes back by itself", trialBlocks},
		{"trial-kept", "a heartbeat from the new address keeps it", trialIsKept},
		{"trial-killed", "a restart inside the window brings back what was confirmed", trialIsKilled},
		{"apply-killed", "a power cut at any point of an apply leaves one whole revision", applyIsKilled},
		{"damaged", "a damaged database is replaced by its last copy", damagedDatabase},
		{"restore", "a backup comes back on other hardware", otherHardware},
		{"disk-full", "a full disk refuses edits and forwards on", diskFull},
		{"disk-read-only", "a disk that only reads keeps the gateway as it was", diskReadOnly},
		{"9-by-hand", "offices joined by keys of hands alone: ESP between networks, AH between hosts", byHand},
		{"9-gateways", "what the gateways say to one another goes by AH, then ESP, in transport mode", betweenGateways},
		{"8-malformed", "malformed IKE costs nothing", malformed},
	}
}

// Verify runs the checks and prints one line each.
func Verify(ctx context.Context, o Options) error {
	only, err := regexp.Compile(o.Only)
	if err != nil {
		return err
	}
	l, err := New(o)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Open(ctx, rekeyInChecks); err != nil {
		return err
	}
	failed, ran := 0, 0
	for _, c := range Checks() {
		if !only.MatchString(c.Name) {
			continue
		}
		ran++
		start := time.Now()
		seen, err := l.Check(ctx, c)
		verdict := "ok  "
		if err != nil {
			verdict, seen = "FAIL", err.Error()
			failed++
		}
		fmt.Printf("%s  %-22s %s: %s (%.1f s)\n", verdict, c.Name, c.What, seen, time.Since(start).Seconds())
		if err != nil {
			fmt.Printf("      end of hq's log:\n%s\n      end of branch's log:\n%s\n", l.HQ.Log(3000), l.Branch.Log(2000))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	fmt.Printf("%d passed, %d failed\n", ran-failed, failed)
	if failed > 0 || ran == 0 {
		return fmt.Errorf("%d of %d checks failed", failed, ran)
	}
	return nil
}

// Check runs one check within its time.
func (l *Office) Check(ctx context.Context, c Check) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit*patience)
	defer cancel()
	return c.Run(ctx, l)
}

// rekeyInChecks is the lifetime of child SAs in seconds while checking, the
// shortest allowed, so that every check runs across rekeys.
const rekeyInChecks = 5
