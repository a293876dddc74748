package esp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"testing"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// pingTail is how the data of a ping of Linux end.
const pingTail = "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"

// RFC 3602 section 4, cases 5 to 8: whole packets of pings, in transport and in
// tunnel mode. They have no ICV, which this engine never leaves out (RFC 8221
// section 4), so one of RFC 4868 is put behind them, and the header says so.
func TestPacketsOfRFC3602(t *testing.T) {
	for _, row := range []struct {
		name                    string
		mode                    sad.Mode
		spi                     sad.SPI
		seq                     uint64
		key, iv, inner, outside string
	}{
		{"case 5, transport mode", sad.Transport, 0x4321, 1, "90d382b410eeba7ad938c46cec1a82bf", "e96e8c08ab465763fd098d45dd3ff893",
			"4500005408f200004001f9fec0a87b03c0a87b64" + "08000ebda70a00008e9c083db95b0700" + pingTail,
			"4500007c08f200004032f9a5c0a87b03c0a87b64" + "0000432100000001" + "e96e8c08ab465763fd098d45dd3ff893" +
				"f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6"},
		{"case 6, transport mode, a short one", sad.Transport, 0x4321, 8, "90d382b410eeba7ad938c46cec1a82bf", "69d08df7d203329db093fc4924e5bd80",
			"4500003008fe00004001fa16c0a87b03c0a87b64" + "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777",
			"4500004c08fe00004032f9c9c0a87b03c0a87b64" + "0000432100000008" + "69d08df7d203329db093fc4924e5bd80" +
				"f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75"},
		{"case 7, tunnel mode", sad.Tunnel, 0x8765, 2, "0123456789abcdef0123456789abcdef", "f4e765244f6407adf13dc1380f673f37",
			"45000054090400004001f988c0a87b03c0a87bc8" + "08009f76a90a0100b49c083d02a20400" + pingTail,
			"4500008c090500004032f91ec0a87b03c0a87bc8" + "0000876500000002" + "f4e765244f6407adf13dc1380f673f37" +
				"773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d"},
		{"case 8, tunnel mode, a short one", sad.Tunnel, 0x8765, 5, "0123456789abcdef0123456789abcdef", "85d47224b5f3dd5d2101d4ea8dffab22",
			"45000044090c00004001f990c0a87b03c0a87bc8" + "0800d63caa0a0200c69c083da3de0300ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
			"4500007c090d00004032f926c0a87b03c0a87bc8" + "0000876500000005" + "85d47224b5f3dd5d2101d4ea8dffab22" +
				"15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892"},
	} {
		t.Run(row.name, func(t *testing.T) {
			inner, outside := unhex(t, row.inner), unhex(t, row.outside)
			if !sumsToZero(outside[:20], 0) || int(binary.BigEndian.Uint16(outside[2:])) != len(outside) {
				t.Fatal("the packet is not that of the RFC")
			}
			integrity := bytes.Repeat([]byte{0x0b}, 32)
			mac := hmac.New(sha256.New, integrity)
			mac.Write(outside[20:])
			packet := append(outside, mac.Sum(nil)[:16]...)
			binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
			// Sixteen bytes more in the length are sixteen less in its checksum.
			binary.BigEndian.PutUint16(packet[10:], binary.BigEndian.Uint16(packet[10:])-16)
			known{seq: row.seq, iv: unhex(t, row.iv), inner: inner, packet: packet, sa: sad.SA{
				SPI: row.spi, Protocol: sad.ESP, Mode: row.mode, Suite: planetest.Suite(t, sad.ESP, "aes128-sha256"),
				EncryptionKey: unhex(t, row.key), IntegrityKey: integrity, LocalTS: everything(), RemoteTS: everything(),
				Local: netip.AddrFrom4([4]byte(packet[12:16])), Remote: netip.AddrFrom4([4]byte(packet[16:20])),
			}}.sealsAndOpens(t)
		})
	}
}

// withIV is a transform whose IV is not the sequence number.
type withIV struct {
	transform
	iv uint64
}

func (w withIV) seal(packet []byte, end int, _ uint64) ([]byte, error) {
	return w.transform.seal(packet, end, w.iv)
}

// RFC 7634 appendix A: a ping in tunnel mode, with an IV of its own. The RFC shows
// what lies behind the outer IP header.
func TestPacketOfRFC7634(t *testing.T) {
	inner := unhex(t, "45000054a6f200004001e778c6336405c0000205"+"08005b7a3a080000553bec1000073627"+pingTail)
	packet := unhex(t, "0102030400000005"+"1011121314151617"+
		"24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0"+
		"76aaa8266b7fb0f7b11b369907e1ad43")
	key := unhex(t, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"+"a0a1a2a3")
	a, b, out, in := joined(t, sad.SA{
		SPI: 0x01020304, Protocol: sad.ESP, Policy: 1, Suite: planetest.Suite(t, sad.ESP, "chacha20poly1305"), EncryptionKey: key,
		Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"), Encap: &sad.Encap{LocalPort: 4500, RemotePort: 4500},
		ReplayWindow: 64, Sent: 4, LocalTS: everything(), RemoteTS: everything(),
	})
	out.transform = withIV{out.transform, 0x1011121314151617}
	if got := a.protectOne(inner); !bytes.Equal(got, packet) {
		t.Errorf("sent\n%x, not\n%x", got, packet)
	}
	if got := b.unprotectOne(packet); !bytes.Equal(got, inner) {
		t.Errorf("received\n%x, not\n%x", got, inner)
	}
	if in.window.top != 5 {
		t.Errorf("the window ends at %d", in.window.top)
	}
}

// draft-mcgrew-gcm-test-01 has the test case for RFC 4543, which has none: a ping
// with its trailer in the clear. The IV is zero, which the engine itself never sends.
func TestPacketOfTheTestCaseForRFC4543(t *testing.T) {
	tr, err := newTransform(planetest.Suite(t, sad.ESP, "aes128gmac"), unhex(t, "4c80cdefbb5d10da906ac73c3613a634"+"22433c64"), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	plain := unhex(t, "45000030da3a00008001df3bc0a80005c0a80001"+"0800c6cd020007006162636465666768696a6b6c6d6e6f7071727374"+"01020201")
	body := append(unhex(t, "0000432100000007"+"0000000000000000"), plain...)
	packet := append(bytes.Clone(body), unhex(t, "f2a9a836e155106aa8dcd618e4099aaa")...)
	room := append(bytes.Clone(body), make([]byte, aeadICV)...)
	if got, err := tr.seal(room, len(body), 0); err != nil || !bytes.Equal(got, packet) {
		t.Errorf("sealed as %x, %v", got, err)
	}
	if got, err := tr.open(bytes.Clone(packet), 0); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened as %x, %v", got, err)
	}
	packet[20] ^= 1
	if _, err := tr.open(packet, 0); err == nil {
		t.Error("it opened with a changed byte")
	}
}
