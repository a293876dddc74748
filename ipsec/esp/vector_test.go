package esp

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 3602 section 4, cases 1 and 2: the cipher and its chaining as this
// package keeps them, with the IV set anew for each packet.
func TestCBCVectorsOfRFC3602(t *testing.T) {
	for _, row := range []struct{ name, key, iv, plain, sealed string }{
		{"case 1, one block", "06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41",
			hex.EncodeToString([]byte("Single block msg")), "e353779c1079aeb82708942dbe77181a"},
		{"case 2, two blocks", "c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58",
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			"d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := crypto.ParseESPSuite("aes128-sha256")
			if err != nil {
				t.Fatal(err)
			}
			c, err := newTransform(s, unhex(t, row.key), make([]byte, 32), false)
			if err != nil {
				t.Fatal(err)
			}
			packet := append(make([]byte, headerLen), unhex(t, row.iv)...)
			packet = append(packet, unhex(t, row.sealed)...)
			packet = append(packet, c.(*separate).icv(packet, 0)...)
			for range 2 {
				got, err := c.open(bytes.Clone(packet), 0)
				if err != nil || !bytes.Equal(got, unhex(t, row.plain)) {
					t.Errorf("%x, %v", got, err)
				}
			}
		})
	}
}

func TestIVsOfCBCNeverFollowAPattern(t *testing.T) {
	a, _, _, _ := pair(t, "aes256-sha256")
	seen := map[string]bool{}
	for range 200 {
		iv := string(a.protectOne(udp4("10.1.0.5", "10.2.0.9", 20))[headerLen : headerLen+aes.BlockSize])
		if seen[iv] {
			t.Fatalf("the IV %x came twice", iv)
		}
		seen[iv] = true
	}
}

// A packet whose ICV is right can still hold anything: the peer is known, not
// trusted with our memory.
func TestHostileInsidesOfGenuinePackets(t *testing.T) {
	good := udp4("10.1.0.5", "10.2.0.9", 14)
	edit := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	for _, row := range []struct {
		name  string
		plain []byte // with trailer
		pass  bool
	}{
		{"a good packet", append(bytes.Clone(good), 0, nextIPv4), true},
		{"traffic flow padding behind the packet", append(bytes.Clone(good), 9, 9, 0, nextIPv4), true},
		{"the next header says IPv6", append(bytes.Clone(good), 0, nextIPv6), false},
		{"a dummy packet", append(bytes.Clone(good), 0, 59), false},
		{"more padding than packet", append(bytes.Clone(good), 255, nextIPv4), false},
		{"padding that does not count up", append(bytes.Clone(good), 1, 3, 2, nextIPv4), false},
		{"nothing but a trailer", []byte{1, 2, 2, nextIPv4}, false},
		{"a length beyond the packet", append(edit(func(b []byte) []byte { b[3]++; return b }), 0, nextIPv4), false},
		{"a length below the header", append(edit(func(b []byte) []byte { b[3] = 19; return b }), 0, nextIPv4), false},
		{"a header of 16 bytes", append(edit(func(b []byte) []byte { b[0] = 0x44; return b }), 0, nextIPv4), false},
		{"a header beyond the packet", append(edit(func(b []byte) []byte { b[0], b[3] = 0x4f, 42; return b }), 0, nextIPv4), false},
		{"version 5", append(edit(func(b []byte) []byte { b[0] = 0x55; return b }), 0, nextIPv4), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, b, _, _ := pair(t, "aes256gcm16")
			packet := sealedWhole(t, row.plain, 1)
			if got := b.unprotectOne(packet); (got != nil) != row.pass {
				t.Errorf("gave %x", got)
			}
		})
	}
}

// sealedWhole is a genuine packet for the receiving end of pair by aes256gcm16,
// with anything inside, a trailer included.
func sealedWhole(t testing.TB, plain []byte, seq uint64) []byte {
	t.Helper()
	s := planetest.Suite(t, sad.ESP, "aes256gcm16")
	enc, _ := crypto.ChildKeySizes(s)
	tr, err := newTransform(s, bytes.Repeat([]byte{7}, enc), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	packet := binary.BigEndian.AppendUint32(nil, 0x1234abcd)
	packet = append(binary.BigEndian.AppendUint32(packet, uint32(seq)), make([]byte, aeadIV)...)
	packet = append(packet, plain...)
	end := len(packet)
	packet, err = tr.seal(append(packet, make([]byte, aeadICV)...), end, seq)
	if err != nil {
		t.Fatal(err)
	}
	return packet
}
