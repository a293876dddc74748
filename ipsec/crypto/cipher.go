package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// ErrAuthentication is every failure to open protected data: what exactly was
// wrong must not be told.
var ErrAuthentication = errors.New("integrity check failed")

// Cipher protects the inside of SK payloads in one direction (RFC 7296
// section 3.14, RFC 5282). The sealed form is IV, ciphertext, ICV; padding is
// inside.
type Cipher struct {
	aead cipher.AEAD
	salt []byte
	iv   *atomic.Uint64 // RFC 5282 section 3.1: unique, need not be random

	block   cipher.Block
	authKey []byte
}

const (
	gcmIV   = 8
	gcmICV  = 16
	hmacICV = 16 // HMAC-SHA2-256-128 (RFC 4868 section 2.1.1)
)

// NewCipher makes a cipher of the suite with the keys of IKEKeys. One value
// serves one direction, so that its IVs never repeat.
func NewCipher(s Suite, encKey, authKey []byte) (*Cipher, error) {
	enc, integ := ChildKeySizes(s)
	if !s.ForIKE() || len(encKey) != enc || len(authKey) != integ {
		return nil, fmt.Errorf("suite %s is not supported or its keys have the wrong length", s)
	}
	if !s.Encryption.AEAD() {
		block, err := aes.NewCipher(encKey)
		if err != nil {
			return nil, err
		}
		return &Cipher{block: block, authKey: authKey}, nil
	}
	block, err := aes.NewCipher(encKey[:enc-gcmSalt])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Cipher{aead: aead, salt: encKey[enc-gcmSalt:], iv: new(atomic.Uint64)}, nil
}

// SealedLen is the length of the sealed form of n plain bytes.
func (c *Cipher) SealedLen(n int) int {
	if c.aead != nil {
		return gcmIV + n + 1 + gcmICV
	}
	padded := (n + 1 + aes.BlockSize - 1) / aes.BlockSize * aes.BlockSize
	return aes.BlockSize + padded + hmacICV
}

// Seal protects plain. ad is everything of the message before the sealed
// part.
func (c *Cipher) Seal(rand io.Reader, ad, plain []byte) ([]byte, error) {
	out := make([]byte, 0, c.SealedLen(len(plain)))
	if c.aead != nil {
		out = binary.BigEndian.AppendUint64(out, c.iv.Add(1))
		nonce := append(append(make([]byte, 0, gcmSalt+gcmIV), c.salt...), out...)
		padded := append(append(make([]byte, 0, len(plain)+1), plain...), 0) // pad length 0
		return c.aead.Seal(out, nonce, padded, ad), nil
	}
	padded := make([]byte, c.SealedLen(len(plain))-aes.BlockSize-hmacICV)
	copy(padded, plain)
	padded[len(padded)-1] = byte(len(padded) - len(plain) - 1)
	iv := out[:aes.BlockSize]
	if _, err := io.ReadFull(rand, iv); err != nil {
		return nil, fmt.Errorf("random source: %w", err)
	}
	out = out[:aes.BlockSize+len(padded)]
	cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(out[aes.BlockSize:], padded)
	return append(out, c.icv(ad, out)...), nil
}

func (c *Cipher) icv(ad, ciphertext []byte) []byte {
	h := hmac.New(sha256.New, c.authKey)
	h.Write(ad)
	h.Write(ciphertext)
	return h.Sum(nil)[:hmacICV]
}

// Open checks and decrypts what Seal made and takes the padding off.
func (c *Cipher) Open(ad, sealed []byte) ([]byte, error) {
	plain, err := c.decrypt(ad, sealed)
	if err != nil || len(plain) == 0 {
		return nil, ErrAuthentication
	}
	pad := int(plain[len(plain)-1])
	if pad >= len(plain) {
		return nil, ErrAuthentication
	}
	return plain[:len(plain)-1-pad], nil
}

func (c *Cipher) decrypt(ad, sealed []byte) ([]byte, error) {
	if c.aead != nil {
		if len(sealed) < gcmIV+gcmICV {
			return nil, ErrAuthentication
		}
		nonce := append(append(make([]byte, 0, gcmSalt+gcmIV), c.salt...), sealed[:gcmIV]...)
		return c.aead.Open(nil, nonce, sealed[gcmIV:], ad)
	}
	if len(sealed) < 2*aes.BlockSize+hmacICV || (len(sealed)-hmacICV)%aes.BlockSize != 0 {
		return nil, ErrAuthentication
	}
	body, icv := sealed[:len(sealed)-hmacICV], sealed[len(sealed)-hmacICV:]
	if !hmac.Equal(icv, c.icv(ad, body)) {
		return nil, ErrAuthentication
	}
	plain := make([]byte, len(body)-aes.BlockSize)
	cipher.NewCBCDecrypter(c.block, body[:aes.BlockSize]).CryptBlocks(plain, body[aes.BlockSize:])
	return plain, nil
}
