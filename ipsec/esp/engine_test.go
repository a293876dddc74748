package esp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// everySuite has each encryption and each integrity transform at least once.
func everySuite() (all []string) {
	for _, e := range crypto.Encryptions() {
		if e.AEAD {
			all = append(all, e.Name)
		} else {
			all = append(all, e.Name+"-sha256")
		}
	}
	for _, i := range crypto.Integrities() {
		if !i.AH {
			all = append(all, "aes128-"+i.Name, "null-"+i.Name)
		}
	}
	return all
}

// encrypts says whether a suite hides what it carries.
func encrypts(suite string) bool {
	return !strings.HasPrefix(suite, "null") && !strings.Contains(suite, "gmac")
}

// pair gives the two ends of one SA, without device or socket.
func pair(t testing.TB, suite string) (*Engine, *Engine, *outbound, *inbound) {
	t.Helper()
	return ends(t, suite, false)
}

// extended is pair with extended sequence numbers.
func extended(t testing.TB, suite string) (*Engine, *Engine, *outbound, *inbound) {
	t.Helper()
	return ends(t, suite, true)
}

func ends(t testing.TB, suite string, esn bool) (*Engine, *Engine, *outbound, *inbound) {
	t.Helper()
	s, err := crypto.ParseESPSuite(suite)
	if err != nil {
		t.Fatal(err)
	}
	enc, integ := crypto.ChildKeySizes(s)
	sa := sad.SA{
		SPI: 0x1234abcd, Protocol: sad.ESP, Policy: 1, Suite: s,
		Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"),
		Encap:         &sad.Encap{LocalPort: 4500, RemotePort: 4500},
		EncryptionKey: bytes.Repeat([]byte{7}, enc), IntegrityKey: bytes.Repeat([]byte{8}, integ),
		ReplayWindow: 64, ESN: esn,
		LocalTS:  []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix("10.1.0.0/24")), sad.SelectorFromPrefix(netip.MustParsePrefix("fd00:1::/64"))},
		RemoteTS: []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix("10.2.0.0/24")), sad.SelectorFromPrefix(netip.MustParsePrefix("fd00:2::/64"))},
	}
	return joined(t, sa)
}

// unplugged is an engine without device or socket.
func unplugged() *Engine {
	e := newEngine(Config{Cores: 6, Event: func(sad.Event) {}, Log: slog.Default()})
	e.port, e.raw = 4500, new(rawSockets) // neither is ever used here
	return e
}

// joined gives the two ends of an outbound SA that is described as its sender sees
// it.
func joined(t testing.TB, sa sad.SA) (*Engine, *Engine, *outbound, *inbound) {
	t.Helper()
	in := sa
	sa.Direction, in.Direction, sa.ReplayWindow = sad.Out, sad.In, 0
	in.Local, in.Remote = sa.Remote, sa.Local
	in.LocalTS, in.RemoteTS = sa.RemoteTS, sa.LocalTS
	install := func(sa sad.SA) *Engine {
		e := unplugged()
		if err := e.SetPolicies([]sad.Policy{{ID: sa.Policy, Action: sad.Protect, LocalTS: sa.LocalTS, RemoteTS: sa.RemoteTS}}); err != nil {
			t.Fatal(err)
		}
		if err := e.Install(sa); err != nil {
			t.Fatal(err)
		}
		return e
	}
	a, b := install(sa), install(in)
	return a, b, a.out[sa.ID()], b.tables.Load().inbound(sa.Protocol, sa.SPI)
}

// udp4 makes a UDP packet.
func udp4(src, dst string, payload int) []byte {
	b := make([]byte, 28+payload)
	b[0], b[8], b[9] = 0x45, 64, protoUDP
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], netip.MustParseAddr(src).AsSlice())
	copy(b[16:], netip.MustParseAddr(dst).AsSlice())
	binary.BigEndian.PutUint16(b[20:], 1111)
	binary.BigEndian.PutUint16(b[22:], 2222)
	for i := range payload {
		b[28+i] = byte(i)
	}
	return b
}

func udp6(src, dst string, payload int) []byte {
	b := make([]byte, 48+payload)
	b[0], b[6], b[7] = 0x60, protoUDP, 64
	binary.BigEndian.PutUint16(b[4:], uint16(8+payload))
	copy(b[8:], netip.MustParseAddr(src).AsSlice())
	copy(b[24:], netip.MustParseAddr(dst).AsSlice())
	return b
}

// protectOne gives what the engine sends for a packet, or nil.
func (e *Engine) protectOne(ip []byte) []byte {
	s := &sender{e: e}
	p := inBuffer(ip)
	if s.protect(e.tables.Load(), &p, 1) == nil {
		return nil
	}
	return p.bytes()
}

// protect does to a packet what the SPD says, and gives the outermost SA it goes
// by, or none if it must not leave whole.
func (s *sender) protect(t *tables, p *packet, now int64) *outbound {
	s.batch = s.batch[:0]
	s.plan(t, *p, now)
	if len(s.batch) != 1 {
		for i := range s.batch {
			s.seal(ownLane, i)
		}
		return nil
	}
	s.seal(ownLane, 0)
	d := &s.batch[0]
	if *p = d.packet; !d.sealed {
		return nil
	}
	return d.bundle[len(d.bundle)-1]
}

// opened opens one packet that came in UDP and says whether it may pass.
func (r *receiver) opened(t *tables, p *packet, from netip.AddrPort, now int64) bool {
	r.inUDP(t, arrival{packet: *p, from: from}, now)
	return r.one(t, p, now)
}

// one carries out what is in the batch.
func (r *receiver) one(t *tables, p *packet, now int64) (passed bool) {
	for i := range r.batch {
		r.decrypt(ownLane, i)
		passed = r.finish(t, &r.batch[i], now)
		*p = r.batch[i].packet
	}
	r.batch = r.batch[:0]
	return passed
}

func inBuffer(b []byte) packet {
	buf := make([]byte, bufferSize)
	return packetIn(buf, copy(buf[headroom:], b))
}

func packetIn(buf []byte, n int) packet { return packet{buf: buf, start: headroom, end: headroom + n} }

// received is what a receiver has in its buffer.
func received(r *receiver, b []byte) packet {
	return packet{buf: r.bufs[0], start: inboundRoom, end: inboundRoom + copy(r.into[0], b)}
}

// receivers are used again, because their buffers are large.
var receivers sync.Pool

// from is where the packets of pair come from.
var from = netip.MustParseAddrPort("192.0.2.1:4500")

// unprotectOne gives what comes out of a packet, or nil.
func (e *Engine) unprotectOne(b []byte) []byte { return e.unprotectFrom(from, b) }

func (e *Engine) unprotectFrom(from netip.AddrPort, b []byte) []byte {
	r, ok := receivers.Get().(*receiver)
	if !ok {
		r = e.newReceiver(1, laneUDP4)
	}
	defer receivers.Put(r)
	r.e = e
	p := received(r, b)
	if !r.opened(e.tables.Load(), &p, from, 1) {
		return nil
	}
	return bytes.Clone(p.bytes())
}

func TestRoundTrip(t *testing.T) {
	for i, suite := range append(everySuite(), everySuite()...) {
		a, b, _, _ := ends(t, suite, i < len(everySuite()))
		for n := range 70 {
			for _, plain := range [][]byte{udp4("10.1.0.5", "10.2.0.9", n), udp6("fd00:1::5", "fd00:2::9", n)} {
				sealed := a.protectOne(plain)
				if sealed == nil || encrypts(suite) && bytes.Contains(sealed, plain[12:20]) {
					t.Fatalf("%s: %d bytes were not protected", suite, n)
				}
				if got := b.unprotectOne(sealed); !bytes.Equal(got, plain) {
					t.Fatalf("%s: %d bytes came back as %x", suite, n, got)
				}
				if again := b.unprotectOne(sealed); again != nil {
					t.Fatalf("%s: a replay passed", suite)
				}
			}
		}
	}
}

func TestTruncatedAndChangedPacketsAreRefused(t *testing.T) {
	for _, suite := range everySuite() {
		a, b, _, in := pair(t, suite)
		sealed := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 100))
		for n := headerLen; n < len(sealed); n++ {
			if b.unprotectOne(sealed[:n]) != nil {
				t.Fatalf("%s: cut at %d passed", suite, n)
			}
		}
		for i := 4; i < len(sealed); i++ {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			if b.unprotectOne(changed) != nil {
				t.Fatalf("%s: changed at %d passed", suite, i)
			}
		}
		if u := in.read(); u.Invalid == 0 || u.Packets != 0 {
			t.Errorf("%s: counted as %+v", suite, u)
		}
		if b.unprotectOne(sealed) == nil {
			t.Errorf("%s: forged packets moved the replay window", suite)
		}
	}
}

func TestInnerAddressesMustBelongToTheSA(t *testing.T) {
	a, b, out, in := pair(t, "aes256gcm16")
	// The sender is the one who cheats: its SA allows everything.
	everything := []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix("0.0.0.0/0")), sad.SelectorFromPrefix(netip.MustParsePrefix("::/0"))}
	out.LocalTS, out.RemoteTS = everything, everything
	if err := a.SetPolicies([]sad.Policy{{ID: 1, Action: sad.Protect, LocalTS: everything, RemoteTS: everything}}); err != nil {
		t.Fatal(err)
	}
	for _, p := range [][2]string{{"10.9.0.5", "10.2.0.9"}, {"10.1.0.5", "10.3.0.9"}, {"10.2.0.9", "10.1.0.5"}} {
		sealed := a.protectOne(udp4(p[0], p[1], 10))
		if sealed == nil {
			t.Fatalf("%v was not sent", p)
		}
		if b.unprotectOne(sealed) != nil {
			t.Errorf("%v passed", p)
		}
	}
	if u := in.read(); u.Refused != 3 {
		t.Errorf("counted as %+v, want 3 refused", u)
	}
}

func TestNothingLeavesWithoutAnSA(t *testing.T) {
	a, _, out, _ := pair(t, "aes256gcm16")
	var events []sad.Event
	a.cfg.Event = func(e sad.Event) { events = append(events, e) }
	if a.protectOne(udp4("10.1.0.5", "10.7.0.9", 10)) != nil {
		t.Error("a packet without a policy left")
	}
	if err := a.Remove(out.ID()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10)) != nil {
			t.Error("a packet without an SA left")
		}
	}
	_ = events
	if c := a.Counters(); c.NoPolicy != 1 || c.NoSA != 5 {
		t.Errorf("counters %+v", c)
	}
}

func TestNewestOutboundSACarriesThenTheOneBefore(t *testing.T) {
	a, _, out, _ := pair(t, "aes256gcm16")
	next := out.SA
	next.SPI = 0x5555
	if err := a.Install(next); err != nil {
		t.Fatal(err)
	}
	spi := func() uint32 { return binary.BigEndian.Uint32(a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))) }
	if got := spi(); got != 0x5555 {
		t.Errorf("sent by %x", got)
	}
	if err := a.Remove(next.ID()); err != nil {
		t.Fatal(err)
	}
	if got := spi(); got != uint32(out.SPI) {
		t.Errorf("sent by %x after the newer one went", got)
	}
	if err := a.Install(out.SA); err == nil {
		t.Error("the same outbound SA was installed twice: nonces would repeat")
	}
	if err := a.SetPolicies(nil); err != nil {
		t.Fatal(err)
	}
	if _, ok := a.Usage(out.ID()); ok {
		t.Error("an SA outlived its policy")
	}
}

func TestSequenceNumbersNeverWrap(t *testing.T) {
	a, _, out, _ := pair(t, "aes256gcm16")
	var kinds []sad.EventKind
	a.cfg.Event = func(e sad.Event) { kinds = append(kinds, e.Kind) }
	out.seq.Store(maxSequence - 2)
	sent := 0
	for range 10 {
		if a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10)) != nil {
			sent++
		}
	}
	if sent != 2 || fmt.Sprint(kinds) != fmt.Sprint([]sad.EventKind{sad.Exhausted, sad.Overflowed}) {
		t.Errorf("%d packets left, events %v", sent, kinds)
	}
}

func TestWindow(t *testing.T) {
	for _, size := range []uint32{1, 32, 64, 100, 1024, 4096} {
		w := newWindow(size)
		seen := map[uint64]bool{}
		var top uint64
		check := func(seq uint64) {
			t.Helper()
			want := seq != 0 && !seen[seq] && (seq > top || top-seq < uint64(size))
			if got := w.fresh(seq); got != want {
				t.Fatalf("window %d, top %d: %d is fresh %v, want %v", size, top, seq, got, want)
			}
			if want {
				w.accept(seq)
				seen[seq] = true
				top = max(top, seq)
			}
		}
		x := uint32(12345)
		base := uint64(0)
		for range 20000 {
			x = x*1664525 + 1013904223
			base += uint64(x >> 28)
			back := uint64(x>>8) % (2 * uint64(size))
			if back > base {
				back = base
			}
			check(base - back)
			if x>>20&0x3ff == 0 {
				base += 3 * uint64(size)
			}
		}
		check(0)
		check(maxSequence)
		check(maxSequence - uint64(size))
		check(maxSequence - uint64(size) + 1)
		check(maxExtended)
		check(maxExtended - uint64(size) + 1)
		check(maxExtended - uint64(size))
	}
}

// Any number less than half the range away from the highest one seen is found
// by its lower half alone, on either side of where that half begins anew.
func TestExtendedSequenceNumbersAreFoundByTheirLowerHalf(t *testing.T) {
	const round = 1 << 32
	for _, row := range []struct {
		name     string
		top, seq uint64
		low      uint32
		notYet   bool
		size     uint32
	}{
		{name: "the first", top: 0, low: 1, seq: 1, size: 64},
		{name: "the next round", top: round - 2, low: 3, seq: round + 3, size: 64},
		{name: "the last of a round, late", top: round + 3, low: 1<<32 - 2, seq: round - 2, size: 64},
		{name: "in the middle", top: 5*round + 1<<20, low: 1<<20 - 63, seq: 5*round + 1<<20 - 63, size: 64},
		{name: "just below the window is the next round", top: 5*round + 1<<20, low: 1<<20 - 64, seq: 6*round + 1<<20 - 64, size: 64},
		{name: "before the first round there is nothing", top: 3, low: 1<<32 - 1, notYet: true, size: 64},
		{name: "a wide window over the boundary", top: 2*round + 5, low: 1<<32 - 4000, seq: 2*round - 4000, size: 4096},
		{name: "after the last round there is nothing", top: maxExtended, low: 5, notYet: true, size: 64},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWindow(row.size)
			w.top = row.top
			seq, ok := w.extend(row.low)
			if ok == row.notYet || ok && seq != row.seq {
				t.Errorf("%d, %v", seq, ok)
			}
		})
	}
}

// A sender that passes the end of the lower half is followed, with reordering
// and loss on the way, and every duplicate is refused.
func TestExtendedSequenceNumbersRollOver(t *testing.T) {
	for _, suite := range everySuite() {
		a, b, out, in := extended(t, suite)
		out.seq.Store(1<<32 - 40)
		in.window.top = 1<<32 - 41
		var sent [][]byte
		for range 80 {
			sent = append(sent, a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10)))
		}
		for i := range sent {
			j := i ^ 3 // swaps within fours
			if b.unprotectOne(sent[j]) == nil {
				t.Fatalf("%s: packet %d of 80 was refused", suite, j)
			}
		}
		for i, packet := range sent {
			if b.unprotectOne(packet) != nil {
				t.Fatalf("%s: packet %d came twice", suite, i)
			}
		}
		if in.window.top != 1<<32+40 {
			t.Errorf("%s: the window ends at %d", suite, in.window.top)
		}
	}
}

// The upper half is not sent, but it is authenticated.
func TestAPacketOfAnotherRoundIsRefused(t *testing.T) {
	for _, suite := range everySuite() {
		a, b, out, in := extended(t, suite)
		packet := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))
		in.window.top = 5<<32 + 100000
		if b.unprotectOne(packet) != nil {
			t.Errorf("%s: it passed five rounds later", suite)
		}
		out.seq.Store(5<<32 + 100000)
		if b.unprotectOne(a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))) == nil {
			t.Errorf("%s: the next one of this round was refused", suite)
		}
	}
}

func FuzzUnprotect(f *testing.F) {
	var engines []*Engine
	for _, suite := range everySuite() {
		a, b, _, _ := extended(f, suite)
		f.Add(a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10)))
		engines = append(engines, b)
	}
	f.Add([]byte{0x12, 0x34, 0xab, 0xcd, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) < headerLen {
			return
		}
		for _, b := range engines {
			b.unprotectOne(packet)
		}
	})
}

func FuzzInner(f *testing.F) {
	f.Add(udp4("10.1.0.5", "10.2.0.9", 10))
	f.Add(udp6("fd00:1::5", "fd00:2::9", 10))
	f.Fuzz(func(t *testing.T, packet []byte) {
		if _, n, ok := parseInner(packet); ok && (n > len(packet) || n < 20) {
			t.Fatalf("length %d of %d", n, len(packet))
		}
		if n, _, ok := strip(packet); ok && n > len(packet) {
			t.Fatalf("length %d of %d", n, len(packet))
		}
	})
}

func BenchmarkProtect(b *testing.B) {
	for _, suite := range everySuite() {
		b.Run(suite, func(b *testing.B) {
			a, _, _, _ := pair(b, suite)
			s := &sender{e: a}
			buf := make([]byte, bufferSize)
			t := a.tables.Load()
			packet := udp4("10.1.0.5", "10.2.0.9", 1372)
			b.SetBytes(int64(len(packet)))
			b.ReportAllocs()
			for b.Loop() {
				copy(buf[headroom:], packet)
				p := packetIn(buf, len(packet))
				if s.protect(t, &p, 1) == nil {
					b.Fatal("not sent")
				}
			}
		})
	}
}

func BenchmarkUnprotect(b *testing.B) {
	for _, suite := range everySuite() {
		b.Run(suite, func(b *testing.B) {
			a, e, _, in := pair(b, suite)
			sealed := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 1372))
			r := e.newReceiver(1, laneUDP4)
			t := e.tables.Load()
			b.SetBytes(1400)
			b.ReportAllocs()
			for b.Loop() {
				clear(in.window.bits)
				in.window.top = 0
				p := received(r, sealed)
				if !r.opened(t, &p, from, 1) {
					b.Fatal("refused")
				}
			}
		})
	}
}
