package crypto

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"

	"github.com/cloudflare/circl/dh/x448"
)

// ErrBadPublic says that a peer's public value must not be used: wrong
// length, not in the group, or one that gives a predictable secret (RFC 6989,
// RFC 8031 section 4).
var ErrBadPublic = errors.New("the peer's key exchange value is not valid")

// KeyExchange is our half of one Diffie-Hellman exchange; use it once.
type KeyExchange interface {
	// Public is the KE payload's data.
	Public() []byte
	// Shared is g^ir at the group's full length.
	Shared(peer []byte) ([]byte, error)
}

// Known says whether this package has the group.
func (g GroupID) Known() bool { return g.PublicSize() > 0 }

// PublicSize is the length of a KE payload's data in bytes; 0 for a group
// that is not supported.
func (g GroupID) PublicSize() int {
	if c, ok := curves[g]; ok {
		return c.public
	}
	if m, ok := modpGroups[g]; ok {
		return m.bits / 8
	}
	if g == GroupX448 {
		return x448.Size
	}
	return 0
}

// NewKeyExchange makes a fresh secret.
func NewKeyExchange(g GroupID, rand io.Reader) (KeyExchange, error) {
	if c, ok := curves[g]; ok {
		return c.fresh(rand)
	}
	if m, ok := modpGroups[g]; ok {
		return newMODP(m, rand)
	}
	if g == GroupX448 {
		return newX448(rand)
	}
	return nil, fmt.Errorf("%s is not supported", g)
}

// curve is a group of the standard library's crypto/ecdh. Lengths are bytes.
type curve struct {
	ecdh           ecdh.Curve
	secret, public int
	// prefix is what crypto/ecdh wants in front of a public value and the wire
	// does not have: points of the NIST curves go as x and y without the 0x04, and
	// the secret is x alone (RFC 5903 section 7).
	prefix []byte
	// top masks the first byte of a random secret, whose order is not a whole
	// number of bytes.
	top byte
}

var uncompressed = []byte{4}

var curves = map[GroupID]curve{
	GroupX25519: {ecdh.X25519(), 32, 32, nil, 0xff},
	GroupECP256: {ecdh.P256(), 32, 64, uncompressed, 0xff},
	GroupECP384: {ecdh.P384(), 48, 96, uncompressed, 0xff},
	GroupECP521: {ecdh.P521(), 66, 132, uncompressed, 0x01},
}

func (c curve) fresh(rand io.Reader) (KeyExchange, error) {
	// A random string is a valid scalar with a probability of a half or more.
	for range 64 {
		seed := make([]byte, c.secret)
		if _, err := io.ReadFull(rand, seed); err != nil {
			return nil, fmt.Errorf("random source: %w", err)
		}
		seed[0] &= c.top
		if k, err := c.ecdh.NewPrivateKey(seed); err == nil {
			return onCurve{c, k}, nil
		}
	}
	return nil, errors.New("the random source gives no valid key")
}

type onCurve struct {
	curve
	secret *ecdh.PrivateKey
}

func (k onCurve) Public() []byte { return k.secret.PublicKey().Bytes()[len(k.prefix):] }

func (k onCurve) Shared(peer []byte) ([]byte, error) {
	if len(peer) != k.public {
		return nil, ErrBadPublic
	}
	// NewPublicKey checks that a point is on the curve and not infinity.
	pub, err := k.ecdh.NewPublicKey(append(append([]byte(nil), k.prefix...), peer...))
	if err != nil {
		return nil, ErrBadPublic
	}
	// ECDH refuses the all-zero result of X25519 itself (RFC 7748 section 6.1).
	out, err := k.secret.ECDH(pub)
	if err != nil {
		return nil, ErrBadPublic
	}
	return out, nil
}

type onX448 struct{ secret, public x448.Key }

func newX448(rand io.Reader) (KeyExchange, error) {
	var k onX448
	if _, err := io.ReadFull(rand, k.secret[:]); err != nil {
		return nil, fmt.Errorf("random source: %w", err)
	}
	x448.KeyGen(&k.public, &k.secret)
	return k, nil
}

func (k onX448) Public() []byte { return k.public[:] }

func (k onX448) Shared(peer []byte) ([]byte, error) {
	var theirs, out x448.Key
	if copy(theirs[:], peer) != x448.Size || len(peer) != x448.Size || !x448.Shared(&out, &k.secret, &theirs) {
		return nil, ErrBadPublic // of low order among others (RFC 8031 section 4)
	}
	return out[:], nil
}
