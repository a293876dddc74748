package crypto

import (
	"bytes"
	"testing"
)

// counting gives 00 01 02 and so on, as the RFCs' vectors do.
func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// RFC 3566 section 4.6.
func TestXCBCVectorsOfRFC3566(t *testing.T) {
	for _, row := range []struct {
		name    string
		message []byte
		want    string
	}{
		{"nothing", nil, "75f0251d528ac01c4573dfd584d79f29"},
		{"three bytes", counting(3), "5b376580ae2f19afe7219ceef172756f"},
		{"one whole block", counting(16), "d2a246fa349b68a79998a4394ff7a263"},
		{"a block and four bytes", counting(20), "47f51b4564966215b8985c63055ed308"},
		{"two whole blocks", counting(32), "f54f0ec8d2b9f3d36807734bd5283fd4"},
		{"two blocks and two bytes", counting(34), "becbb3bccdb518a30677d5481fb6b4d8"},
		{"a thousand zeros", make([]byte, 1000), "f0dafee895db30253761103b5d84528f"},
	} {
		t.Run(row.name, func(t *testing.T) {
			want := unhex(t, row.want)
			same(t, "the MAC", sum(newXCBC(counting(16)), row.message), want)
			m := newXCBC(counting(16))
			for _, b := range row.message {
				m.Write([]byte{b})
			}
			same(t, "the MAC of bytes one by one", m.Sum(nil), want)
			i, _ := IntegrityAESXCBC96.Info()
			same(t, "the ICV", i.sum(counting(16), row.message), want[:12])
		})
	}
}

// RFC 4434 section 4: keys of any length.
func TestXCBCPRFVectorsOfRFC4434(t *testing.T) {
	long := append(counting(16), 0xed, 0xcb)
	for want, key := range map[string][]byte{
		"47f51b4564966215b8985c63055ed308": counting(16),
		"0fa087af7d866e7653434e602fdde835": counting(10),
		"8cd3c93ae598a9803006ffb67c40e9e4": long,
	} {
		same(t, "the output", PRFAESXCBC.Sum(key, counting(20)), unhex(t, want))
	}
}

// RFC 4493 section 4.
func TestCMACVectorsOfRFC4493(t *testing.T) {
	key := unhex(t, "2b7e151628aed2a6abf7158809cf4f3c")
	message := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"+
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for n, want := range map[int]string{
		0:  "bb1d6929e95937287fa37d129b756746",
		16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827",
		64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		same(t, "the MAC", sum(newCMAC(key), message[:n]), unhex(t, want))
		i, _ := IntegrityAESCMAC96.Info()
		same(t, "the ICV", i.sum(key, message[:n]), unhex(t, want)[:12])
	}
}

// RFC 4615 section 4.
func TestCMACPRFVectorsOfRFC4615(t *testing.T) {
	long := append(counting(16), 0xed, 0xcb)
	for want, key := range map[string][]byte{
		"84a348a4a45d235babfffc0d2b4da09a": long,
		"980ae87b5f4c9c5214f5b6a8455e4c2d": counting(16),
		"290d9e112edb09ee141fcf64c0b72f3d": counting(10),
	} {
		same(t, "the output", PRFAESCMAC.Sum(key, counting(20)), unhex(t, want))
	}
}

// RFC 7296 section 2.14: SKEYSEED of the PRFs made of AES takes half of its
// key from each nonce; all of both still go into prf+.
func TestPRFsOfAESTakeHalfOfTheirKeyFromEachNonce(t *testing.T) {
	ni, nr := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 16)
	half := append(bytes.Repeat([]byte{1}, 8), bytes.Repeat([]byte{2}, 8)...)
	for _, p := range []PRFID{PRFAESXCBC, PRFAESCMAC} {
		same(t, "the key of SKEYSEED", p.seedKey(ni, nr), half)
	}
	same(t, "the key with HMAC", PRFHMACSHA256.seedKey(ni, nr), append(bytes.Clone(ni), nr...))
	s := ikeSuite(t, "aes128-aesxcbc-modp2048")
	k, err := DeriveIKE(s, []byte("shared"), ni, nr, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	seed := append(append(bytes.Clone(ni), nr...), 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2)
	want := cutter(PRFAESXCBC.Plus(PRFAESXCBC.Sum(half, []byte("shared")), seed, 3*16+2*16+2*16))
	same(t, "SK_d", k.D, want(16))
	same(t, "SK_ai", k.Ai, want(16))
}
