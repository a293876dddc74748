package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
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
	// iv counts, for ciphers whose IV must be unique and need not be random
	// (RFC 5282 section 3.1, RFC 5930 section 2.2).
	iv *atomic.Uint64

	// block is used in CBC, or in counter mode if there is a salt.
	block     cipher.Block
	integrity Integrity
	authKey   []byte
}

// counterIV is the length of an IV that counts.
const counterIV = 8

// NewCipher makes a cipher of the suite with the keys of IKEKeys. One value
// serves one direction, so that its IVs never repeat.
func NewCipher(s Suite, encKey, authKey []byte) (*Cipher, error) {
	enc, integ := ChildKeySizes(s)
	if !s.ForIKE() || len(encKey) != enc || len(authKey) != integ {
		return nil, fmt.Errorf("suite %s is not supported or its keys have the wrong length", s)
	}
	e, _ := s.encryption()
	c := &Cipher{authKey: authKey}
	c.integrity, _ = s.Integrity.Info()
	key := encKey[:enc-e.Salt]
	if e.Salt > 0 {
		c.salt, c.iv = encKey[enc-e.Salt:], new(atomic.Uint64)
	}
	var err error
	switch {
	case e.AEAD:
		c.aead, err = newAEAD(e, key)
	case e.ID == Encr3DES:
		c.block, err = des.NewTripleDESCipher(key)
	default:
		c.block, err = aes.NewCipher(key)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// shape gives the lengths of IV and ICV and what the plain text is padded to a
// multiple of.
func (c *Cipher) shape() (iv, icv, multiple int) {
	switch {
	case c.aead != nil:
		return counterIV, c.aead.Overhead(), 1
	case c.salt != nil:
		return counterIV, c.integrity.ICV, 1
	}
	return c.block.BlockSize(), c.integrity.ICV, c.block.BlockSize()
}

// SealedLen is the length of the sealed form of n plain bytes.
func (c *Cipher) SealedLen(n int) int {
	iv, icv, multiple := c.shape()
	return iv + (n+multiple)/multiple*multiple + icv
}

// Seal protects plain. ad is everything of the message before the sealed
// part.
func (c *Cipher) Seal(rand io.Reader, ad, plain []byte) ([]byte, error) {
	ivLen, icv, _ := c.shape()
	out := make([]byte, ivLen, c.SealedLen(len(plain)))
	if c.iv != nil {
		binary.BigEndian.PutUint64(out, c.iv.Add(1))
	} else if _, err := io.ReadFull(rand, out); err != nil {
		return nil, fmt.Errorf("random source: %w", err)
	}
	padded := make([]byte, cap(out)-ivLen-icv)
	copy(padded, plain)
	padded[len(padded)-1] = byte(len(padded) - len(plain) - 1)
	if c.aead != nil {
		return c.aead.Seal(out, c.nonce(out), padded, ad), nil
	}
	iv := out
	out = append(out, padded...)
	c.crypt(iv, out[ivLen:], true)
	return append(out, c.icv(ad, out)...), nil
}

// nonce is salt and IV.
func (c *Cipher) nonce(iv []byte) []byte {
	return append(append(make([]byte, 0, aes.BlockSize), c.salt...), iv...)
}

// crypt encrypts or decrypts in place.
func (c *Cipher) crypt(iv, text []byte, encrypt bool) {
	switch {
	case c.salt != nil:
		// RFC 3686 section 4: the counter begins at one.
		cipher.NewCTR(c.block, append(c.nonce(iv), 0, 0, 0, 1)).XORKeyStream(text, text)
	case encrypt:
		cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(text, text)
	default:
		cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(text, text)
	}
}

func (c *Cipher) icv(ad, ciphertext []byte) []byte {
	return c.integrity.sum(c.authKey, ad, ciphertext)
}

// sum is the ICV that an integrity transform of IKE gives the parts, joined.
func (i Integrity) sum(key []byte, parts ...[]byte) []byte {
	return impliedPRF(i.ID).Sum(key, parts...)[:i.ICV]
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
	iv, icv, multiple := c.shape()
	if len(sealed) < iv+icv || (len(sealed)-iv-icv)%multiple != 0 {
		return nil, ErrAuthentication
	}
	if c.aead != nil {
		return c.aead.Open(nil, c.nonce(sealed[:iv]), sealed[iv:], ad)
	}
	body, tag := sealed[:len(sealed)-icv], sealed[len(sealed)-icv:]
	if !hmac.Equal(tag, c.icv(ad, body)) {
		return nil, ErrAuthentication
	}
	plain := append([]byte(nil), body[iv:]...)
	c.crypt(body[:iv], plain, false)
	return plain, nil
}
