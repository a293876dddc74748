package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"gatehouse/ipsec/crypto"
)

// headerLen is SPI and sequence number (RFC 4303 section 2).
const headerLen = 8

// errICV is every failure to open a packet.
var errICV = errors.New("integrity check failed")

// transform protects packets of one SA in place. It is not safe for concurrent
// use: each SA has one goroutine.
type transform interface {
	// ivLen is what lies between ESP header and ciphertext, in bytes.
	ivLen() int
	// block is what ciphertext is padded to, in bytes.
	block() int
	// icvLen follows the ciphertext, in bytes.
	icvLen() int
	// seal encrypts packet[headerLen+ivLen:end], and writes IV and ICV around
	// it; packet has room for the ICV behind end. It returns the whole.
	seal(packet []byte, end int, seq uint32) ([]byte, error)
	// open checks and decrypts a whole packet and returns the plain part.
	open(packet []byte) ([]byte, error)
}

func newTransform(s crypto.Suite, encKey, authKey []byte) (transform, error) {
	switch s.Encryption {
	case crypto.EncrAESGCM16:
		return newGCM(encKey)
	case crypto.EncrAESCBC:
		return newCBC(encKey, authKey)
	}
	return nil, fmt.Errorf("the userspace data plane cannot do %s", s)
}

// gcm is AES-GCM with a 16-byte ICV (RFC 4106). The IV is the sequence number:
// it must only never repeat under one key.
type gcm struct {
	aead  cipher.AEAD
	nonce [12]byte // salt and IV; the slice of it must not be made anew for each packet
}

const (
	gcmSalt = 4
	gcmIV   = 8
	gcmICV  = 16
)

func newGCM(key []byte) (*gcm, error) {
	if len(key) < gcmSalt {
		return nil, errors.New("the key is too short")
	}
	block, err := aes.NewCipher(key[:len(key)-gcmSalt])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	g := &gcm{aead: aead}
	copy(g.nonce[:], key[len(key)-gcmSalt:])
	return g, nil
}

func (*gcm) ivLen() int  { return gcmIV }
func (*gcm) block() int  { return 4 }
func (*gcm) icvLen() int { return gcmICV }

func (g *gcm) seal(packet []byte, end int, seq uint32) ([]byte, error) {
	binary.BigEndian.PutUint64(g.nonce[gcmSalt:], uint64(seq))
	copy(packet[headerLen:], g.nonce[gcmSalt:])
	start := headerLen + gcmIV
	g.aead.Seal(packet[start:start], g.nonce[:], packet[start:end], packet[:headerLen])
	return packet[:end+gcmICV], nil
}

func (g *gcm) open(packet []byte) ([]byte, error) {
	start := headerLen + gcmIV
	if len(packet) < start+gcmICV {
		return nil, errICV
	}
	copy(g.nonce[gcmSalt:], packet[headerLen:start])
	plain, err := g.aead.Open(packet[start:start], g.nonce[:], packet[start:], packet[:headerLen])
	if err != nil {
		return nil, errICV
	}
	return plain, nil
}

// cbc is AES-CBC (RFC 3602) with HMAC-SHA2-256-128 (RFC 4868).
type cbc struct {
	cipher cipher.Block
	// Modes are kept with SetIV where the library allows it, so that no
	// packet allocates one.
	enc, dec cipher.BlockMode
	mac      hash.Hash
	sum      [sha256.Size]byte
}

const cbcICV = 16

// ivSetter is what the standard library's CBC modes offer beside BlockMode.
type ivSetter interface{ SetIV([]byte) }

func newCBC(encKey, authKey []byte) (*cbc, error) {
	block, err := aes.NewCipher(encKey)
	if err != nil {
		return nil, err
	}
	iv := make([]byte, aes.BlockSize)
	return &cbc{
		cipher: block, mac: hmac.New(sha256.New, authKey),
		enc: cipher.NewCBCEncrypter(block, iv), dec: cipher.NewCBCDecrypter(block, iv),
	}, nil
}

func (*cbc) ivLen() int  { return aes.BlockSize }
func (*cbc) block() int  { return aes.BlockSize }
func (*cbc) icvLen() int { return cbcICV }

func (c *cbc) seal(packet []byte, end int, _ uint32) ([]byte, error) {
	start := headerLen + aes.BlockSize
	iv := packet[headerLen:start]
	// An attacker must not foresee the IV (RFC 3602 section 3).
	if _, err := rand.Read(iv); err != nil {
		return nil, err
	}
	mode := c.enc
	if s, ok := mode.(ivSetter); ok {
		s.SetIV(iv)
	} else {
		mode = cipher.NewCBCEncrypter(c.cipher, iv)
	}
	mode.CryptBlocks(packet[start:end], packet[start:end])
	return append(packet[:end], c.icv(packet[:end])...), nil
}

func (c *cbc) icv(data []byte) []byte {
	c.mac.Reset()
	c.mac.Write(data)
	return c.mac.Sum(c.sum[:0])[:cbcICV]
}

func (c *cbc) open(packet []byte) ([]byte, error) {
	start, end := headerLen+aes.BlockSize, len(packet)-cbcICV
	if end < start+aes.BlockSize || (end-start)%aes.BlockSize != 0 {
		return nil, errICV
	}
	if !hmac.Equal(packet[end:], c.icv(packet[:end])) {
		return nil, errICV
	}
	mode := c.dec
	if s, ok := mode.(ivSetter); ok {
		s.SetIV(packet[headerLen:start])
	} else {
		mode = cipher.NewCBCDecrypter(c.cipher, packet[headerLen:start])
	}
	mode.CryptBlocks(packet[start:end], packet[start:end])
	return packet[start:end], nil
}
