package esp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"testing"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wycheproof"
)

// Wycheproof's vectors through the AEAD transforms, with the nonce in the form
// that packets give it: a salt from the key material, then the IV. Vectors whose
// additional data are as long as an ESP header, with or without extended sequence
// numbers, are opened as whole packets too.
func TestWycheproofAEADTransforms(t *testing.T) {
	for _, row := range []struct {
		name            string
		nonce           int // bits
		suites          map[int]string
		opened, refused int // how many vectors there are
		packets         int // of them as whole packets
	}{
		{"aes_gcm", 96, map[int]string{128: "aes128gcm16", 192: "aes192gcm16", 256: "aes256gcm16"}, 62, 81, 5},
		{"chacha20_poly1305", 96, map[int]string{256: "chacha20poly1305"}, 233, 60, 40},
		{"aes_ccm", 88, map[int]string{128: "aes128ccm16", 256: "aes256ccm16"}, 12, 0, 6},
	} {
		t.Run(row.name, func(t *testing.T) {
			opened, refused, packets := 0, 0, 0
			for _, g := range wycheproof.Groups(t, row.name) {
				suite, ours := row.suites[g.KeySize]
				if !ours || g.IVSize != row.nonce || g.TagSize != 8*aeadICV {
					continue
				}
				for _, v := range g.Tests {
					c := combinedFor(t, suite, v)
					sealed := append(bytes.Clone(v.CT), v.Tag...)
					got, err := c.aead.Open(nil, v.IV, sealed, v.AAD)
					if !v.Valid() {
						refused++
						if err == nil {
							t.Errorf("%s: opened as %x", v, got)
						}
						continue
					}
					opened++
					if err != nil || !bytes.Equal(got, v.Msg) {
						t.Errorf("%s: opened as %x, %v", v, got, err)
					}
					if got := c.aead.Seal(nil, v.IV, v.Msg, v.AAD); !bytes.Equal(got, sealed) {
						t.Errorf("%s: sealed as %x", v, got)
					}
					if n := len(v.AAD); n != headerLen && n != headerLen+4 {
						continue
					}
					packets++
					packet, high := packetOf(c, v)
					if got, err := c.open(packet, high); err != nil || !bytes.Equal(got, v.Msg) {
						t.Errorf("%s: the packet opened as %x, %v", v, got, err)
					}
				}
			}
			if opened != row.opened || refused != row.refused || packets != row.packets {
				t.Errorf("%d vectors opened, %d were refused, %d were packets", opened, refused, packets)
			}
		})
	}
}

// combinedFor makes the transform of a vector's key and salt.
func combinedFor(t *testing.T, suite string, v wycheproof.Test) *combined {
	t.Helper()
	s, err := crypto.ParseESPSuite(suite)
	if err != nil {
		t.Fatal(err)
	}
	salt := len(v.IV) - aeadIV
	tr, err := newTransform(s, append(bytes.Clone(v.Key), v.IV[:salt]...), nil, len(v.AAD) > headerLen)
	if err != nil {
		t.Fatalf("%s: %v", v, err)
	}
	return tr.(*combined)
}

// packetOf puts a vector together as an ESP packet, and gives the upper half of
// its sequence number.
func packetOf(c *combined, v wycheproof.Test) (packet []byte, high uint32) {
	packet = bytes.Clone(v.AAD)
	if c.esn {
		high = binary.BigEndian.Uint32(packet[4:])
		packet = append(packet[:4], packet[8:]...)
	}
	packet = append(packet, v.IV[c.salt:]...)
	packet = append(packet, v.CT...)
	return append(packet, v.Tag...), high
}

// There are no vectors of HMAC itself to be had, but those of HKDF (RFC 5869)
// begin with one: HMAC of the context and the byte 1, under a key exactly as long
// as an integrity key of that hash.
func TestWycheproofHKDFThroughTheMACs(t *testing.T) {
	for name, row := range map[string]struct {
		id    crypto.IntegrityID
		hash  func() hash.Hash
		count int
	}{
		"hkdf_sha1":   {crypto.IntegrityHMACSHA196, sha1.New, 103},
		"hkdf_sha256": {crypto.IntegrityHMACSHA256128, sha256.New, 102},
		"hkdf_sha384": {crypto.IntegrityHMACSHA384192, sha512.New384, 99},
		"hkdf_sha512": {crypto.IntegrityHMACSHA512256, sha512.New, 99},
	} {
		t.Run(name, func(t *testing.T) {
			count := 0
			for _, g := range wycheproof.Groups(t, name) {
				for _, v := range g.Tests {
					if !v.Valid() {
						continue // longer than HKDF gives
					}
					count++
					extract := hmac.New(row.hash, v.Salt)
					extract.Write(v.IKM)
					m, err := newMAC(row.id, extract.Sum(nil))
					if err != nil {
						t.Fatal(err)
					}
					got := m.sum(append(bytes.Clone(v.Info), 1))
					n := min(len(got), v.Size)
					if !m.is(got[:n], v.OKM[:n]) {
						t.Errorf("%s: %x, want %x", v, got[:n], v.OKM[:n])
					}
				}
			}
			if count != row.count {
				t.Errorf("%d vectors", count)
			}
		})
	}
}
