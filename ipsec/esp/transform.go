package esp

import (
	"errors"
	"fmt"

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
	// block is what ciphertext is padded to, in bytes; a power of two, at least
	// 4 (RFC 4303 section 2.4).
	block() int
	// icvLen follows the ciphertext, in bytes.
	icvLen() int
	// seal encrypts packet[headerLen+ivLen:end], and writes IV and ICV around
	// it; packet has room for the ICV behind end. It returns the whole. seq is
	// the whole sequence number, of which the packet has the lower half.
	seal(packet []byte, end int, seq uint64) ([]byte, error)
	// open checks and decrypts a whole packet and returns the plain part. high
	// is the upper half of its sequence number.
	open(packet []byte, high uint32) ([]byte, error)
}

// newTransform makes the transform of a suite. With esn the upper half of the
// sequence number is authenticated, though it is not sent (RFC 4303 section
// 2.2.1).
func newTransform(s crypto.Suite, encKey, authKey []byte, esn bool) (transform, error) {
	if s.Encryption.AEAD() {
		return newAEAD(s, encKey, esn)
	}
	enc, err := newConfidentiality(s, encKey)
	if err != nil {
		return nil, err
	}
	check, err := newMAC(s.Integrity, authKey)
	if err != nil {
		return nil, err
	}
	return &separate{enc: enc, mac: check, esn: esn}, nil
}

func notCarried(s crypto.Suite) error { return fmt.Errorf("the userspace data plane cannot do %s", s) }
