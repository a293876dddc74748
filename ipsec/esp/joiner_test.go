package esp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// tcpSegment makes a TCP segment with a timestamp option, of either family.
func tcpSegment(src, dst string, port uint16, seq uint32, flags byte, payload []byte) []byte {
	from, to := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	at := outerSize(from)
	b := make([]byte, at+32+len(payload))
	if from.Is6() {
		b[0], b[6], b[7] = 6<<4, protoTCP, 64
		copy(b[8:], from.AsSlice())
		copy(b[24:], to.AsSlice())
	} else {
		b[0], b[6], b[8], b[9] = 0x45, dontFragment>>8, 64, protoTCP
		copy(b[12:], from.AsSlice())
		copy(b[16:], to.AsSlice())
	}
	setLength(b)
	t := b[at:]
	binary.BigEndian.PutUint16(t, port)
	binary.BigEndian.PutUint16(t[2:], 443)
	binary.BigEndian.PutUint32(t[4:], seq)
	binary.BigEndian.PutUint32(t[8:], 77)
	t[12], t[13] = 8<<4, flags
	binary.BigEndian.PutUint16(t[14:], 500)
	copy(t[20:], []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2})
	copy(t[32:], payload)
	checksumUpper(b, at, protoTCP)
	return b
}

// datagram makes a UDP datagram with a checksum.
func datagram(src, dst string, port uint16, payload []byte) []byte {
	b := udp4(src, dst, len(payload))
	if netip.MustParseAddr(src).Is6() {
		b = udp6(src, dst, len(payload))
	}
	at := outerSize(netip.MustParseAddr(src))
	binary.BigEndian.PutUint16(b[at:], port)
	binary.BigEndian.PutUint16(b[at+4:], uint16(len(b)-at))
	copy(b[at+udpHeader:], payload)
	if !is6(b) {
		b[6] = dontFragment >> 8
		checksumIPv4(b)
	}
	b[at+6] = 1 // any, to be made right
	checksumUpper(b, at, protoUDP)
	return b
}

// through writes packets as the device's writer does, and takes what the kernel
// would get apart again. It gives each packet written as the packets in it.
func through(t *testing.T, udp bool, packets [][]byte) (written [][][]byte) {
	t.Helper()
	w := newJoiner(udp)
	for _, p := range packets {
		w.add(bytes.Clone(p))
	}
	for i := range w.out {
		o := &w.out[i]
		large := make([]byte, vnetLen)
		o.header().put(large)
		large = append(large, o.ip...)
		if o.count > 1 {
			for n := o.first; n >= 0; n = w.pieces[n].next {
				large = append(large, w.pieces[n].b...)
			}
		}
		var s segments
		if !s.begin(large) {
			t.Fatalf("not a packet: %x", large)
		}
		var parts [][]byte
		for buf := make([]byte, maxPacket); ; {
			n := s.next(buf)
			if n == 0 {
				break
			}
			parts = append(parts, bytes.Clone(buf[:n]))
		}
		written = append(written, parts)
	}
	return written
}

// shown is what came out, one word for each packet written.
func shown(written [][][]byte, packets [][]byte) (words []string) {
	for _, parts := range written {
		word := ""
		for _, p := range parts {
			i := slices.IndexFunc(packets, func(q []byte) bool { return bytes.Equal(p, q) })
			if i < 0 {
				word += fmt.Sprintf("[%x]", p)
				continue
			}
			word += string(rune('a' + i))
		}
		words = append(words, word)
	}
	return words
}

func TestWhatJoinsComesApartAsItWas(t *testing.T) {
	load := func(n int, c byte) []byte { return bytes.Repeat([]byte{c}, n) }
	for _, family := range [][2]string{{"10.1.0.5", "10.2.0.9"}, {"fd00:1::5", "fd00:2::9"}} {
		tcp := func(port uint16, seq uint32, flags byte, n int) []byte {
			return tcpSegment(family[0], family[1], port, seq, flags, load(n, byte(seq)))
		}
		udp := func(port uint16, n int) []byte { return datagram(family[0], family[1], port, load(n, byte(n))) }
		edit := func(p []byte, f func([]byte)) []byte {
			f(p)
			at := outerSize(netip.MustParseAddr(family[0]))
			checksumUpper(p, at, protoTCP)
			if !is6(p) {
				checksumIPv4(p)
			}
			return p
		}
		upper := outerSize(netip.MustParseAddr(family[0]))
		wrong := tcp(1, 101, tcpACK, 100)
		wrong[len(wrong)-1]++
		const ack = tcpACK
		for _, row := range []struct {
			name    string
			packets [][]byte
			want    []string
		}{
			{"consecutive segments", [][]byte{tcp(1, 1, ack, 100), tcp(1, 101, ack, 100), tcp(1, 201, ack, 50)}, []string{"abc"}},
			{"nothing behind a short one", [][]byte{tcp(1, 1, ack, 100), tcp(1, 101, ack, 50), tcp(1, 151, ack, 50)}, []string{"ab", "c"}},
			{"nothing behind a pushed one", [][]byte{tcp(1, 1, ack, 100), tcp(1, 101, ack|tcpPSH, 100), tcp(1, 201, ack, 100)}, []string{"ab", "c"}},
			{"a longer one begins anew", [][]byte{tcp(1, 1, ack, 100), tcp(1, 101, ack, 120), tcp(1, 221, ack, 120)}, []string{"a", "bc"}},
			{"a gap begins anew", [][]byte{tcp(1, 1, ack, 100), tcp(1, 301, ack, 100), tcp(1, 401, ack, 100)}, []string{"a", "bc"}},
			{"out of order stays so", [][]byte{tcp(1, 201, ack, 100), tcp(1, 1, ack, 100), tcp(1, 101, ack, 100)}, []string{"a", "bc"}},
			{"two flows, each joined", [][]byte{tcp(1, 1, ack, 100), tcp(2, 1, ack, 90), tcp(1, 101, ack, 100), tcp(2, 91, ack, 90)}, []string{"ac", "bd"}},
			{"a bare ACK stays in its place", [][]byte{tcp(1, 1, ack, 100), tcp(1, 101, ack, 0), tcp(1, 101, ack, 100)}, []string{"a", "b", "c"}},
			{"FIN stays alone", [][]byte{tcp(1, 1, ack, 100), tcp(1, 101, ack|tcpFIN, 100)}, []string{"a", "b"}},
			{"a wrong checksum stays wrong and alone", [][]byte{tcp(1, 1, ack, 100), wrong, tcp(1, 201, ack, 100)}, []string{"a", "b", "c"}},
			{"other options", [][]byte{tcp(1, 1, ack, 100), edit(tcp(1, 101, ack, 100), func(p []byte) { p[upper+27]++ })}, []string{"a", "b"}},
			{"another window", [][]byte{tcp(1, 1, ack, 100), edit(tcp(1, 101, ack, 100), func(p []byte) { p[upper+15]++ })}, []string{"a", "b"}},
			{"another acknowledgment", [][]byte{tcp(1, 1, ack, 100), edit(tcp(1, 101, ack, 100), func(p []byte) { p[upper+11]++ })}, []string{"a", "b"}},
			{"congestion seen by one", [][]byte{tcp(1, 1, ack, 100), edit(tcp(1, 101, ack, 100), func(p []byte) { setTrafficClass(p, ce) })}, []string{"a", "b"}},
			{"another hop limit", [][]byte{tcp(1, 1, ack, 100), edit(tcp(1, 101, ack, 100), func(p []byte) { p[map[bool]int{false: 8, true: 7}[is6(p)]]-- })}, []string{"a", "b"}},
			{"datagrams of one length", [][]byte{udp(1, 100), udp(1, 100), udp(1, 60), udp(1, 60)}, []string{"abc", "d"}},
			{"datagrams and segments", [][]byte{udp(1, 100), tcp(1, 1, ack, 100), udp(1, 100), tcp(1, 101, ack, 100)}, []string{"ac", "bd"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				for i, p := range row.packets {
					if !is6(p) && p[9] == protoTCP {
						binary.BigEndian.PutUint16(p[4:], uint16(40+i)) // numbers that go on
						checksumIPv4(p)
					}
				}
				got := through(t, true, row.packets)
				// Numbers of packets that may not be fragmented mean nothing.
				for _, parts := range got {
					for _, p := range parts {
						for _, q := range row.packets {
							if !is6(p) && len(p) == len(q) && bytes.Equal(p[20:], q[20:]) {
								copy(p[4:6], q[4:6])
								checksumIPv4(p)
							}
						}
					}
				}
				words := shown(got, row.packets)
				if !slices.Equal(words, canonical(row.want, row.packets)) {
					t.Errorf("written as %q, want %q", words, canonical(row.want, row.packets))
				}
			})
		}
	}
}

// canonical gives equal packets the name of the first.
func canonical(words []string, packets [][]byte) (out []string) {
	for _, w := range words {
		b := []byte(w)
		for i, c := range b {
			j := slices.IndexFunc(packets, func(q []byte) bool { return bytes.Equal(q, packets[c-'a']) })
			b[i] = byte('a' + j)
		}
		out = append(out, string(b))
	}
	return out
}

func TestDatagramsWithoutChecksumStayWithout(t *testing.T) {
	one := datagram("10.1.0.5", "10.2.0.9", 1, make([]byte, 100))
	one[26], one[27] = 0, 0
	for _, parts := range through(t, true, [][]byte{one, one}) {
		if len(parts) != 1 || !bytes.Equal(parts[0], one) {
			t.Errorf("written as %x", parts)
		}
	}
}

func TestOldKernelsGetDatagramsOneByOne(t *testing.T) {
	one := datagram("10.1.0.5", "10.2.0.9", 1, make([]byte, 100))
	if got := through(t, false, [][]byte{one, one}); len(got) != 2 {
		t.Errorf("%d written", len(got))
	}
}

func TestAFragmentEndsWhatIsJoined(t *testing.T) {
	a := datagram("10.1.0.5", "10.2.0.9", 1, make([]byte, 100))
	fragment := bytes.Clone(a)
	fragment[6], fragment[7] = 0, 5
	checksumIPv4(fragment)
	if got := through(t, true, [][]byte{a, fragment, a, a}); len(got) != 3 || len(got[2]) != 2 {
		t.Errorf("written as %d", len(got))
	}
}

func TestLargePacketsStayWithinTheirBounds(t *testing.T) {
	var packets [][]byte
	for i := range 120 {
		packets = append(packets, tcpSegment("10.1.0.5", "10.2.0.9", 1, uint32(i*1348), tcpACK, make([]byte, 1348)))
	}
	got := through(t, true, packets)
	total := 0
	for _, parts := range got {
		total += len(parts)
		if len(parts)*1348+52 > maxJoined {
			t.Errorf("%d segments in one", len(parts))
		}
	}
	if total != 120 || len(got) != 3 {
		t.Errorf("%d segments in %d packets", total, len(got))
	}
}

// FuzzSegments gives what a kernel never would.
func FuzzSegments(f *testing.F) {
	for _, p := range [][]byte{tcpSegment("10.1.0.5", "10.2.0.9", 1, 1, tcpACK, make([]byte, 300)), datagram("fd00:1::5", "fd00:2::9", 1, make([]byte, 300))} {
		for _, kind := range []uint8{vnetWhole, vnetTCP4, vnetTCP6, vnetUDP} {
			b := make([]byte, vnetLen)
			vnet{flags: vnetNeedsSum, kind: kind, each: 100, sumAt: uint16(outerSize(netip.MustParseAddr("10.1.0.5"))), sumField: 6}.put(b)
			f.Add(append(b, p...))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s segments
		if len(b) > vnetLen+maxPacket || !s.begin(b) {
			return
		}
		out, total := make([]byte, maxPacket), 0
		for {
			n := s.next(out)
			if n == 0 {
				break
			}
			if total += n - s.head; total > len(b) {
				t.Fatalf("%d bytes came out of %d", total, len(b))
			}
		}
	})
}

// FuzzJoiner joins any two packets.
func FuzzJoiner(f *testing.F) {
	a, b := tcpSegment("10.1.0.5", "10.2.0.9", 1, 1, tcpACK, make([]byte, 30)), tcpSegment("10.1.0.5", "10.2.0.9", 1, 31, tcpACK, make([]byte, 30))
	f.Add(a, b)
	f.Add(a, a)
	f.Add(datagram("fd00:1::5", "fd00:2::9", 1, make([]byte, 30)), datagram("fd00:1::5", "fd00:2::9", 1, make([]byte, 30)))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		w := newJoiner(true)
		size := 0
		for _, p := range [][]byte{a, b} {
			// Only what parseInner takes, at its own length, comes here.
			if _, n, ok := parseInner(p); ok {
				w.add(p[:n])
				size += n
			}
		}
		for i := range w.out {
			o := &w.out[i]
			o.header()
			size -= o.size
			if o.count == 2 {
				size -= o.head
			}
		}
		if size != 0 {
			t.Fatalf("%d bytes are left", size)
		}
	})
}
