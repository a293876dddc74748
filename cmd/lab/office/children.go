package office

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/store"
	"gatehouse/web"
)

// betweenGateways protects what both gateways say to one another in transport mode,
// by a child beside the tunnel of their networks: by AH, then by ESP. Nothing of it
// goes in clear, and IKE itself passes by.
func betweenGateways(ctx context.Context, l *Office) (seen string, err error) {
	defer func() {
		err = errors.Join(err, l.Branch.Configure(ctx, branchDocument(psk, rekeyInChecks)), l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks)),
			l.HQ.WaitUp(ctx, "branch"), l.HQPC.reaches(ctx, branchPC))
	}()
	for _, protocol := range []string{"ah", "esp"} {
		hq, branch := hqDocument(psk, rekeyInChecks), branchDocument(psk, rekeyInChecks)
		child := store.Child{Name: "gateways", Enabled: true, Branch: "branch", Protocol: protocol, Mode: "transport", RekeySeconds: rekeyInChecks}
		hq.Children = []store.Child{child}
		child.Branch = "hq"
		branch.Children = []store.Child{child}
		if err := errors.Join(l.Branch.Configure(ctx, branch), l.HQ.Configure(ctx, hq)); err != nil {
			return "", err
		}
		if err := until(ctx, 40*time.Second, "both children", func() error {
			t, err := l.HQ.Tunnel(ctx, "branch")
			if err == nil && (t.State != web.TunnelUp || len(t.Children) != 2 || !t.Children[0].Up || !t.Children[1].Up) {
				err = fmt.Errorf("%s, problem %+v, children %+v", t.State, t.Problem, t.Children)
			}
			return err
		}); err != nil {
			return "", fmt.Errorf("%s: %w", protocol, err)
		}
		var protected atomic.Int64
		wire, err := l.Inet.capture("hq", func(f frame) string {
			if f.src.String() != hqWAN || f.dst.String() != branchWAN {
				return ""
			}
			switch f.protocol {
			case unix.IPPROTO_ICMP:
				return "a ping between the gateways in clear"
			case unix.IPPROTO_AH:
				protected.Add(1)
			case unix.IPPROTO_UDP:
				if protocol == "esp" {
					protected.Add(1)
				}
			}
			return ""
		})
		if err != nil {
			return "", err
		}
		pings := errors.Join(l.HQ.reaches(ctx, branchWAN), l.Branch.reaches(ctx, hqWAN), l.HQPC.reaches(ctx, branchPC))
		_, clear := wire.Stop()
		if err := errors.Join(pings, clear); err != nil {
			return "", fmt.Errorf("%s: %w", protocol, err)
		}
		if protected.Load() == 0 {
			return "", fmt.Errorf("%s: nothing protected was seen", protocol)
		}
		seen += fmt.Sprintf("%s: %d frames, no ping in clear; ", protocol, protected.Load())
	}
	return seen + "the tunnel beside it carried its networks", nil
}
