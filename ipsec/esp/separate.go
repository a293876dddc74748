package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"encoding/binary"
	"errors"

	//lint:ignore SA1019 for peers that know nothing else, behind a switch (RFC 2451)
	"golang.org/x/crypto/blowfish"
	//lint:ignore SA1019 for peers that know nothing else, behind a switch (RFC 2451)
	"golang.org/x/crypto/cast5"

	"gatehouse/ipsec/crypto"
)

// separate encrypts, then computes an ICV over header, IV and ciphertext (RFC
// 4303 section 3.3.2.1).
type separate struct {
	enc confidentiality
	mac *mac
	esn bool
}

// confidentiality is the encryption of one SA, without integrity.
type confidentiality interface {
	ivLen() int
	block() int
	// encrypt makes the IV of a packet, writes it to iv and encrypts data in
	// place; decrypt undoes it.
	encrypt(iv, data []byte, seq uint64) error
	decrypt(iv, data []byte)
}

func (s *separate) ivLen() int  { return s.enc.ivLen() }
func (s *separate) block() int  { return s.enc.block() }
func (s *separate) icvLen() int { return s.mac.size }

func (s *separate) seal(packet []byte, end int, seq uint64) ([]byte, error) {
	start := headerLen + s.enc.ivLen()
	if err := s.enc.encrypt(packet[headerLen:start], packet[start:end], seq); err != nil {
		return nil, err
	}
	return append(packet[:end], s.icv(packet[:end], uint32(seq>>32))...), nil
}

func (s *separate) open(packet []byte, high uint32) ([]byte, error) {
	start, end := headerLen+s.enc.ivLen(), len(packet)-s.mac.size
	if end < start+s.enc.block() || (end-start)%s.enc.block() != 0 {
		return nil, errICV
	}
	if !s.mac.is(packet[end:], s.icv(packet[:end], high)) {
		return nil, errICV
	}
	s.enc.decrypt(packet[headerLen:start], packet[start:end])
	return packet[start:end], nil
}

func (s *separate) icv(packet []byte, high uint32) []byte {
	if s.esn {
		return s.mac.sum(packet, high)
	}
	return s.mac.sum(packet)
}

func newConfidentiality(s crypto.Suite, key []byte) (confidentiality, error) {
	if want, _ := crypto.ChildKeySizes(s); len(key) != want {
		return nil, errors.New("the encryption key has the wrong length")
	}
	var block cipher.Block
	var err error
	switch s.Encryption {
	case crypto.EncrNull:
		return null{}, nil
	case crypto.EncrAESCTR:
		return newCTR(key)
	case crypto.EncrAESCBC:
		block, err = aes.NewCipher(key)
	case crypto.Encr3DES:
		block, err = des.NewTripleDESCipher(key)
	case crypto.EncrDES:
		block, err = des.NewCipher(key)
	case crypto.EncrBlowfish:
		block, err = blowfish.NewCipher(key)
	case crypto.EncrCAST:
		block, err = cast5.NewCipher(key)
	default:
		return nil, notCarried(s)
	}
	if err != nil {
		return nil, err
	}
	return newCBC(block), nil
}

// null is no encryption (RFC 2410).
type null struct{}

func (null) ivLen() int                           { return 0 }
func (null) block() int                           { return 4 }
func (null) encrypt([]byte, []byte, uint64) error { return nil }
func (null) decrypt([]byte, []byte)               {}

// cbc is a block cipher in CBC mode: AES (RFC 3602) and those of RFC 2451.
type cbc struct {
	cipher cipher.Block
	// Modes are kept with SetIV where the library allows it, so that no
	// packet allocates one.
	enc, dec cipher.BlockMode
}

// ivSetter is what the standard library's CBC modes offer beside BlockMode.
type ivSetter interface{ SetIV([]byte) }

func newCBC(block cipher.Block) *cbc {
	iv := make([]byte, block.BlockSize())
	return &cbc{cipher: block, enc: cipher.NewCBCEncrypter(block, iv), dec: cipher.NewCBCDecrypter(block, iv)}
}

func (c *cbc) ivLen() int { return c.cipher.BlockSize() }
func (c *cbc) block() int { return c.cipher.BlockSize() }

func (c *cbc) encrypt(iv, data []byte, _ uint64) error {
	// An attacker must not foresee the IV (RFC 3602 section 3).
	if _, err := rand.Read(iv); err != nil {
		return err
	}
	mode := c.enc
	if s, ok := mode.(ivSetter); ok {
		s.SetIV(iv)
	} else {
		mode = cipher.NewCBCEncrypter(c.cipher, iv)
	}
	mode.CryptBlocks(data, data)
	return nil
}

func (c *cbc) decrypt(iv, data []byte) {
	mode := c.dec
	if s, ok := mode.(ivSetter); ok {
		s.SetIV(iv)
	} else {
		mode = cipher.NewCBCDecrypter(c.cipher, iv)
	}
	mode.CryptBlocks(data, data)
}

// ctr is AES in counter mode (RFC 3686): a nonce from the key material, the IV
// and a block counter from one. The IV is the sequence number, which never
// repeats under one key.
type ctr struct {
	cipher  cipher.Block
	counter [aes.BlockSize]byte
	key     [aes.BlockSize]byte // one block of key stream
}

const (
	ctrNonce = 4
	ctrIV    = 8
)

func newCTR(key []byte) (*ctr, error) {
	if len(key) < ctrNonce {
		return nil, errors.New("the key is too short")
	}
	block, err := aes.NewCipher(key[:len(key)-ctrNonce])
	if err != nil {
		return nil, err
	}
	c := &ctr{cipher: block}
	copy(c.counter[:], key[len(key)-ctrNonce:])
	return c, nil
}

func (*ctr) ivLen() int { return ctrIV }
func (*ctr) block() int { return 4 }

func (c *ctr) encrypt(iv, data []byte, seq uint64) error {
	binary.BigEndian.PutUint64(iv, seq)
	c.decrypt(iv, data)
	return nil
}

func (c *ctr) decrypt(iv, data []byte) {
	copy(c.counter[ctrNonce:], iv)
	crypto.AddKeyStream(c.cipher, &c.counter, &c.key, 1, data)
}
