package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"

	"golang.org/x/crypto/chacha20poly1305"
)

// newAEAD fits an AEAD to its key without the salt.
func newAEAD(e Encryption, key []byte) (cipher.AEAD, error) {
	if e.ID == EncrChaCha20Poly1305 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if e.ID == EncrAESCCM16 {
		return manyCCM{block}, nil
	}
	aead, err := cipher.NewGCM(block)
	if e.tag != aead.Overhead() {
		return shortTag{aead, e.tag}, err
	}
	return aead, err
}

// manyCCM is CCM for several goroutines: each message has its own memory.
type manyCCM struct{ block cipher.Block }

func (m manyCCM) NonceSize() int { return ccmNonce }
func (m manyCCM) Overhead() int  { return ccmTag }

func (m manyCCM) Seal(dst, nonce, plain, ad []byte) []byte {
	return NewCCM(m.block).Seal(dst, nonce, plain, ad)
}

func (m manyCCM) Open(dst, nonce, sealed, ad []byte) ([]byte, error) {
	return NewCCM(m.block).Open(dst, nonce, sealed, ad)
}

// shortTag is GCM whose tag is cut (RFC 5282 section 3). The standard library
// opens only tags of 12 bytes and more, so the tag is made anew and compared:
// that GCM adds the same key stream both ways is what makes the first pass a
// decryption.
type shortTag struct {
	cipher.AEAD
	tag int
}

func (s shortTag) Overhead() int { return s.tag }

func (s shortTag) Seal(dst, nonce, plain, ad []byte) []byte {
	out := s.AEAD.Seal(dst, nonce, plain, ad)
	return out[:len(out)-s.AEAD.Overhead()+s.tag]
}

func (s shortTag) Open(dst, nonce, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < s.tag {
		return nil, ErrAuthentication
	}
	n := len(sealed) - s.tag
	plain := s.AEAD.Seal(nil, nonce, sealed[:n], nil)[:n]
	again := s.AEAD.Seal(nil, nonce, plain, ad)
	if subtle.ConstantTimeCompare(again[n:n+s.tag], sealed[n:]) != 1 {
		return nil, ErrAuthentication
	}
	return append(dst, plain...), nil
}
