package esp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"gatehouse/ipsec/crypto"
)

// ahPacket is an IP packet with room for an Authentication Header behind its
// header, and where that is.
func ahPacket(t testing.TB, a *authenticator, header []byte, payload int) (packet []byte, at int) {
	t.Helper()
	v6 := header[0]>>4 == 6
	packet = append(bytes.Clone(header), make([]byte, a.size(v6)+payload)...)
	for i := range payload {
		packet[len(packet)-payload+i] = byte(i)
	}
	if v6 {
		binary.BigEndian.PutUint16(packet[4:], uint16(len(packet)-ipv6Header))
	} else {
		binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	}
	return packet, len(header)
}

func newAH(t testing.TB, name string, esn bool) *authenticator {
	t.Helper()
	s, err := crypto.ParseAHSuite(name)
	if err != nil {
		t.Fatal(err)
	}
	_, n := crypto.ChildKeySizes(s)
	a, err := newAuthenticator(s, bytes.Repeat([]byte{7}, n), esn)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// headers in front of AH, each with what a router may change in it: the
// positions of whole bytes.
func ahHeaders() map[string]struct {
	header  []byte
	mutable []int
} {
	v4 := make([]byte, ipv4Header)
	v4[0], v4[1], v4[6], v4[8], v4[9] = 0x45, 0xb8, 0x40, 64, 51
	copy(v4[12:], []byte{192, 0, 2, 1, 192, 0, 2, 2})
	// Router alert, record route (one free slot), end of the list. The length of
	// an option that changes is zeroed with it.
	options := append(bytes.Clone(v4), 148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0)
	options[0] = 0x48
	v6 := make([]byte, ipv6Header)
	v6[0], v6[1], v6[2], v6[3], v6[6], v6[7] = 0x6b, 0x81, 0x23, 0x45, 51, 64
	v6[8], v6[23], v6[24], v6[39] = 0x20, 1, 0x20, 2
	// Hop-by-hop: an option that changes on the way (type 0x3e), then one that
	// does not (0x1e), then Pad1.
	hop := append(bytes.Clone(v6), 51, 1, 0x3e, 4, 1, 2, 3, 4, 0x1e, 3, 9, 9, 9, 0, 0, 0)
	hop[6] = extHopByHop
	return map[string]struct {
		header  []byte
		mutable []int
	}{
		"IPv4":                 {v4, []int{1, 6, 7, 8, 10, 11}},
		"IPv4 with options":    {options, []int{1, 6, 7, 8, 10, 11, 24, 25, 26, 27, 28, 29, 30}},
		"IPv6":                 {v6, []int{0, 1, 2, 3, 7}},
		"IPv6 with hop-by-hop": {hop, []int{0, 1, 2, 3, 7, 44, 45, 46, 47}},
	}
}

func TestAHCoversAllButWhatRoutersChange(t *testing.T) {
	for _, i := range crypto.Integrities() {
		for name, row := range ahHeaders() {
			for _, esn := range []bool{false, true} {
				a := newAH(t, i.Name, esn)
				packet, at := ahPacket(t, a, row.header, 33)
				const seq = 5<<32 + 9
				if err := a.seal(packet, at, 17, 0x1234abcd, seq); err != nil {
					t.Fatal(err)
				}
				if packet[at] != 17 || binary.BigEndian.Uint32(packet[at+4:]) != 0x1234abcd || binary.BigEndian.Uint32(packet[at+8:]) != 9 {
					t.Fatalf("%s, %s: header %x", i.Name, name, packet[at:at+ahFixed])
				}
				if n, err := a.open(packet, at, 5); err != nil || n != a.size(row.header[0]>>4 == 6) {
					t.Fatalf("%s, %s, esn %v: %d, %v", i.Name, name, esn, n, err)
				}
				if _, err := a.open(packet, at, 6); (err == nil) == esn {
					t.Errorf("%s, %s: in the next round: %v", i.Name, name, err)
				}
				mutable := map[int]bool{}
				for _, m := range row.mutable {
					mutable[m] = true
				}
				for j := range packet {
					changed := bytes.Clone(packet)
					changed[j] ^= 0x0f
					if j == 0 {
						changed[j] = packet[j] ^ 0x08 // the header length, or IPv6's traffic class
					}
					_, err := a.open(changed, at, 5)
					if mutable[j] != (err == nil) {
						t.Errorf("%s, %s: byte %d changed: %v", i.Name, name, j, err)
					}
				}
			}
		}
	}
}

// The ICV of RFC 4302 section 3.3.3 made in one shot, with HMAC-SHA2-256-128.
func TestAHPacketIsThatOfRFC4302(t *testing.T) {
	a := newAH(t, "sha256", false)
	row := ahHeaders()["IPv4"]
	packet, at := ahPacket(t, a, row.header, 5)
	if err := a.seal(packet, at, 6, 0x100, 1); err != nil {
		t.Fatal(err)
	}
	want := []byte{0x45, 0, 0, byte(len(packet)), 0, 0, 0, 0, 0, 51, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	want = append(want, 6, 5, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
	want = append(want, make([]byte, 16)...)
	want = append(want, 0, 1, 2, 3, 4)
	mac := hmac.New(sha256.New, bytes.Repeat([]byte{7}, 32))
	mac.Write(want)
	if got := packet[at+ahFixed : at+28]; !bytes.Equal(got, mac.Sum(nil)[:16]) || a.size(false) != 28 || a.size(true) != 32 {
		t.Errorf("ICV %x, header of %d and %d bytes", got, a.size(false), a.size(true))
	}
}

func TestHeadersThatCannotBeAuthenticatedAreRefused(t *testing.T) {
	good := ahHeaders()
	edit := func(name string, f func(h []byte) []byte) []byte { return f(bytes.Clone(good[name].header)) }
	for _, row := range []struct {
		name   string
		header []byte
	}{
		{"nothing", nil},
		{"version 5", edit("IPv4", func(h []byte) []byte { h[0] = 0x55; return h })},
		{"half an IPv4 header", edit("IPv4", func(h []byte) []byte { return h[:12] })},
		{"a header length that is not the header's", edit("IPv4", func(h []byte) []byte { h[0] = 0x46; return h })},
		{"an option without a length", edit("IPv4", func(h []byte) []byte { h[0] = 0x46; return append(h, 1, 1, 1, 7) })},
		{"an option beyond the header", edit("IPv4", func(h []byte) []byte { h[0] = 0x46; return append(h, 7, 9, 4, 0) })},
		{"an option of length 1", edit("IPv4", func(h []byte) []byte { h[0] = 0x46; return append(h, 7, 1, 4, 0) })},
		{"a loose source route", edit("IPv4", func(h []byte) []byte { h[0] = 0x47; return append(h, 131, 7, 4, 192, 0, 2, 9, 0) })},
		{"half an IPv6 header", edit("IPv6", func(h []byte) []byte { return h[:30] })},
		{"an extension beyond the header", edit("IPv6 with hop-by-hop", func(h []byte) []byte { h[41] = 9; return h })},
		{"an extension option beyond its header", edit("IPv6 with hop-by-hop", func(h []byte) []byte { h[43] = 99; return h })},
		{"a routing header with segments left", edit("IPv6 with hop-by-hop", func(h []byte) []byte { h[6], h[43] = extRouting, 1; return h })},
		{"a header that is no extension", edit("IPv6 with hop-by-hop", func(h []byte) []byte { h[6] = 99; return h })},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := immutable(row.header); err == nil {
				t.Errorf("%x", row.header)
			}
		})
	}
}

func FuzzImmutable(f *testing.F) {
	for _, row := range ahHeaders() {
		f.Add(row.header)
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		once := bytes.Clone(header)
		if immutable(once) != nil {
			return
		}
		twice := bytes.Clone(once)
		if err := immutable(twice); err != nil && header[0]>>4 == 6 || !bytes.Equal(once, twice) && err == nil {
			t.Fatalf("%x becomes %x, then %x: %v", header, once, twice, err)
		}
	})
}

func BenchmarkAH(b *testing.B) {
	for _, i := range crypto.Integrities() {
		b.Run(i.Name, func(b *testing.B) {
			a := newAH(b, i.Name, false)
			packet, at := ahPacket(b, a, ahHeaders()["IPv4"].header, 1400)
			b.SetBytes(1400)
			b.ReportAllocs()
			for b.Loop() {
				if err := a.seal(packet, at, 17, 256, 1); err != nil {
					b.Fatal(err)
				}
				if _, err := a.open(packet, at, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
