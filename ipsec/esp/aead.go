package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"

	"gatehouse/ipsec/crypto"
)

const (
	aeadIV  = 8
	aeadICV = 16
)

// combined is a cipher that authenticates too: AES-GCM (RFC 4106), AES-CCM
// (RFC 4309) and ChaCha20-Poly1305 (RFC 7634). The IV is the sequence number:
// it must only never repeat under one key.
type combined struct {
	aead cipher.AEAD
	esn  bool
	salt int
	// Kept, because a slice of either must not be made anew for each packet.
	nonce [12]byte // salt and IV
	extra [12]byte // SPI and the whole sequence number, with esn
}

// newAEAD makes the transform of a suite whose encryption authenticates.
func newAEAD(s crypto.Suite, key []byte, esn bool) (transform, error) {
	want, _ := crypto.ChildKeySizes(s)
	if want == 0 || len(key) != want {
		return nil, errors.New("the key has the wrong length")
	}
	salt := 4
	if s.Encryption == crypto.EncrAESCCM16 {
		salt = 3
	}
	c := &combined{esn: esn, salt: salt}
	copy(c.nonce[:], key[want-salt:])
	key = key[:want-salt]
	if s.Encryption == crypto.EncrChaCha20Poly1305 {
		var err error
		c.aead, err = chacha20poly1305.New(key)
		return c, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	switch s.Encryption {
	case crypto.EncrAESCCM16:
		c.aead = crypto.NewCCM(block)
		return c, nil
	case crypto.EncrAESGCM16:
		c.aead, err = cipher.NewGCM(block)
		return c, err
	case crypto.EncrNullAESGMAC:
		g := &gmac{combined: *c}
		g.aead, err = cipher.NewGCM(block)
		return g, err
	}
	return nil, notCarried(s)
}

func (*combined) ivLen() int  { return aeadIV }
func (*combined) block() int  { return 4 }
func (*combined) icvLen() int { return aeadICV }

func (c *combined) seal(packet []byte, end int, seq uint64) ([]byte, error) {
	n := c.nonceOf(seq)
	copy(packet[headerLen:], n[c.salt:])
	start := headerLen + aeadIV
	c.aead.Seal(packet[start:start], n, packet[start:end], c.header(packet, uint32(seq>>32)))
	return packet[:end+aeadICV], nil
}

func (c *combined) open(packet []byte, high uint32) ([]byte, error) {
	start := headerLen + aeadIV
	if len(packet) < start+aeadICV {
		return nil, errICV
	}
	n := c.nonce[:c.salt+aeadIV]
	copy(n[c.salt:], packet[headerLen:start])
	plain, err := c.aead.Open(packet[start:start], n, packet[start:], c.header(packet, high))
	if err != nil {
		return nil, errICV
	}
	return plain, nil
}

// nonceOf is the salt and the IV that goes with a sequence number.
func (c *combined) nonceOf(seq uint64) []byte {
	binary.BigEndian.PutUint64(c.nonce[c.salt:], seq)
	return c.nonce[:c.salt+aeadIV]
}

// header is what is authenticated beside the ciphertext (RFC 4106 section 5).
func (c *combined) header(packet []byte, high uint32) []byte {
	if !c.esn {
		return packet[:headerLen]
	}
	copy(c.extra[:4], packet)
	binary.BigEndian.PutUint32(c.extra[4:], high)
	copy(c.extra[8:], packet[4:headerLen])
	return c.extra[:]
}

// gmac authenticates and does not encrypt (RFC 4543): everything, the IV too,
// is what GCM calls additional data.
type gmac struct {
	combined
	whole []byte // SPI, whole sequence number and the rest, with esn
}

func (g *gmac) seal(packet []byte, end int, seq uint64) ([]byte, error) {
	n := g.nonceOf(seq)
	copy(packet[headerLen:], n[g.salt:])
	g.aead.Seal(packet[end:end], n, nil, g.covered(packet[:end], uint32(seq>>32)))
	return packet[:end+aeadICV], nil
}

func (g *gmac) open(packet []byte, high uint32) ([]byte, error) {
	start, end := headerLen+aeadIV, len(packet)-aeadICV
	if end < start {
		return nil, errICV
	}
	n := g.nonce[:g.salt+aeadIV]
	copy(n[g.salt:], packet[headerLen:start])
	if _, err := g.aead.Open(nil, n, packet[end:], g.covered(packet[:end], high)); err != nil {
		return nil, errICV
	}
	return packet[start:end], nil
}

// covered is the packet without its ICV. The upper half of the sequence number
// belongs inside it, so with esn it takes a copy.
func (g *gmac) covered(packet []byte, high uint32) []byte {
	if !g.esn {
		return packet
	}
	g.whole = append(append(g.whole[:0], g.header(packet, high)...), packet[headerLen:]...)
	return g.whole
}
