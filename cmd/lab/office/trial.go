package office

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"gatehouse/store"
)

// The branch's office moves to other addresses, which cuts every PC off that
// is still configured for the old ones.
const (
	movedLAN, movedPC = "10.2.9.1", "10.2.9.10"
	shortestWindow    = 10 * time.Second
)

func movedDocument() store.Document {
	doc := branchDocument(psk, rekeyInChecks)
	for i := range doc.Interfaces {
		if doc.Interfaces[i].Zone == store.ZoneLAN {
			doc.Interfaces[i].Addresses = prefixes(movedLAN+"/24", "fd00:2::1/64")
		}
	}
	return doc
}

// Try imports a document and applies it on trial.
func (g *Gateway) Try(ctx context.Context, doc store.Document, window time.Duration) error {
	if err := g.Import(ctx, doc); err != nil {
		return err
	}
	_, err := g.tool(ctx, nil, "apply", "--window", window.String())
	return err
}

// has says whether the gateway's LAN has this address, in its own words.
func (g *Gateway) has(ctx context.Context, addr string) (bool, error) {
	st, err := g.Status(ctx)
	if err != nil {
		return false, err
	}
	for _, i := range st.Interfaces {
		for _, a := range i.Addresses {
			if p, err := netip.ParsePrefix(a); err == nil && p.Addr().String() == addr {
				return true, nil
			}
		}
	}
	return false, nil
}

// onTrial waits until the moved address is there and the old one is not.
func (l *Office) onTrial(ctx context.Context) error {
	return until(ctx, 5*time.Second, "the new address", func() error {
		moved, err := l.Branch.has(ctx, movedLAN)
		if err != nil {
			return err
		}
		old, err := l.Branch.has(ctx, branchLAN)
		if err == nil && (!moved || old) {
			err = fmt.Errorf("%s there: %v, %s there: %v", movedLAN, moved, branchLAN, old)
		}
		return err
	})
}

// asBefore checks that the branch is reached again as ever: its page from its
// PC, and the other office.
func (l *Office) asBefore(ctx context.Context, limit time.Duration) error {
	err := until(ctx, limit, "the old address to return", func() error {
		old, err := l.Branch.has(ctx, branchLAN)
		if err == nil && !old {
			err = errors.New("it is not there")
		}
		return err
	})
	return errors.Join(err, l.Branch.WaitUp(ctx, "hq"), l.branchPage().says(ctx, "/", "Overview"), l.BranchPC.reaches(ctx, hqPC))
}

// trialRunsOut: nobody confirms.
func trialRunsOut(ctx context.Context, l *Office) (string, error) {
	if err := l.Branch.Try(ctx, movedDocument(), shortestWindow); err != nil {
		return "", err
	}
	start := time.Now()
	cutOff := l.onTrial(ctx)
	if r, err := l.BranchPC.ping(ctx, branchLAN, 3, 200*time.Millisecond); err != nil || r.received > 0 {
		cutOff = errors.Join(cutOff, fmt.Errorf("the old address still answers (%v)", err))
	}
	back := l.asBefore(ctx, 2*shortestWindow)
	took := time.Since(start)
	if err := errors.Join(cutOff, back); err != nil {
		return "", err
	}
	return fmt.Sprintf("the PC was cut off by the new address; %.0f s later page, tunnel and PC were as before", took.Seconds()), nil
}

// trialBlocks: the office's port becomes one of a zone from which the page
// cannot be reached. The connection of a browser that was there before ends with
// it, and its heartbeats must not keep the change.
func trialBlocks(ctx context.Context, l *Office) (string, error) {
	p := l.branchPage()
	client, err := p.logIn()
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	// Read to its end, or the client would close the connection.
	heartbeat := func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url("/changes/heartbeat"), nil)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return resp.Status + " " + string(text), err
	}
	if _, err := heartbeat(); err != nil {
		return "", err
	}
	doc := branchDocument(psk, rekeyInChecks)
	doc.Zones = []store.NamedZone{{Name: "cameras"}}
	doc.Interfaces[1].Zone = "cameras"
	if err := l.Branch.Try(ctx, doc, shortestWindow); err != nil {
		return "", err
	}
	var faults []error
	if conn, err := l.BranchPC.Dial(ctx, "tcp", p.addr); err == nil {
		conn.Close()
		faults = append(faults, errors.New("the page opens from a zone that may not"))
	}
	if said, err := heartbeat(); err == nil {
		faults = append(faults, fmt.Errorf("a heartbeat by the old connection was answered with %s", said))
	}
	back := until(ctx, 2*shortestWindow, "the trial to end", func() error {
		st, err := l.Branch.Status(ctx)
		if err == nil && st.Trial.Revision != 0 {
			err = fmt.Errorf("revision %d is still on trial", st.Trial.Revision)
		}
		return err
	})
	if err := errors.Join(append(faults, back, l.asBefore(ctx, shortestWindow))...); err != nil {
		return "", err
	}
	return "the old connection ended and no new one opened; then everything was as before", nil
}

// trialIsKept: an admin logs in at the new address.
func trialIsKept(ctx context.Context, l *Office) (seen string, err error) {
	if err := l.Branch.Try(ctx, movedDocument(), time.Minute); err != nil {
		return "", err
	}
	if err := l.onTrial(ctx); err != nil {
		return "", err
	}
	if err := l.BranchPC.address("eth0", movedPC+"/24"); err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, l.Branch.Configure(ctx, branchDocument(psk, rekeyInChecks)), l.BranchPC.unaddress("eth0", movedPC+"/24"),
			l.asBefore(ctx, 10*time.Second))
	}()
	p := l.branchPage()
	p.addr = movedLAN + ":8443"
	client, err := p.logIn()
	if err != nil {
		return "", err
	}
	resp, err := client.Post(p.url("/changes/heartbeat"), "", nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(text), `"confirmed"`) {
		return "", fmt.Errorf("the heartbeat was answered with %s %s", resp.Status, text)
	}
	// It is kept: also after a restart.
	if err := errors.Join(l.Branch.Stop(syscall.SIGKILL), l.Branch.Boot(ctx), l.onTrial(ctx)); err != nil {
		return "", err
	}
	return "an admin logged in at the new address, which confirmed it; it outlived kill -9", nil
}

// trialIsKilled: a restart inside the window.
func trialIsKilled(ctx context.Context, l *Office) (string, error) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		if err := l.Branch.Try(ctx, movedDocument(), 10*time.Minute); err != nil {
			return "", err
		}
		if err := errors.Join(l.onTrial(ctx), l.Branch.Stop(signal), l.Branch.Boot(ctx), l.asBefore(ctx, 10*time.Second)); err != nil {
			return "", fmt.Errorf("%v: %w", signal, err)
		}
	}
	return "after kill -9 and after SIGTERM the gateway came back with what was confirmed", nil
}

// unaddress takes an address away.
func (h *Host) unaddress(device, prefix string) error {
	return h.Do(func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		addr, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		return netlink.AddrDel(link, addr)
	})
}

// forgetEverything takes all that a gateway made out of the kernel, as a power
// cut does: rules, addresses and with them routes, the tunnel's device.
func (g *Gateway) forgetEverything(ctx context.Context) error {
	for _, command := range [][]string{
		{"nft", "flush", "ruleset"}, {"ip", "addr", "flush", "dev", "wan0"}, {"ip", "addr", "flush", "dev", "lan0"},
		{"ip", "route", "flush", "proto", "103"}, {"ip", "-6", "route", "flush", "proto", "103"}, {"ip", "link", "del", "ipsec0"},
	} {
		if out, err := g.Output(ctx, command[0], command[1:]...); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, out)
		}
	}
	return nil
}

// killsInApply is how often the gateway dies while it applies.
const killsInApply = 20

// applyIsKilled kills the branch's gateway at any point of an apply, takes what
// it made out of the kernel as a power cut would, and looks whether it comes back
// with one whole revision, the old one or the new.
func applyIsKilled(ctx context.Context, l *Office) (seen string, err error) {
	const extra = "10.2.8.1"
	plain, more := branchDocument(psk, rekeyInChecks), branchDocument(psk, rekeyInChecks)
	more.Interfaces[1].Addresses = append(more.Interfaces[1].Addresses, prefixes(extra+"/24")...)
	defer func() {
		err = errors.Join(err, l.Branch.Configure(ctx, plain), l.asBefore(ctx, 10*time.Second))
	}()
	inForce, err := l.Branch.Status(ctx)
	if err != nil {
		return "", err
	}
	hasMore, went := false, 0
	for i := range killsInApply {
		doc := more
		if hasMore {
			doc = plain
		}
		if err := l.Branch.Import(ctx, doc); err != nil {
			return "", err
		}
		applied := make(chan error, 1)
		go func() {
			_, err := l.Branch.tool(ctx, nil, "apply", "--now")
			applied <- err
		}()
		// An apply takes some tens of milliseconds, the command's start too.
		time.Sleep(time.Duration(i*3) * time.Millisecond)
		if err := l.Branch.Stop(syscall.SIGKILL); err != nil {
			return "", err
		}
		said := <-applied
		if err := l.Branch.forgetEverything(ctx); err != nil {
			return "", err
		}
		if err := l.Branch.Boot(ctx); err != nil {
			return "", err
		}
		now, err := l.Branch.Status(ctx)
		if err != nil {
			return "", err
		}
		changed := now.Revision != inForce.Revision
		if said == nil && !changed {
			return "", fmt.Errorf("kill %d: the apply was said to be done and is lost", i)
		}
		if changed {
			hasMore, went = !hasMore, went+1
		}
		inForce = now
		if there, err := l.Branch.has(ctx, extra); err != nil || there != hasMore {
			return "", fmt.Errorf("kill %d: revision %d is in force, and %s there: %v (%v)", i, now.Revision, extra, there, err)
		}
	}
	if went == 0 || went == killsInApply {
		return "", fmt.Errorf("%d of %d applies came through: no kill hit the middle", went, killsInApply)
	}
	return fmt.Sprintf("%d kills, %d applies had come through; always one whole revision", killsInApply, went), nil
}
