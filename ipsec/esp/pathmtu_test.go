package esp

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"gatehouse/ipsec/sad"
)

// sumsToZero says whether a header's or a message's checksum is right.
func sumsToZero(b []byte, pseudo uint32) bool { return fold(pseudo+add16(b)) == 0xffff }

func TestFragmentsHoldTheWholePacket(t *testing.T) {
	for _, limit := range []int{68, 100, 576, 1280, 1399} {
		ip := udp4("10.1.0.5", "10.2.0.9", 1372)
		checksumIPv4(ip)
		var whole []byte
		pieces := fragments(ip, limit)
		for i, p := range pieces {
			field := binary.BigEndian.Uint16(p[6:])
			if len(p) > limit || !sumsToZero(p[:20], 0) || int(field&0x1fff)*8 != len(whole) || (field&0x2000 == 0) != (i == len(pieces)-1) {
				t.Fatalf("limit %d: piece %d has %d bytes and the field %04x", limit, i, len(p), field)
			}
			whole = append(whole, p[20:]...)
		}
		if !bytes.Equal(whole, ip[20:]) {
			t.Errorf("limit %d: %d bytes of %d", limit, len(whole), len(ip)-20)
		}
		// A piece that is cut again keeps its place.
		again := fragments(pieces[0], 60)
		if limit > 68 && binary.BigEndian.Uint16(again[len(again)-1][6:])&0x2000 == 0 {
			t.Errorf("limit %d: the last piece of the first says that nothing follows", limit)
		}
	}
	for _, mtu := range []int{1280, 1400} {
		ip := udp6("fd00::1", "fd00::2", 3000)
		var whole []byte
		for _, p := range fragments6(ip, mtu, 7) {
			field := binary.BigEndian.Uint16(p[42:])
			if len(p) > mtu || p[6] != extFragment || p[40] != protoUDP || int(field&^7) != len(whole) || binary.BigEndian.Uint32(p[44:]) != 7 {
				t.Fatalf("MTU %d: %d bytes, field %04x", mtu, len(p), field)
			}
			whole = append(whole, p[48:]...)
		}
		if !bytes.Equal(whole, ip[40:]) {
			t.Errorf("MTU %d: %d bytes of %d", mtu, len(whole), len(ip)-40)
		}
	}
}

func TestPacketTooBigTellsTheSender(t *testing.T) {
	four := udp4("10.1.0.5", "10.2.0.9", 1372)
	answer := packetTooBig(four, 1300)
	f, n, ok := parseInner(answer)
	if !ok || n != len(answer) || f.src.String() != "10.2.0.9" || f.dst.String() != "10.1.0.5" || f.srcPort != 3<<8|4 {
		t.Fatalf("%+v of %x", f, answer)
	}
	if binary.BigEndian.Uint16(answer[26:]) != 1300 || !sumsToZero(answer[:20], 0) || !sumsToZero(answer[20:], 0) || !bytes.Equal(answer[28:], four[:len(answer)-28]) {
		t.Errorf("%x", answer)
	}
	six := udp6("fd00::1", "fd00::2", 1400)
	answer = packetTooBig(six, 1290)
	f, _, ok = parseInner(answer)
	body := answer[40:]
	if !ok || f.src.String() != "fd00::2" || f.srcPort != 2<<8 || binary.BigEndian.Uint32(answer[44:]) != 1290 || len(answer) != 1280 ||
		!sumsToZero(body, protoICMPv6+uint32(len(body))+add16(answer[8:40])) {
		t.Errorf("%+v of %d bytes", f, len(answer))
	}
	later := udp4("10.1.0.5", "10.2.0.9", 100)
	binary.BigEndian.PutUint16(later[6:], 5)
	unreachable := udp4("10.1.0.5", "10.2.0.9", 100)
	unreachable[9], unreachable[20], unreachable[21] = protoICMP, 3, 1
	for name, ip := range map[string][]byte{
		"a later fragment": later, "an ICMP error": unreachable, "a packet to many": udp4("10.1.0.5", "224.0.0.9", 100), "nonsense": {0x45},
	} {
		if got := packetTooBig(ip, 600); got != nil {
			t.Errorf("%s is answered by %x", name, got)
		}
	}
}

func TestALearnedPathMTUAges(t *testing.T) {
	var m pathMTU
	now := time.Unix(1000, 0)
	if m.now(now.UnixNano()) != 0 {
		t.Error("known before anything was learned")
	}
	m.learn(1400, false, now)
	if got := m.now(now.Add(mtuAges - time.Second).UnixNano()); got != 1400 {
		t.Errorf("%d", got)
	}
	if got := m.now(now.Add(mtuAges + time.Second).UnixNano()); got != 0 {
		t.Errorf("%d after its time", got)
	}
	m.learn(68, false, now)
	if got := m.now(now.UnixNano()); got != leastMTU4 {
		t.Errorf("a lie of 68 bytes is believed as %d", got)
	}
	m.learn(68, true, now)
	if got := m.now(now.UnixNano()); got != leastMTU6 {
		t.Errorf("a lie of 68 bytes is believed as %d", got)
	}
}

// Whatever the packet, what is sent is not longer than the overhead says.
func TestTheOverheadIsNeverLessThanWhatIsAdded(t *testing.T) {
	for _, suite := range everySuite() {
		a, _, out, _ := pair(t, suite)
		for n := range 40 {
			ip := udp4("10.1.0.5", "10.2.0.9", n)
			// What is sent lacks the outer IP and UDP headers.
			if added := len(a.protectOne(ip)) + 28 - len(ip); added > out.overhead() {
				t.Errorf("%s: %d bytes more, said to be %d at most", suite, added, out.overhead())
			}
		}
	}
}

func TestPiecesOfALargePacketGoTheSameWay(t *testing.T) {
	a, b, out, _ := pair(t, "aes256gcm16")
	out.path.learn(600, false, time.Now())
	s := &sender{e: a}
	p := inBuffer(udp4("10.1.0.5", "10.2.0.9", 1372))
	now := time.Now().UnixNano()
	if got := s.protect(a.tables.Load(), &p, now); got != nil {
		t.Fatal("the large packet itself is sent")
	}
	if len(s.batch) != 3 {
		t.Fatalf("%d packets", len(s.batch))
	}
	for i := range s.batch {
		packet := s.batch[i].bytes()
		if len(packet)+28 > 600 {
			t.Errorf("packet %d has %d bytes", i, len(packet)+28)
		}
		if b.unprotectOne(packet) == nil { // later pieces have no ports; the selectors take any
			t.Errorf("piece %d was refused", i)
		}
	}
}

func TestEveryRefusalIsToldOnceASecond(t *testing.T) {
	a, b, _, in := pair(t, "aes256gcm16")
	var told []sad.Event
	b.cfg.Event = func(e sad.Event) {
		if e.Kind == sad.Refused {
			told = append(told, e)
		}
	}
	sealed := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))
	b.unprotectOne(sealed)
	for range 5 {
		b.unprotectOne(sealed) // a replay
	}
	broken := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))
	broken[len(broken)-1] ^= 1
	b.unprotectOne(broken)
	unknown := bytes.Clone(sealed)
	unknown[0] = 0x77
	b.unprotectOne(unknown)
	if len(told) != 3 || told[0].Refusal != sad.ReplayedPacket || told[1].Refusal != sad.BadICV || told[2].Refusal != sad.UnknownSPI {
		t.Fatalf("%+v", told)
	}
	if told[0].SA != in.ID() || told[2].SA.SPI != 0x7734abcd || told[2].Source != from.Addr() {
		t.Errorf("%+v", told)
	}
	// The clock of the tests stands still, so the four others wait.
	b.refuse(&in.refusals, sad.ReplayedPacket, in.ID(), 1, nil, 1+int64(refuseEvery))
	if got := told[len(told)-1]; len(told) != 4 || got.Count != 5 {
		t.Errorf("then %+v", got)
	}
	// The numbers are exact, also of what was not told yet.
	if all, known := b.Refused(); !known || all[sad.ReplayedPacket] != 6 || all[sad.BadICV] != 1 || all[sad.UnknownSPI] != 1 {
		t.Errorf("refused %v", all)
	}
	discard := b.tables.Load().policies[0].Policy
	discard.Action = sad.Discard
	if err := b.SetPolicies([]sad.Policy{discard}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.protectOne(udp4("10.2.0.9", "10.1.0.5", 10))
	}
	if all, _ := b.Refused(); b.RefusedBy(discard.ID) != 3 || all[sad.Discarded] != 3 {
		t.Errorf("the policy refused %d of %v", b.RefusedBy(discard.ID), all)
	}
}
