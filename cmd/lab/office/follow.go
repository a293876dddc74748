package office

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"gatehouse/store"
)

// followed: a rule of hq's is about a user. When the user gets a device the rule
// meets its address, and when the device goes it does not any more, without
// anybody applying anything; a connection that is open meanwhile ends. The
// command line says the same of it as the packets.
func followed(ctx context.Context, l *Office) (string, error) {
	if _, err := l.HQ.tool(ctx, strings.NewReader(`{"name":"alice","enabled":true}`), "object", "put", "users"); err != nil {
		return "", err
	}
	doc := hqDocument(psk, rekeyInChecks)
	doc.Firewall.Rules = []store.Rule{{Name: "not-alice", From: store.ZoneVPN, To: store.ZoneLAN, SourceUsers: []string{"alice"}, Action: store.Reject}}
	if err := l.HQ.Configure(ctx, doc); err != nil {
		return "", err
	}
	if err := l.HQ.WaitUp(ctx, "branch"); err != nil {
		return "", err
	}
	before, err := l.HQ.Status(ctx)
	if err != nil {
		return "", err
	}
	// reached says whether the branch's PC gets through, by both families.
	reached := func(want bool) error {
		says := map[bool]string{true: "It is allowed", false: "by rule not-alice"}[want]
		return until(ctx, 20*time.Second, fmt.Sprintf("the way from branch-pc to be open: %v", want), func() error {
			for _, pair := range [][2]string{{branchPC, hqPC}, {branchPC6, "[" + hqPC6 + "]"}} {
				if _, err := l.BranchPC.knocks(ctx, pair[1]); (err == nil) != want {
					return fmt.Errorf("%s: %v", pair[1], err)
				}
				told, err := l.HQ.tool(ctx, nil, "firewall", "trace", pair[0], strings.Trim(pair[1], "[]"), "tcp", "80")
				if err != nil || !strings.Contains(told, says) {
					return fmt.Errorf("trace says %q, %v", told, err)
				}
			}
			return nil
		})
	}
	if err := reached(true); err != nil {
		return "", err
	}
	open, err := l.BranchPC.Dial(ctx, "tcp", hqPC+":80")
	if err != nil {
		return "", err
	}
	defer open.Close()
	if err := served(open); err != nil {
		return "", fmt.Errorf("a connection that nobody refuses: %w", err)
	}
	device := `{"name":"laptop","user":"alice","enabled":true,"addresses":["` + branchPC + `","` + branchPC6 + `"]}`
	if _, err := l.HQ.tool(ctx, strings.NewReader(device), "object", "put", "devices"); err != nil {
		return "", err
	}
	faults := []error{reached(false)}
	if served(open) == nil {
		faults = append(faults, errors.New("a connection that was open goes on"))
	}
	if _, err := l.HQ.tool(ctx, nil, "object", "delete", "devices", "laptop"); err != nil {
		return "", err
	}
	faults = append(faults, reached(true))
	if _, err := l.HQ.tool(ctx, nil, "object", "delete", "users", "alice"); err == nil {
		faults = append(faults, errors.New("a user whom a rule in force names was deleted"))
	}
	after, err := l.HQ.Status(ctx)
	if err != nil || after.Revision != before.Revision {
		faults = append(faults, fmt.Errorf("revision %d, then %d, %v", before.Revision, after.Revision, err))
	}
	faults = append(faults, l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks)))
	if _, err := l.HQ.tool(ctx, nil, "object", "delete", "users", "alice"); err != nil {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return "", err
	}
	return "alice's laptop was refused from when it was added until it was deleted, its open connection ended, nothing was applied", nil
}

// served says whether a connection that is open still brings answers.
func served(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("GET /whoami HTTP/1.1\r\nHost: hq\r\n\r\n")); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1000))
	return err
}
