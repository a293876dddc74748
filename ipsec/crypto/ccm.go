package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// CCM is AES-CCM with a 16-byte tag and an 11-byte nonce (RFC 3610 with M=16
// and L=4, as RFC 4309 sections 2 and 4 choose). It keeps its working memory,
// so it is not safe for concurrent use.
type CCM struct {
	cipher cipher.Block
	// mac is the running CBC-MAC, ctr the counter block, key one block of key
	// stream, first what the tag is masked with.
	mac, ctr, key, first [aes.BlockSize]byte
}

const (
	ccmNonce = 11
	ccmTag   = 16
	ccmL     = 15 - ccmNonce // bytes of the length field and of the counter
	// maxCCM is the longest text in bytes; packets are far shorter.
	maxCCM = 1<<16 - 1
)

// NewCCM fits an AES block cipher to CCM.
func NewCCM(block cipher.Block) *CCM { return &CCM{cipher: block} }

// NonceSize is that of salt and IV.
func (*CCM) NonceSize() int { return ccmNonce }

// Overhead is the length of the tag.
func (*CCM) Overhead() int { return ccmTag }

// Seal encrypts plain in place where dst overlaps it whole, as cipher.AEAD
// asks.
func (c *CCM) Seal(dst, nonce, plain, extra []byte) []byte {
	if len(nonce) != ccmNonce || len(plain) > maxCCM || len(extra) >= 0xff00 {
		panic("ccm: wrong use")
	}
	whole := append(dst, plain...)
	out := whole[len(dst):]
	c.authenticate(nonce, plain, extra)
	c.crypt(nonce, out)
	subtle.XORBytes(c.mac[:], c.mac[:], c.first[:])
	return append(whole, c.mac[:]...)
}

// Open checks and decrypts. The plain text is wiped if the tag is wrong.
func (c *CCM) Open(dst, nonce, sealed, extra []byte) ([]byte, error) {
	if len(nonce) != ccmNonce || len(sealed) < ccmTag || len(sealed) > maxCCM+ccmTag || len(extra) >= 0xff00 {
		return nil, ErrAuthentication
	}
	end := len(sealed) - ccmTag
	whole := append(dst, sealed[:end]...)
	out := whole[len(dst):]
	c.crypt(nonce, out)
	c.authenticate(nonce, out, extra)
	subtle.XORBytes(c.mac[:], c.mac[:], c.first[:])
	if subtle.ConstantTimeCompare(c.mac[:], sealed[end:]) != 1 {
		clear(out)
		return nil, ErrAuthentication
	}
	return whole, nil
}

// authenticate leaves the CBC-MAC in mac (RFC 3610 section 2.2).
func (c *CCM) authenticate(nonce, plain, extra []byte) {
	c.mac = [aes.BlockSize]byte{}
	c.mac[0] = (ccmTag-2)/2<<3 | ccmL - 1
	if len(extra) > 0 {
		c.mac[0] |= 1 << 6
	}
	copy(c.mac[1:], nonce)
	binary.BigEndian.PutUint32(c.mac[1+ccmNonce:], uint32(len(plain)))
	c.cipher.Encrypt(c.mac[:], c.mac[:])
	if len(extra) > 0 {
		var length [2]byte
		binary.BigEndian.PutUint16(length[:], uint16(len(extra)))
		c.mac[0] ^= length[0]
		c.mac[1] ^= length[1]
		n := subtle.XORBytes(c.mac[2:], c.mac[2:], extra)
		c.cipher.Encrypt(c.mac[:], c.mac[:])
		c.absorb(extra[n:])
	}
	c.absorb(plain)
}

func (c *CCM) absorb(b []byte) {
	for len(b) > 0 {
		n := subtle.XORBytes(c.mac[:], c.mac[:], b)
		c.cipher.Encrypt(c.mac[:], c.mac[:])
		b = b[n:]
	}
}

// crypt adds the key stream to b and leaves block zero of it in first (RFC
// 3610 section 2.3).
func (c *CCM) crypt(nonce, b []byte) {
	c.ctr = [aes.BlockSize]byte{ccmL - 1}
	copy(c.ctr[1:], nonce)
	c.cipher.Encrypt(c.first[:], c.ctr[:])
	AddKeyStream(c.cipher, &c.ctr, &c.key, 1, b)
}

// AddKeyStream adds key stream to b: ctr's last four bytes count blocks from first.
func AddKeyStream(block cipher.Block, ctr, key *[aes.BlockSize]byte, first uint32, b []byte) {
	for n := first; len(b) > 0; n++ {
		binary.BigEndian.PutUint32(ctr[aes.BlockSize-4:], n)
		block.Encrypt(key[:], ctr[:])
		b = b[subtle.XORBytes(b, b, key[:]):]
	}
}
