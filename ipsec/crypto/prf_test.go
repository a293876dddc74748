package crypto

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"testing"
)

// The vectors of RFC 4868 sections 2.7.1 and 2.7.2.1. The integrity transform
// is the same function, cut to 16 bytes.
func TestHMACVectorsOfRFC4868(t *testing.T) {
	rows := []struct {
		name      string
		key, data []byte
		want      string
	}{
		{"PRF-1: a key of 20 bytes", bytes.Repeat([]byte{0x0b}, 20), []byte("Hi There"),
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"PRF-2: a key shorter than the hash", []byte("Jefe"), []byte("what do ya want for nothing?"),
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"PRF-3: data longer than a key", bytes.Repeat([]byte{0xaa}, 20), bytes.Repeat([]byte{0xdd}, 50),
			"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
		{"PRF-5: a key longer than a block", bytes.Repeat([]byte{0xaa}, 131),
			[]byte("Test Using Larger Than Block-Size Key - Hash Key First"),
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{"AUTH256-1: the key length of the integrity transform", bytes.Repeat([]byte{0x0b}, 32), []byte("Hi There"),
			"198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			same(t, "the output", PRFHMACSHA256.Sum(row.key, row.data), unhex(t, row.want))
			half := len(row.data) / 2
			same(t, "the output of two parts", PRFHMACSHA256.Sum(row.key, row.data[:half], nil, row.data[half:]), unhex(t, row.want))
			i, _ := IntegrityHMACSHA256128.Info()
			icv := (&Cipher{integrity: i, authKey: row.key}).icv(row.data, nil)
			same(t, "the integrity check value", icv, unhex(t, row.want)[:16])
		})
	}
}

// The same inputs for the other hashes: RFC 2202 section 3 and RFC 4868 section
// 2.7.1.
func TestHMACVectorsOfTheOtherHashes(t *testing.T) {
	key, data := bytes.Repeat([]byte{0x0b}, 20), []byte("Hi There")
	for _, row := range []struct {
		prf   PRFID
		integ IntegrityID
		want  string
	}{
		{PRFHMACSHA1, IntegrityHMACSHA196, "b617318655057264e28bc0b6fb378c8ef146be00"},
		{PRFHMACSHA384, IntegrityHMACSHA384192, "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c" +
			"faea9ea9076ede7f4af152e8b2fa9cb6"},
		{PRFHMACSHA512, IntegrityHMACSHA512256, "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde" +
			"daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
	} {
		want := unhex(t, row.want)
		same(t, row.prf.String(), row.prf.Sum(key, data), want)
		i, ok := row.integ.Info()
		if !ok || row.prf.Size() != len(want) || impliedPRF(row.integ) != row.prf {
			t.Errorf("%s: %d bytes", row.prf, row.prf.Size())
		}
		same(t, row.integ.String(), i.sum(key, data), want[:i.ICV])
	}
}

// prf+ with HMAC is HKDF-Expand (RFC 5869 section 2.3 took it from IKEv2), so
// its published vector and its other implementation both apply.
func TestPlusIsHKDFExpand(t *testing.T) {
	prk := unhex(t, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
	info := unhex(t, "f0f1f2f3f4f5f6f7f8f9")
	same(t, "the vector of RFC 5869 appendix A.1", PRFHMACSHA256.Plus(prk, info, 42), unhex(t,
		"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
	for _, n := range []int{0, 1, 31, 32, 33, 64, 224, 255 * 32} {
		want, err := hkdf.Expand(sha256.New, prk, string(info), n)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "prf+", PRFHMACSHA256.Plus(prk, info, n), want)
	}
}

func TestPlusEndsAfter255Blocks(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the counter of one byte wrapped around")
		}
	}()
	PRFHMACSHA256.Plus([]byte("key"), []byte("seed"), 255*32+1)
}
