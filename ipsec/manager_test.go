package ipsec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/ike"
	"gatehouse/ipsec/sad"
)

// cable joins two managers: what one sends the other gets, a millisecond
// later, in order.
type cable struct {
	mu    sync.Mutex
	ends  map[netip.Addr]*Manager
	cut   bool
	count int
}

func (c *cable) SendIKE(local, remote netip.AddrPort, msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	to := c.ends[remote.Addr()]
	if to == nil || c.cut {
		return nil
	}
	msg = bytes.Clone(msg)
	time.AfterFunc(time.Millisecond, func() { to.Deliver(remote, local, msg) })
	return nil
}

// fakePlane holds SAs and carries nothing.
type fakePlane struct {
	*cable
	mu       sync.Mutex
	next     uint32
	sas      map[sad.ID]sad.SA
	policies []sad.Policy
	usage    map[sad.ID]sad.Usage
	installs int
	refuse   bool
}

func (p *fakePlane) AllocateSPI() (sad.SPI, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	return sad.SPI(p.next), nil
}

func (p *fakePlane) Install(sa sad.SA) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse {
		return errors.New("the plane is full")
	}
	p.sas[sa.ID()] = sa
	p.installs++
	return nil
}

func (p *fakePlane) Remove(id sad.ID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sas, id)
	return nil
}

func (p *fakePlane) SetPolicies(ps []sad.Policy) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policies = ps
	for id, sa := range p.sas {
		if !slices.ContainsFunc(ps, func(q sad.Policy) bool { return q.ID == sa.Policy }) {
			delete(p.sas, id)
		}
	}
	return nil
}

func (p *fakePlane) Usage(id sad.ID) (sad.Usage, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.sas[id]
	if u, counted := p.usage[id]; counted {
		return u, ok
	}
	return sad.Usage{Packets: 1, Bytes: 100}, ok
}

func (p *fakePlane) SendKeepalive(local, remote netip.AddrPort) error { return nil }

func (p *fakePlane) held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sas)
}

var (
	hqAddr     = netip.MustParseAddr("203.0.113.2")
	branchAddr = netip.MustParseAddr("198.51.100.2")
)

// side is one manager of a test, its plane and its log.
type side struct {
	*Manager
	plane  *fakePlane
	log    *bytes.Buffer
	cancel context.CancelFunc
	done   chan error

	counting sync.Mutex
	refused  []netip.Addr
}

func newSide(wire *cable, addr netip.Addr, firstSPI uint32) *side {
	s := &side{plane: &fakePlane{cable: wire, next: firstSPI, sas: map[sad.ID]sad.SA{}}, log: &bytes.Buffer{}}
	s.Manager = New(Options{
		Plane: s.plane, Port: wire, ForceEncap: true,
		Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Refused: func(from netip.Addr, _ ike.Reason) {
			s.counting.Lock()
			defer s.counting.Unlock()
			s.refused = append(s.refused, from)
		},
		Source: func(netip.AddrPort) (netip.AddrPort, error) {
			return netip.AddrPortFrom(addr, ikePort), nil
		},
	})
	wire.ends[addr] = s.Manager
	return s
}

func (s *side) run() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan error, 1)
	go func() { s.done <- s.Run(ctx) }()
}

func (s *side) end() {
	s.cancel()
	<-s.done
}

func (s *side) one(t *testing.T) Status {
	t.Helper()
	st := s.Status()
	if len(st) != 1 {
		t.Fatalf("%d connections, want 1", len(st))
	}
	return st[0]
}

func connection0(name, peer string, initiate bool, psk string, local, remote string) Connection {
	return Connection{
		Name: name, Peer: peer, Initiate: initiate, PSK: []byte(psk),
		IKE:         crypto.DefaultIKESuites(),
		Children:    []Child{child0(name, local, remote)},
		IKELifetime: 4 * time.Hour, DPD: 30 * time.Second,
	}
}

func child0(name, local, remote string) Child {
	return Child{
		Name: name, Protocol: sad.ESP, Suites: crypto.DefaultESPSuites(), Lifetime: time.Hour,
		LocalNetworks:  []netip.Prefix{netip.MustParsePrefix(local)},
		RemoteNetworks: []netip.Prefix{netip.MustParsePrefix(remote)},
	}
}

// twoOffices are hq, which calls, and a branch.
func twoOffices(t *testing.T, hqKey, branchKey string, branchCalls bool) (*cable, *side, *side) {
	t.Helper()
	wire := &cable{ends: map[netip.Addr]*Manager{}}
	hq, branch := newSide(wire, hqAddr, 0x1000), newSide(wire, branchAddr, 0x2000)
	if err := hq.Apply([]Connection{connection0("leeds", branchAddr.String(), true, hqKey, "10.1.0.0/24", "10.2.0.0/24")}, Manual{}); err != nil {
		t.Fatal(err)
	}
	if err := branch.Apply([]Connection{connection0("hq", hqAddr.String(), branchCalls, branchKey, "10.2.0.0/24", "10.1.0.0/24")}, Manual{}); err != nil {
		t.Fatal(err)
	}
	hq.run()
	branch.run()
	return wire, hq, branch
}

const key = "correct horse battery staple"

func TestTunnelComesUpAndGoesDownCleanly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hq, branch := twoOffices(t, key, key, false)
		time.Sleep(15 * time.Second) // past the test of forward secrecy
		synctest.Wait()
		for _, s := range []*side{hq, branch} {
			st := s.one(t)
			if st.State != Up || st.Problem != nil || st.Children[0].In == 0 || st.Children[0].Out == 0 || !st.NAT {
				t.Errorf("status %+v, want up", st)
			}
			if n := s.plane.held(); n != 2 {
				t.Errorf("%d SAs installed, want 2", n)
			}
		}
		hq.end()
		time.Sleep(time.Second)
		synctest.Wait()
		if st := branch.one(t); st.State == Up {
			t.Errorf("the branch is still up after hq said goodbye: %+v", st)
		}
		branch.end()
		for name, s := range map[string]*side{"hq": hq, "branch": branch} {
			if n := s.plane.held(); n != 0 {
				t.Errorf("%s left %d SAs behind", name, n)
			}
			if len(s.byIKE)+len(s.byESP)+len(s.sad)+len(s.sessions)+len(s.initial)+s.halfTotal != 0 {
				t.Errorf("%s left sessions behind", name)
			}
			if strings.Contains(s.log.String(), key) {
				t.Errorf("%s logged the shared key", name)
			}
		}
	})
}

func TestBothSidesMayCallAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hq, branch := twoOffices(t, key, key, true)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		a, b := hq.one(t), branch.one(t)
		if a.State != Up || b.State != Up || a.Children[0].In != b.Children[0].Out || a.Children[0].Out != b.Children[0].In {
			t.Errorf("the sides do not agree on one tunnel:\n%+v\n%+v", a, b)
		}
		for _, s := range []*side{hq, branch} {
			if n := s.plane.held(); n != 2 {
				t.Errorf("%d SAs installed, want 2", n)
			}
		}
		hq.end()
		branch.end()
	})
}

func TestWrongKeyIsToldOnBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hq, branch := twoOffices(t, key, "another key entirely", false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		st := hq.one(t)
		if st.State != Down || st.Problem == nil || st.Problem.Code != ike.RejectedByPeer || !st.Problem.ByPeer {
			t.Errorf("hq: %+v problem %+v, want rejected_by_peer", st, st.Problem)
		}
		st = branch.one(t)
		if st.State != Down || st.Problem == nil || st.Problem.Code != ike.WrongKey || st.Problem.ByPeer {
			t.Errorf("branch: %+v problem %+v, want wrong_key", st, st.Problem)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		hq.end()
		branch.end()
		if len(branch.refused) == 0 || branch.refused[0] != hqAddr {
			t.Errorf("the branch refused %v, want the caller", branch.refused)
		}
		if len(hq.refused) != 0 {
			t.Errorf("who called refused %v", hq.refused)
		}
	})
}

func TestWrongIdentityIsToldToTheOneWhoExpectsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &cable{ends: map[netip.Addr]*Manager{}}
		hq, branch := newSide(wire, hqAddr, 0x1000), newSide(wire, branchAddr, 0x2000)
		hq.Apply([]Connection{connection0("leeds", branchAddr.String(), true, key, "10.1.0.0/24", "10.2.0.0/24")}, Manual{})
		c := connection0("hq", hqAddr.String(), false, key, "10.2.0.0/24", "10.1.0.0/24")
		id, err := auth.ParseIdentity("hq.example.org")
		if err != nil {
			t.Fatal(err)
		}
		c.RemoteID = id
		branch.Apply([]Connection{c}, Manual{})
		hq.run()
		branch.run()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		st := branch.one(t)
		if st.Problem == nil || st.Problem.Code != ike.WrongIdentity {
			t.Fatalf("problem %+v, want wrong_identity", st.Problem)
		}
		if got := strings.Join(st.Problem.Got, " "); !strings.Contains(got, hqAddr.String()) {
			t.Errorf("the problem does not show who called: %q", got)
		}
		hq.end()
		branch.end()
	})
}

func TestDeadPeerIsNoticedAndCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire, hq, branch := twoOffices(t, key, key, false)
		time.Sleep(5 * time.Second)
		wire.mu.Lock()
		wire.cut = true
		wire.mu.Unlock()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if st := hq.one(t); st.State != Down || st.Problem == nil {
			t.Errorf("hq: %+v, want down with a problem", st)
		}
		wire.mu.Lock()
		wire.cut = false
		wire.mu.Unlock()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if a, b := hq.one(t), branch.one(t); a.State != Up || b.State != Up {
			t.Errorf("not up again: %+v %+v", a, b)
		}
		hq.end()
		branch.end()
	})
}

func TestUnchangedConnectionKeepsItsTunnel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hq, branch := twoOffices(t, key, key, false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		before := hq.one(t)
		same := connection0("leeds", branchAddr.String(), true, key, "10.1.0.0/24", "10.2.0.0/24")
		if err := hq.Apply([]Connection{same}, Manual{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if after := hq.one(t); after.Children[0].In != before.Children[0].In || after.Since != before.Since {
			t.Errorf("an apply without change restarted the tunnel")
		}
		if err := hq.Apply(nil, Manual{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := hq.plane.held(); n != 0 {
			t.Errorf("a removed connection left %d SAs", n)
		}
		if st := branch.one(t); st.State == Up {
			t.Errorf("the branch was not told that its connection is gone")
		}
		hq.end()
		branch.end()
	})
}

func TestFloodOfStrangersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hq, branch := twoOffices(t, key, key, false)
		time.Sleep(5 * time.Second)
		// A first message with nothing useful inside, as from the peer's own
		// address, with a new SPI each.
		for i := range 5000 {
			msg := make([]byte, 28)
			binary.BigEndian.PutUint64(msg, uint64(i+1)<<32)
			msg[16], msg[17], msg[18], msg[19] = 33, 0x20, 34, 0x08
			binary.BigEndian.PutUint32(msg[24:], uint32(len(msg)))
			branch.Deliver(netip.AddrPortFrom(branchAddr, 500), netip.AddrPortFrom(hqAddr, 500), msg)
		}
		branch.mu.Lock()
		n := len(branch.sessions)
		branch.mu.Unlock()
		if n > maxHalfOpenPerAddr+1 {
			t.Errorf("%d sessions after a flood, want at most %d", n, maxHalfOpenPerAddr+1)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		branch.mu.Lock()
		n = len(branch.sessions)
		branch.mu.Unlock()
		if n != 1 {
			t.Errorf("%d sessions a minute after a flood, want the tunnel's one", n)
		}
		if st := hq.one(t); st.State != Up {
			t.Errorf("the flood took the tunnel down: %+v", st)
		}
		// Anybody can send these in another's name.
		if len(branch.refused) != 0 {
			t.Errorf("invented senders counted as refused: %v", branch.refused)
		}
		hq.end()
		branch.end()
	})
}

func TestPlaneThatRefusesIsAProblemNotACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hq, branch := twoOffices(t, key, key, false)
		hq.plane.mu.Lock()
		hq.plane.refuse = true
		hq.plane.mu.Unlock()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if st := hq.one(t); st.Problem == nil || st.Problem.Code != ike.InternalError {
			t.Errorf("%+v, want internal_error", st.Problem)
		}
		hq.end()
		branch.end()
	})
}
