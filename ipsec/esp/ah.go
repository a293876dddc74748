package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"gatehouse/ipsec/crypto"
)

// ahFixed is an Authentication Header without its ICV: next header, length,
// reserved, SPI, sequence number (RFC 4302 section 2).
const ahFixed = 12

// gmacSalt is the implicit part of the nonce, at the end of the key material.
const gmacSalt = 4

// authenticator makes and checks Authentication Headers of one SA. It is not
// safe for concurrent use.
type authenticator struct {
	mac  *mac
	gmac cipher.AEAD // instead of mac
	esn  bool
	// whole is the packet as it is authenticated: with zeroes for what changes
	// on the way.
	whole []byte
	sum   [aeadIV + aeadICV]byte
	nonce [12]byte // salt and IV
}

func newAuthenticator(s crypto.Suite, key []byte, esn bool) (*authenticator, error) {
	i, known := s.Integrity.Info()
	if !known || !s.ForAH() {
		return nil, notCarried(s)
	}
	if len(key) != i.Key {
		return nil, errors.New("the integrity key has the wrong length")
	}
	a := &authenticator{esn: esn}
	if !i.AH {
		var err error
		a.mac, err = newMAC(s.Integrity, key)
		return a, err
	}
	copy(a.nonce[:], key[len(key)-gmacSalt:])
	block, err := aes.NewCipher(key[:len(key)-gmacSalt])
	if err != nil {
		return nil, err
	}
	a.gmac, err = cipher.NewGCM(block)
	return a, err
}

// icvLen is the length of the ICV field without padding, in bytes. That of
// GMAC begins with its IV (RFC 4543 section 4).
func (a *authenticator) icvLen() int {
	if a.mac == nil {
		return aeadIV + aeadICV
	}
	return a.mac.size
}

// size is the length of the whole header, which is padded to 4 bytes under
// IPv4 and to 8 under IPv6 (RFC 4302 section 2.6).
func (a *authenticator) size(v6 bool) int {
	align := 4
	if v6 {
		align = 8
	}
	return (ahFixed + a.icvLen() + align - 1) &^ (align - 1)
}

// seal writes a whole Authentication Header into an IP packet that has room for
// it at packet[at:]; everything else of the packet is as it will be sent.
func (a *authenticator) seal(packet []byte, at int, next uint8, spi uint32, seq uint64) error {
	size := a.size(packet[0]>>4 == 6)
	h := packet[at : at+size]
	clear(h)
	h[0], h[1] = next, byte(size/4-2)
	binary.BigEndian.PutUint32(h[4:], spi)
	binary.BigEndian.PutUint32(h[8:], uint32(seq))
	if a.mac == nil {
		binary.BigEndian.PutUint64(h[ahFixed:], seq) // the IV, which must never repeat
	}
	icv, err := a.icv(packet, at, uint32(seq>>32))
	if err != nil {
		return err
	}
	copy(h[ahFixed:], icv)
	return nil
}

// open checks the Authentication Header at packet[at:] and gives its length.
// high is the upper half of the sequence number.
func (a *authenticator) open(packet []byte, at int, high uint32) (int, error) {
	size := a.size(packet[0]>>4 == 6)
	if len(packet) < at+size || int(packet[at+1]) != size/4-2 {
		return 0, errICV
	}
	icv, err := a.icv(packet, at, high)
	if err != nil {
		return 0, err
	}
	if subtle.ConstantTimeCompare(icv, packet[at+ahFixed:at+ahFixed+a.icvLen()]) != 1 {
		return 0, errICV
	}
	return size, nil
}

// icv computes what the ICV field must be. It is good until the next call.
func (a *authenticator) icv(packet []byte, at int, high uint32) ([]byte, error) {
	a.whole = append(a.whole[:0], packet...)
	if err := immutable(a.whole[:at]); err != nil {
		return nil, err
	}
	// Padding behind the ICV is covered, whatever it is (section 3.3.3.2.1).
	field := a.whole[at+ahFixed : at+ahFixed+a.icvLen()]
	if a.mac != nil {
		clear(field)
		if a.esn {
			return a.mac.sum(a.whole, high), nil
		}
		return a.mac.sum(a.whole), nil
	}
	// The IV is covered as the nonce; the field itself is zero as always.
	iv := a.sum[:aeadIV]
	copy(iv, field)
	copy(a.nonce[gmacSalt:], iv)
	clear(field)
	if a.esn {
		a.whole = binary.BigEndian.AppendUint32(a.whole, high)
	}
	return a.gmac.Seal(iv, a.nonce[:], nil, a.whole), nil
}
