package esp

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"gatehouse/ipsec/sad"
)

func TestECNFollowsRFC6040(t *testing.T) {
	// Rows are what was inside, columns what the outer header says: not-ECT,
	// ECT(0), ECT(1), CE (RFC 6040 figure 4). -1: dropped.
	order := []uint8{notECT, ect0, ect1, ce}
	for i, row := range [][]int{
		{notECT, notECT, notECT, -1},
		{ect0, ect0, ect1, ce},
		{ect1, ect1, ect1, ce},
		{ce, ce, ce, ce},
	} {
		for j, want := range row {
			got, drop := decapsulateECN(order[i], order[j])
			if drop != (want < 0) || !drop && int(got) != want {
				t.Errorf("inner %d, outer %d: %d, dropped %v; want %d", order[i], order[j], got, drop, want)
			}
		}
	}
}

// rawPair is pair over IP, with the shape of the outer header.
func rawPair(t testing.TB, shape sad.Outer) (a, b *Engine) {
	t.Helper()
	_, _, out, in := pair(t, "aes256gcm16")
	sa := out.SA
	sa.Encap, sa.Outer, sa.ReplayWindow = nil, shape, in.ReplayWindow
	a, b, _, _ = joined(t, sa)
	return a, b
}

// overIPOne gives what comes out of an IP packet.
func (e *Engine) overIPOne(ip []byte) []byte {
	r := e.newReceiver(1, laneRaw)
	p, t := received(r, ip), e.tables.Load()
	r.overIP(t, p, 1)
	if !r.one(t, &p, 1) {
		return nil
	}
	return bytes.Clone(p.bytes())
}

func TestTheOuterHeaderIsAsTheSASays(t *testing.T) {
	plain := udp4("10.1.0.5", "10.2.0.9", 100)
	plain[1] = 46<<2 | ect0 // EF
	checksumIPv4(plain)
	noFragments := bytes.Clone(plain)
	noFragments[6] = 0x40
	checksumIPv4(noFragments)
	for _, row := range []struct {
		name  string
		shape sad.Outer
		inner []byte
		class uint8
		df    bool
		hops  uint8
	}{
		{"as it is", sad.Outer{}, plain, 46<<2 | ect0, false, 64},
		{"DF is copied", sad.Outer{}, noFragments, 46<<2 | ect0, true, 64},
		{"DF is set", sad.Outer{DF: sad.SetDF}, plain, 46<<2 | ect0, true, 64},
		{"DF is cleared", sad.Outer{DF: sad.ClearDF}, noFragments, 46<<2 | ect0, false, 64},
		{"the DSCP is hidden, ECN is not", sad.Outer{FixedDSCP: true, DSCP: 10}, plain, 10<<2 | ect0, false, 64},
		{"a hop limit", sad.Outer{HopLimit: 9}, plain, 46<<2 | ect0, false, 9},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, b := rawPair(t, row.shape)
			ip := a.protectOne(row.inner)
			if ip[1] != row.class || (binary.BigEndian.Uint16(ip[6:])&dontFragment != 0) != row.df || ip[8] != row.hops ||
				!sumsToZero(ip[:20], 0) || int(binary.BigEndian.Uint16(ip[2:])) != len(ip) {
				t.Errorf("header %x", ip[:20])
			}
			// On the way congestion was experienced.
			ip[1] |= ce
			checksumIPv4(ip)
			got := b.overIPOne(ip)
			if got == nil || got[1] != 46<<2|ce || !sumsToZero(got[:20], 0) || !bytes.Equal(got[20:], row.inner[20:]) {
				t.Errorf("came out as %x", got)
			}
		})
	}
}

// A packet whose sender does not know of ECN is lost where it was to be marked.
func TestCongestionIsNotHiddenFromWhoCannotSeeIt(t *testing.T) {
	a, b := rawPair(t, sad.Outer{})
	ip := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 100))
	ip[1] |= ce
	checksumIPv4(ip)
	if b.overIPOne(ip) != nil {
		t.Error("it passed")
	}
}

func TestPaddingHidesTheLength(t *testing.T) {
	a, b := rawPair(t, sad.Outer{PadTo: 1000})
	var lengths []int
	for _, n := range []int{0, 1, 100, 900} {
		plain := udp4("10.1.0.5", "10.2.0.9", n)
		ip := a.protectOne(plain)
		lengths = append(lengths, len(ip))
		if got := b.overIPOne(ip); !bytes.Equal(got, plain) {
			t.Errorf("%d bytes came out as %d", len(plain), len(got))
		}
	}
	for _, n := range lengths {
		if n != lengths[0] {
			t.Errorf("lengths %v", lengths)
		}
	}
}

func TestDummyPacketsAreGenuineAndNothing(t *testing.T) {
	a, b, out, in := pair(t, "aes256gcm16")
	seq, _ := out.next(a)
	p := departure{packet: inBuffer(make([]byte, 50))}
	if !out.seal(a, out.transform, &p, 0, 0, nextNone, seq) {
		t.Fatal("not sealed")
	}
	if b.unprotectOne(p.bytes()) != nil {
		t.Error("something came out")
	}
	if u := in.read(); u.Packets != 1 || u.Bytes != 0 || u.Invalid != 0 {
		t.Errorf("counted as %+v", u)
	}
	sa := out.SA
	sa.SPI, sa.Outer.Dummies = 0x999, time.Millisecond
	if err := a.Install(sa); err == nil {
		t.Error("a thousand dummy packets a second are accepted")
	}
}

func TestWhatTransportModeCannotProtectIsNotSent(t *testing.T) {
	a, _ := rawPair(t, sad.Outer{})
	for _, out := range a.out {
		out.Mode = sad.Transport
	}
	fragment := udp4("10.1.0.5", "10.2.0.9", 100)
	fragment[6] = 0x20
	if a.protectOne(fragment) != nil || a.Counters().NotProtected != 1 {
		t.Errorf("%+v", a.Counters())
	}
}

// Ports, protocols, classes and directions choose the policy, in order.
func TestThePolicyIsTheFirstThatMatches(t *testing.T) {
	a, _, out, _ := pair(t, "aes256gcm16")
	local, remote := out.LocalTS, out.RemoteTS
	with := func(s []sad.Selector, f func(*sad.Selector)) []sad.Selector {
		s = append([]sad.Selector(nil), s...)
		for i := range s {
			f(&s[i])
		}
		return s
	}
	policies := []sad.Policy{
		{ID: 10, Action: sad.Discard, LocalTS: local, RemoteTS: with(remote, func(s *sad.Selector) { s.Protocol, s.FirstPort, s.LastPort = protoUDP, 53, 53 })},
		{ID: 11, Action: sad.Discard, LocalTS: local, RemoteTS: with(remote, func(s *sad.Selector) { s.Protocol, s.FirstPort, s.LastPort = protoICMP, 8<<8, 8<<8|255 })},
		{ID: 12, Action: sad.Discard, LocalTS: local, RemoteTS: remote, Class: sad.Class{DSCP: []uint8{46}}},
		{ID: 13, Action: sad.Discard, LocalTS: local, RemoteTS: remote, Class: sad.Class{FlowLabels: []uint32{0xabcde}}},
		{ID: 14, Action: sad.Discard, LocalTS: local, RemoteTS: remote, Way: sad.Inward},
		{ID: 15, Action: sad.Discard, LocalTS: local, RemoteTS: with(remote, func(s *sad.Selector) { s.FirstPort, s.LastPort = 65535, 0 })},
		{ID: 1, Action: sad.Protect, LocalTS: local, RemoteTS: remote},
	}
	if err := a.SetPolicies(policies); err != nil {
		t.Fatal(err)
	}
	edit := func(ip []byte, f func([]byte)) []byte { f(ip); return ip }
	for _, row := range []struct {
		name string
		ip   []byte
		want uint32
	}{
		{"a port of its own", edit(udp4("10.1.0.5", "10.2.0.9", 10), func(b []byte) { b[23] = 53; b[22] = 0 }), 10},
		{"a ping", edit(udp4("10.1.0.5", "10.2.0.9", 10), func(b []byte) { b[9], b[20], b[21] = protoICMP, 8, 0 }), 11},
		{"an answer to a ping", edit(udp4("10.1.0.5", "10.2.0.9", 10), func(b []byte) { b[9], b[20], b[21] = protoICMP, 0, 0 }), 1},
		{"a class", edit(udp4("10.1.0.5", "10.2.0.9", 10), func(b []byte) { b[1] = 46 << 2 }), 12},
		{"a class of IPv6", edit(udp6("fd00:1::5", "fd00:2::9", 10), func(b []byte) { b[0], b[1] = 0x6b, 0x80 }), 12},
		{"a flow label", edit(udp6("fd00:1::5", "fd00:2::9", 10), func(b []byte) { b[1], b[2], b[3] = 0x0a, 0xbc, 0xde }), 13},
		{"ports that cannot be seen", edit(udp4("10.1.0.5", "10.2.0.9", 10), func(b []byte) { b[7] = 9 }), 15},
		{"anything else", udp4("10.1.0.5", "10.2.0.9", 10), 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			f, _, ok := parseInner(row.ip)
			if !ok {
				t.Fatal("not a packet")
			}
			if p, _ := a.tables.Load().lookUp(&f, true); p == nil || p.ID != row.want {
				t.Errorf("policy %+v, want %d", p, row.want)
			}
			// The cache says the same, twice.
			var c flowCache
			for range 2 {
				if p, _ := c.find(a.tables.Load(), &f, true); p == nil || p.ID != row.want {
					t.Errorf("the cache says %+v", p)
				}
			}
		})
	}
}

func FuzzOverIP(f *testing.F) {
	a, b := rawPair(f, sad.Outer{})
	f.Add(a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10)))
	f.Fuzz(func(t *testing.T, ip []byte) {
		if len(ip) > 2000 {
			return
		}
		b.overIPOne(ip)
	})
}
