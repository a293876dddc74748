package crypto

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"testing/iotest"

	"golang.org/x/crypto/chacha20poly1305"
)

var cipherSuites = []string{
	"aes256gcm16-x25519", "aes192gcm16-x25519", "aes128gcm16-x25519", "aes256gcm12-x25519", "aes128gcm8-x25519",
	"chacha20poly1305-x25519", "aes256ccm16-x25519", "aes128ccm16-x25519",
	"aes256-sha256-x25519", "aes192-sha384-x25519", "aes128-sha512-x25519", "aes128-aesxcbc-x25519", "aes128-aescmac-x25519",
	"aes256ctr-sha256-x25519", "aes128ctr-sha1-x25519", "3des-sha1-x25519",
}

// testCipher has keys that count up from 1, encryption first.
func testCipher(t testing.TB, suite string) (c *Cipher, encKey, authKey []byte) {
	t.Helper()
	s := ikeSuite(t, suite)
	enc, integ := ChildKeySizes(s)
	keys := make([]byte, enc+integ)
	for i := range keys {
		keys[i] = byte(i + 1)
	}
	c, err := NewCipher(s, keys[:enc], keys[enc:])
	if err != nil {
		t.Fatal(err)
	}
	return c, keys[:enc], keys[enc:]
}

func TestWhatIsSealedOpens(t *testing.T) {
	for _, suite := range cipherSuites {
		t.Run(suite, func(t *testing.T) {
			c, _, _ := testCipher(t, suite)
			ad := []byte("IKE header and generic header")
			for n := range 70 {
				plain := bytes.Repeat([]byte{byte(n)}, n)
				sealed, err := c.Seal(rand.Reader, ad, plain)
				if err != nil {
					t.Fatal(err)
				}
				if len(sealed) != c.SealedLen(n) {
					t.Fatalf("%d bytes sealed are %d, announced %d", n, len(sealed), c.SealedLen(n))
				}
				before := bytes.Clone(sealed)
				opened, err := c.Open(ad, sealed)
				if err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
				same(t, "what was opened", opened, plain)
				same(t, "the datagram afterwards", sealed, before)
			}
		})
	}
}

// The sealed form taken apart by hand: RFC 5282 section 3 for GCM.
func TestTheFormOfGCM(t *testing.T) {
	for _, suite := range []string{"aes256gcm16-x25519", "aes128gcm16-x25519"} {
		c, key, _ := testCipher(t, suite)
		secret, salt := key[:len(key)-4], key[len(key)-4:]
		block, err := aes.NewCipher(secret)
		if err != nil {
			t.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		for count := uint64(1); count < 4; count++ {
			sealed, err := c.Seal(nil, []byte("ad"), []byte("payloads"))
			if err != nil {
				t.Fatal(err)
			}
			iv := binary.BigEndian.AppendUint64(nil, count)
			same(t, "the IV", sealed[:8], iv)
			// The last plain byte is the pad length, 0.
			want := aead.Seal(nil, append(bytes.Clone(salt), iv...), []byte("payloads\x00"), []byte("ad"))
			same(t, "ciphertext and ICV", sealed[8:], want)
		}
	}
}

// RFC 5282 sections 3 and 4, RFC 7634: salt and IV are the nonce, whatever the
// AEAD; a shorter ICV is the front of the whole one.
func TestTheFormOfTheOtherAEADs(t *testing.T) {
	for suite, of := range map[string]func(key []byte) (cipher.AEAD, error){
		"chacha20poly1305-x25519": chacha20poly1305.New,
		"aes128gcm12-x25519":      gcmOf,
		"aes256gcm8-x25519":       gcmOf,
		"aes256ccm16-x25519": func(key []byte) (cipher.AEAD, error) {
			block, err := aes.NewCipher(key)
			return NewCCM(block), err
		},
	} {
		c, key, _ := testCipher(t, suite)
		salt := len(c.salt)
		aead, err := of(key[:len(key)-salt])
		if err != nil || salt+8 != aead.NonceSize() {
			t.Fatalf("%s: a salt of %d bytes, %v", suite, salt, err)
		}
		sealed, err := c.Seal(nil, []byte("ad"), []byte("payloads"))
		if err != nil {
			t.Fatal(err)
		}
		nonce := append(bytes.Clone(key[len(key)-salt:]), 0, 0, 0, 0, 0, 0, 0, 1)
		want := aead.Seal(nil, nonce, []byte("payloads\x00"), []byte("ad"))
		same(t, suite, sealed[8:], want[:9+c.aead.Overhead()])
	}
}

func gcmOf(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// RFC 5930 section 2: salt, IV and a counter from one are the counter block,
// and there is no padding but the pad length.
func TestTheFormOfCTR(t *testing.T) {
	c, key, authKey := testCipher(t, "aes256ctr-sha256-x25519")
	sealed, err := c.Seal(nil, []byte("ad"), []byte("payloads"))
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		t.Fatal(err)
	}
	want := []byte{0, 0, 0, 0, 0, 0, 0, 1}
	counter := append(append(bytes.Clone(key[32:]), want...), 0, 0, 0, 1)
	text := []byte("payloads\x00")
	cipher.NewCTR(block, counter).XORKeyStream(text, text)
	want = append(want, text...)
	same(t, "the sealed form", sealed, append(want, PRFHMACSHA256.Sum(authKey, []byte("ad"), want)[:16]...))
}

// RFC 7296 section 3.14: IV, ciphertext with padding and pad length, and an
// ICV over all from the header on.
func TestTheFormOfCBC(t *testing.T) {
	for _, suite := range []string{"aes256-sha256-x25519", "aes128-sha256-x25519"} {
		c, key, authKey := testCipher(t, suite)
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		iv := bytes.Repeat([]byte{0xa5}, 16)
		for plain, padded := range map[string]string{
			"":                 "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0f",
			"fifteen bytes..":  "fifteen bytes..\x00",
			"sixteen bytes...": "sixteen bytes...\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0f",
		} {
			sealed, err := c.Seal(bytes.NewReader(iv), []byte("ad"), []byte(plain))
			if err != nil {
				t.Fatal(err)
			}
			want := bytes.Clone(iv)
			text := make([]byte, len(padded))
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, []byte(padded))
			want = append(want, text...)
			want = append(want, PRFHMACSHA256.Sum(authKey, []byte("ad"), want)[:16]...)
			same(t, "the sealed form", sealed, want)
		}
	}
}

func TestNothingThatWasChangedOpens(t *testing.T) {
	for _, suite := range cipherSuites {
		t.Run(suite, func(t *testing.T) {
			c, _, _ := testCipher(t, suite)
			ad := []byte("header")
			sealed, err := c.Seal(rand.Reader, ad, []byte("payloads"))
			if err != nil {
				t.Fatal(err)
			}
			refuse := func(what string, ad, sealed []byte) {
				t.Helper()
				if plain, err := c.Open(ad, sealed); plain != nil || !errors.Is(err, ErrAuthentication) {
					t.Errorf("%s: got %x, %v", what, plain, err)
				}
			}
			for i := range sealed {
				bad := bytes.Clone(sealed)
				bad[i] ^= 0x80
				refuse("a changed byte", ad, bad)
				// free5gc/ike panicked on less than an ICV.
				refuse("a cut", ad, sealed[:i])
			}
			refuse("a byte more", ad, append(bytes.Clone(sealed), 0))
			refuse("another header", []byte("Header"), sealed)
			refuse("the border between header and IV moved", append(bytes.Clone(ad), sealed[0]), sealed[1:])
			refuse("nothing", nil, nil)
		})
	}
}

// A peer with the right keys may still send nonsense inside.
func TestPaddingThatCannotBe(t *testing.T) {
	gcm, key, _ := testCipher(t, "aes256gcm16-x25519")
	cbc, _, authKey := testCipher(t, "aes256-sha256-x25519")
	rows := []struct {
		name  string
		block []byte // 16 plain bytes, the last of them the pad length
		want  int    // bytes that are left; -1 for an error
	}{
		{"the pad length covers all but itself", append(make([]byte, 15), 15), 0},
		{"the pad length reaches beyond the start", append(make([]byte, 15), 16), -1},
		{"the pad length is the largest", append(make([]byte, 15), 255), -1},
		{"padding may hold anything", append(bytes.Repeat([]byte{0xee}, 15), 3), 12},
	}
	check := func(t *testing.T, c *Cipher, sealed []byte, want int) {
		t.Helper()
		plain, err := c.Open(nil, sealed)
		if want < 0 && !errors.Is(err, ErrAuthentication) || want >= 0 && (err != nil || len(plain) != want) {
			t.Errorf("got %x, %v", plain, err)
		}
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			iv := make([]byte, 8)
			check(t, gcm, gcm.aead.Seal(iv, append(bytes.Clone(key[32:]), iv...), row.block, nil), row.want)
			sealed := make([]byte, 32)
			cipher.NewCBCEncrypter(cbc.block, sealed[:16]).CryptBlocks(sealed[16:], row.block)
			check(t, cbc, append(sealed, PRFHMACSHA256.Sum(authKey, sealed)[:16]...), row.want)
		})
	}
	t.Run("not even a pad length", func(t *testing.T) {
		iv := make([]byte, 8)
		check(t, gcm, gcm.aead.Seal(iv, append(bytes.Clone(key[32:]), iv...), nil, nil), -1)
	})
}

func TestIVsNeverRepeat(t *testing.T) {
	for _, suite := range cipherSuites {
		c, _, _ := testCipher(t, suite)
		size, _, _ := c.shape()
		var mu sync.Mutex
		seen := map[string]bool{}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					sealed, err := c.Seal(rand.Reader, nil, nil)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					seen[string(sealed[:size])] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(seen) != 400 {
			t.Errorf("%s: %d IVs in 400 messages", suite, len(seen))
		}
	}
}

func TestCBCWithoutRandomnessSealsNothing(t *testing.T) {
	c, _, _ := testCipher(t, "aes256-sha256-x25519")
	dry := errors.New("the source is dry")
	if sealed, err := c.Seal(iotest.ErrReader(dry), nil, nil); sealed != nil || !errors.Is(err, dry) {
		t.Errorf("got %x, %v", sealed, err)
	}
}

func TestCiphersNeedTheirKeyLengths(t *testing.T) {
	rows := []struct {
		name       string
		suite      Suite
		enc, integ int
	}{
		{"GCM without its salt", Suite{Encryption: EncrAESGCM16, KeyBits: 256}, 32, 0},
		{"GCM with an integrity key", Suite{Encryption: EncrAESGCM16, KeyBits: 256}, 36, 32},
		{"GCM of 320 bits", Suite{Encryption: EncrAESGCM16, KeyBits: 320}, 44, 0},
		{"GCM beside an integrity transform", Suite{Encryption: EncrAESGCM16, KeyBits: 256, Integrity: IntegrityHMACSHA256128}, 36, 32},
		{"CBC without an integrity key", Suite{Encryption: EncrAESCBC, KeyBits: 256, Integrity: IntegrityHMACSHA256128}, 32, 0},
		{"CBC without integrity at all", Suite{Encryption: EncrAESCBC, KeyBits: 256}, 32, 0},
		{"CBC with the key of AES-128 for AES-256", Suite{Encryption: EncrAESCBC, KeyBits: 256, Integrity: IntegrityHMACSHA256128}, 16, 32},
		{"no encryption", Suite{Encryption: EncrNull, Integrity: IntegrityHMACSHA256128}, 0, 32},
		{"an encryption nobody knows", Suite{Encryption: 99, KeyBits: 256, Integrity: IntegrityHMACSHA256128}, 32, 32},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if _, err := NewCipher(row.suite, make([]byte, row.enc), make([]byte, row.integ)); err == nil {
				t.Error("made a cipher")
			}
		})
	}
}

// FuzzOpen looks for panics, for foreign bytes that open, and for errors that
// tell why.
func FuzzOpen(f *testing.F) {
	ciphers := make([]*Cipher, len(cipherSuites))
	for i, suite := range cipherSuites {
		ciphers[i], _, _ = testCipher(f, suite)
		sealed, err := ciphers[i].Seal(rand.Reader, []byte("ad"), []byte("payloads"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), []byte("ad"), sealed)
		f.Add(uint8(i), []byte("ad"), sealed[:15])
		f.Add(uint8(i), []byte{}, make([]byte, 48))
	}
	f.Fuzz(func(t *testing.T, which uint8, ad, sealed []byte) {
		plain, err := ciphers[int(which)%len(ciphers)].Open(ad, sealed)
		// The seeds are the only genuine bytes there are.
		if err == nil && (string(ad) != "ad" || string(plain) != "payloads") {
			t.Fatalf("%x opened as %x", sealed, plain)
		}
		if err != nil && !errors.Is(err, ErrAuthentication) {
			t.Fatalf("the error tells too much: %v", err)
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	for _, suite := range cipherSuites {
		b.Run(suite, func(b *testing.B) {
			c, _, _ := testCipher(b, suite)
			plain := make([]byte, 300)
			for b.Loop() {
				sealed, err := c.Seal(rand.Reader, nil, plain)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.Open(nil, sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
