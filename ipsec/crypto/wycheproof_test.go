package crypto

import (
	"bytes"
	"errors"
	"testing"

	"gatehouse/ipsec/wycheproof"
)

// Wycheproof's vectors through the key exchanges of IKE. A public value that
// leads to the secret zero is "acceptable" there and must be refused here (RFC
// 8031 section 4), as must points that are not on the curve.
func TestWycheproofKeyExchanges(t *testing.T) {
	for _, row := range []struct {
		name  string
		group GroupID
		// payload is a KE payload's data for a public value.
		payload       func([]byte) []byte
		good, refused int // how many vectors there are
	}{
		{"x25519", GroupX25519, func(b []byte) []byte { return b }, 59, 28},
		// Compressed points do not exist in IKE (RFC 5903 section 7).
		{"ecdh_secp256r1_ecpoint", GroupECP256, func(b []byte) []byte { return bytes.TrimPrefix(b, []byte{4}) }, 191, 25},
	} {
		t.Run(row.name, func(t *testing.T) {
			good, refused := 0, 0
			for _, g := range wycheproof.Groups(t, row.name) {
				for _, v := range g.Tests {
					x, err := NewKeyExchange(row.group, bytes.NewReader(fixed(v.Private, 32)))
					if err != nil {
						t.Fatalf("%s: %v", v, err)
					}
					peer := row.payload(v.Public)
					got, err := x.Shared(peer)
					zero := row.group == GroupX25519 && bytes.Equal(v.Shared, make([]byte, 32))
					if v.Result == "invalid" || zero || len(peer) != row.group.PublicSize() {
						refused++
						if !errors.Is(err, ErrBadPublic) {
							t.Errorf("%s: got %x, %v", v, got, err)
						}
						continue
					}
					good++
					if err != nil || !bytes.Equal(got, v.Shared) {
						t.Errorf("%s: got %x, %v", v, got, err)
					}
				}
			}
			if good != row.good || refused != row.refused {
				t.Errorf("%d vectors gave a secret and %d were refused, not %d and %d", good, refused, row.good, row.refused)
			}
		})
	}
}

// fixed is a number at a length of its own: some have one zero too many, or less.
func fixed(number []byte, n int) []byte {
	if len(number) > n {
		return number[len(number)-n:]
	}
	return append(make([]byte, n-len(number)), number...)
}

// HKDF (RFC 5869) is PRF and prf+ of IKEv2 with other names: extract is
// prf(salt, secret), expand is prf+.
func TestWycheproofHKDFThroughThePRF(t *testing.T) {
	const p = PRFHMACSHA256
	count := 0
	for _, g := range wycheproof.Groups(t, "hkdf_sha256") {
		for _, v := range g.Tests {
			if !v.Valid() {
				continue // asks for more than 255 outputs, which no sum of key lengths does
			}
			count++
			same(t, v.String(), p.Plus(p.Sum(v.Salt, v.IKM), v.Info, v.Size), v.OKM)
		}
	}
	if count != 102 {
		t.Errorf("%d vectors", count)
	}
}

// What protects IKE messages opens every good vector with a nonce of its form,
// and no forged one. The padding, which is of IKE, is left out.
func TestWycheproofGCMThroughTheCipherOfIKE(t *testing.T) {
	good, refused := 0, 0
	for _, g := range wycheproof.Groups(t, "aes_gcm") {
		if g.IVSize != 8*(4+counterIV) || g.KeySize == 192 {
			continue
		}
		suite := Suite{Encryption: EncrAESGCM16, KeyBits: g.KeySize}
		for _, v := range g.Tests {
			c, err := NewCipher(suite, append(bytes.Clone(v.Key), v.IV[:4]...), nil)
			if err != nil {
				t.Fatal(err)
			}
			sealed := append(append(bytes.Clone(v.IV[4:]), v.CT...), v.Tag...)
			plain, err := c.decrypt(v.AAD, sealed)
			if !v.Valid() {
				refused++
				if err == nil {
					t.Errorf("%s: opened as %x", v, plain)
				}
				continue
			}
			good++
			if err != nil || !bytes.Equal(plain, v.Msg) {
				t.Errorf("%s: opened as %x, %v", v, plain, err)
			}
		}
	}
	if good != 43 || refused != 54 {
		t.Errorf("%d vectors opened and %d were refused", good, refused)
	}
}
