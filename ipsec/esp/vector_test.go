package esp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"gatehouse/ipsec/crypto"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The whole packet of RFC 4106 is put together here from the standard
// library's one-shot calls, byte by byte as sections 3 to 5 say, and must be
// what the engine sends.
func TestGCMPacketIsThatOfRFC4106(t *testing.T) {
	a, b, out, _ := pair(t, "aes256gcm16")
	out.seq.Store(41)
	inner := udp4("10.1.0.5", "10.2.0.9", 13) // 41 bytes, 1 byte of padding
	got := a.protectOne(inner)

	header := unhex(t, "1234abcd"+"0000002a")
	iv := unhex(t, "000000000000002a")
	plain := append(bytes.Clone(inner), 1, 1, nextIPv4)
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := append(bytes.Repeat([]byte{7}, 4), iv...)
	want := append(append(bytes.Clone(header), iv...), aead.Seal(nil, nonce, plain, header)...)
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
	if !bytes.Equal(b.unprotectOne(want), inner) {
		t.Error("it does not open again")
	}
}

// A tunnel mode packet by RFC 3602 section 3 with the
// ICV of RFC 4868 behind it, made here in one shot.
func TestCBCPacketIsThatOfRFC3602AndRFC4868(t *testing.T) {
	_, b, _, _ := pair(t, "aes128-sha256")
	inner := udp4("10.1.0.5", "10.2.0.9", 20) // 48 bytes, 14 bytes of padding
	plain := bytes.Clone(inner)
	for i := range 14 {
		plain = append(plain, byte(i+1))
	}
	plain = append(plain, 14, nextIPv4)
	iv := unhex(t, "e96e8c08ab465763fd098d45dd3ff893")
	packet := binary.BigEndian.AppendUint32(nil, 0x1234abcd)
	packet = append(binary.BigEndian.AppendUint32(packet, 8), iv...)
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, 16))
	if err != nil {
		t.Fatal(err)
	}
	sealed := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, plain)
	packet = append(packet, sealed...)
	mac := hmac.New(sha256.New, bytes.Repeat([]byte{8}, 32))
	mac.Write(packet)
	packet = append(packet, mac.Sum(nil)[:16]...)
	if got := b.unprotectOne(packet); !bytes.Equal(got, inner) {
		t.Errorf("got  %x\nwant %x", got, inner)
	}
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
			s, err := crypto.ParseESPSuite("aes256gcm16")
			if err != nil {
				t.Fatal(err)
			}
			enc, _ := crypto.ChildKeySizes(s)
			tr, err := newTransform(s, bytes.Repeat([]byte{7}, enc), nil, false)
			if err != nil {
				t.Fatal(err)
			}
			packet := make([]byte, headerLen+aeadIV, bufferSize)
			binary.BigEndian.PutUint32(packet, 0x1234abcd)
			binary.BigEndian.PutUint32(packet[4:], 1)
			packet = append(packet, row.plain...)
			packet, err = tr.seal(packet[:len(packet)+aeadICV], len(packet), 1)
			if err != nil {
				t.Fatal(err)
			}
			if got := b.unprotectOne(packet); (got != nil) != row.pass {
				t.Errorf("gave %x", got)
			}
		})
	}
}
