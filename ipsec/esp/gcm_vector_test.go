package esp

import (
	"bytes"
	"testing"

	"gatehouse/ipsec/crypto"
)

// Whole ESP packets of draft-mcgrew-gcm-test-01 section 4, which has the test
// cases for RFC 4106: the header as it is authenticated (12 bytes with extended
// sequence numbers), the key, the nonce, what is inside with its trailer, and
// what is sent.
func TestGCMPacketsOfTheTestCasesForRFC4106(t *testing.T) {
	for _, row := range []struct{ name, suite, key, nonce, header, plain, sealed, icv string }{
		{"128 bits, extended sequence number", "aes128gcm16", "4c80cdefbb5d10da906ac73c3613a634", "2e443b684956ed7e3b244cfe", "000043218765432100000000",
			"45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f756470037369700963796265726369747902646b000021000101020201",
			"fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732",
			"459018148f6cbe722fd04796562dfdb4"},
		{"128 bits", "aes128gcm16", "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "0000a5f80000000a",
			"4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001000000000000037369700963796265726369747902646b00000100010001",
			"deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd1",
			"83b70d3aa8bc6ee4c309e9d85a41ad4a"},
		{"256 bits", "aes256gcm16", "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "112233440102030405060708", "4a2cbfe300000002",
			"4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b40101040201020201",
			"ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99def842d8e",
			"b335f4eecfdbf831824b4c4915956c96"},
		{"192 bits", "aes192gcm16", "feffe9928665731c6d6a8f9467308308feffe9928665731c", "cafebabefacedbaddecaf888", "0000a5f80000000a",
			"45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
			"a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77",
			"95457b9652037f5318027b5b4cd7a636"},
		{"256 bits, extended sequence number", "aes256gcm16", "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "73616c74616e640169766563", "17405e67156f3126dd0db99b",
			"45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb71260250101f646d540001",
			"f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e",
			"451626c2415771e3b7eebca614c89b35"},
		{"nothing but padding and trailer", "aes128gcm16", "7d773d00c144c525ac619d18c84a3f47", "d966426743457e9182443bc6", "335467aeffffffff",
			"01020201", "437f866b", "cb3f699fe9b0822bac961c4504bef270"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := crypto.ParseESPSuite(row.suite)
			if err != nil {
				t.Fatal(err)
			}
			header, nonce := unhex(t, row.header), unhex(t, row.nonce)
			esn := len(header) == 12
			tr, err := newTransform(s, append(unhex(t, row.key), nonce[:4]...), nil, esn)
			if err != nil {
				t.Fatal(err)
			}
			var high uint32
			if esn {
				high = uint32(header[4])<<24 | uint32(header[5])<<16 | uint32(header[6])<<8 | uint32(header[7])
				header = append(header[:4:4], header[8:]...)
			}
			packet := append(header, nonce[4:]...)
			packet = append(packet, unhex(t, row.sealed)...)
			packet = append(packet, unhex(t, row.icv)...)
			if got, err := tr.open(bytes.Clone(packet), high); err != nil || !bytes.Equal(got, unhex(t, row.plain)) {
				t.Errorf("%x, %v", got, err)
			}
			// The IV of these packets is not the sequence number, which the engine would
			// make it, so the cipher is asked with what the engine gives it beside.
			c := tr.(*combined)
			if got := c.aead.Seal(nil, nonce, unhex(t, row.plain), c.header(packet, high)); !bytes.Equal(got, packet[headerLen+aeadIV:]) {
				t.Errorf("sealed as %x", got)
			}
			if _, err := tr.open(bytes.Clone(packet), high+1); (err == nil) == esn {
				t.Errorf("in the next round: %v", err)
			}
		})
	}
}
