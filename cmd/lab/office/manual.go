package office

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"gatehouse/store"
	"gatehouse/web"
)

// byHand joins the offices without any key exchange: by ESP between their
// networks, then by AH around ESP and by AH alone between the gateways. A
// power cut loses no packet to the replay check.
func byHand(ctx context.Context, l *Office) (seen string, err error) {
	seen, err = l.networksByHand(ctx)
	if err == nil {
		var more string
		more, err = l.hostsByHand(ctx)
		seen += "; " + more
	}
	back := errors.Join(l.Branch.Configure(ctx, branchDocument(psk, rekeyInChecks)), l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks)),
		l.HQ.WaitUp(ctx, "branch"), l.HQPC.reaches(ctx, branchPC))
	if back == nil {
		// Tunnels by IKE are in the same databases.
		back = l.listed(ctx, "branch", false)
	}
	return seen, errors.Join(err, back)
}

func (l *Office) networksByHand(ctx context.Context) (string, error) {
	hq, branch := hqDocument(psk, rekeyInChecks), branchDocument(psk, rekeyInChecks)
	if err := hand(&hq, &branch, "esp", hqWAN, branchWAN, []string{"10.1.0.0/24", "fd00:1::/64"}, []string{"10.2.0.0/24", "fd00:2::/64"},
		protected{protocol: "esp", mode: "tunnel"}); err != nil {
		return "", err
	}
	if err := errors.Join(l.Branch.Configure(ctx, branch), l.HQ.Configure(ctx, hq)); err != nil {
		return "", err
	}
	wire, err := l.Inet.capture("hq", only(unix.IPPROTO_ESP))
	if err != nil {
		return "", err
	}
	both := func() error { return errors.Join(l.HQPC.reaches(ctx, branchPC), l.BranchPC.reaches(ctx, hqPC6)) }
	faults := []error{both()}
	if _, err := l.HQPC.fetch(ctx, branchPC, fetched/10); err != nil {
		faults = append(faults, err)
	}
	// Killed, it must not repeat numbers; stopped, it must not skip any either.
	for _, how := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		faults = append(faults, l.HQ.Stop(how), l.HQ.Boot(ctx), both())
	}
	frames, err := wire.Stop()
	carried, lost := l.countedByHand(ctx, 2)
	lost = errors.Join(lost, l.listed(ctx, "esp-out", true))
	if err := errors.Join(append(faults, err, lost)...); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d frames of ESP and nothing else, %d packets over a kill and a restart, none refused", frames, carried), nil
}

func (l *Office) hostsByHand(ctx context.Context) (string, error) {
	hq, branch := hqDocument(psk, rekeyInChecks), branchDocument(psk, rekeyInChecks)
	err := errors.Join(
		hand(&hq, &branch, "four", hqWAN, branchWAN, []string{hqWAN}, []string{branchWAN},
			protected{protocol: "esp", mode: "transport"}, protected{protocol: "ah", mode: "transport"}),
		hand(&hq, &branch, "six", hqWAN6, branchWAN6, []string{hqWAN6}, []string{branchWAN6}, protected{protocol: "ah", mode: "transport"}))
	if err != nil {
		return "", err
	}
	if err := errors.Join(l.Branch.Configure(ctx, branch), l.HQ.Configure(ctx, hq)); err != nil {
		return "", err
	}
	wire, err := l.Inet.capture("hq", only(unix.IPPROTO_AH))
	if err != nil {
		return "", err
	}
	both := func() error { return errors.Join(l.HQ.reaches(ctx, branchWAN), l.Branch.reaches(ctx, hqWAN6)) }
	faults := []error{both(), l.Branch.Stop(syscall.SIGKILL), l.Branch.Boot(ctx), both()}
	frames, err := wire.Stop()
	carried, lost := l.countedByHand(ctx, 6)
	if err := errors.Join(append(faults, err, lost)...); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d frames of AH between the gateways themselves, %d packets over a kill, none refused", frames, carried), nil
}

// countedByHand sums what all manual SAs carried; an error names one that
// refused something.
func (l *Office) countedByHand(ctx context.Context, want int) (carried uint64, err error) {
	var faults []error
	for _, g := range []*Gateway{l.HQ, l.Branch} {
		st, err := g.Status(ctx)
		if err != nil {
			return 0, err
		}
		if len(st.ManualSAs) != want {
			faults = append(faults, fmt.Errorf("%s has %d manual SAs, not %d", g.Name, len(st.ManualSAs), want))
		}
		for _, s := range st.ManualSAs {
			carried += s.Packets
			if s.State != "in use" || s.Replayed+s.Invalid+s.Refused > 0 || s.Packets == 0 {
				faults = append(faults, fmt.Errorf("%s: %+v", g.Name, s))
			}
		}
	}
	return carried, errors.Join(faults...)
}

// listed looks for a policy of hq in the databases, and for SAs of its that
// carried something.
func (l *Office) listed(ctx context.Context, policy string, byHand bool) error {
	sas, policies, err := l.HQ.Databases(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(policies, func(p web.PolicyInForce) bool { return p.Name == policy })
	if i < 0 || policies[i].Place != i+1 || policies[i].Action != "protect" || policies[i].ByHand != byHand || policies[i].SAs == 0 || policies[i].PacketsOut == 0 {
		return fmt.Errorf("policy %s is not what it should be: %+v", policy, policies)
	}
	if !slices.ContainsFunc(sas, func(a web.Association) bool {
		return a.Policy == policy && a.ByHand == byHand && a.Direction == "out" && a.Packets > 0 && a.Sequence > 0 && a.Algorithms != "" && !a.Since.IsZero()
	}) {
		return fmt.Errorf("no SA of %s has sent anything: %+v", policy, sas)
	}
	return nil
}

// only judges that nothing but one protocol goes between the gateways, besides
// what a link needs.
func only(protocol uint8) func(frame) string {
	wan := map[string]bool{hqWAN: true, branchWAN: true, hqWAN6: true, branchWAN6: true}
	return func(f frame) string {
		switch {
		case f.hasInner():
			return "an inner address"
		case wan[f.src.String()] && wan[f.dst.String()] && f.protocol != protocol:
			return "something else between the gateways"
		}
		return ""
	}
}

// protected is one protection of a pair of policies.
type protected struct{ protocol, mode string }

// hand adds to both documents what protects traffic between near, behind hq, and
// far, and takes their branches out.
func hand(hq, branch *store.Document, name, here, there string, near, far []string, by ...protected) error {
	nears, err := addressRanges(near)
	if err != nil {
		return err
	}
	fars, err := addressRanges(far)
	if err != nil {
		return err
	}
	hq.Branches, branch.Branches = nil, nil
	a, b := netip.MustParseAddr(here), netip.MustParseAddr(there)
	for _, out := range []bool{true, false} {
		p := store.Policy{Name: name + "-out", Enabled: true, Direction: store.Out, Protection: store.Protect, Sources: nears, Destinations: fars}
		from, to := a, b
		if !out {
			p.Name, p.Direction, p.Sources, p.Destinations = name+"-in", store.In, fars, nears
			from, to = b, a
		}
		for i, w := range by {
			s := store.ManualSA{Name: fmt.Sprintf("%s-%d", p.Name, i), Enabled: true, Direction: p.Direction, Protocol: w.protocol, Mode: w.mode,
				Source: from, Destination: to, SPI: uint32(0x1000 + len(hq.ManualSAs)), Integrity: "hmac-sha256", IntegrityKey: freshKey(32)}
			if w.protocol == "esp" {
				s.Encryption, s.EncryptionKey = "aes256-cbc", freshKey(32)
			}
			p.SAs = append(p.SAs, s.Name)
			hq.ManualSAs = append(hq.ManualSAs, s)
			s.Direction = map[store.Direction]store.Direction{store.In: store.Out, store.Out: store.In}[s.Direction]
			branch.ManualSAs = append(branch.ManualSAs, s)
		}
		hq.Policies = append(hq.Policies, p)
		p.Direction = map[store.Direction]store.Direction{store.In: store.Out, store.Out: store.In}[p.Direction]
		branch.Policies = append(branch.Policies, p)
	}
	return nil
}

func freshKey(n int) store.Secret {
	key := make([]byte, n)
	rand.Read(key) // never fails
	return store.Secret(hex.EncodeToString(key))
}

func addressRanges(texts []string) (out []store.AddressRange, err error) {
	for _, t := range texts {
		r, err := store.ParseAddressRange(t)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
