package crypto

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
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

// PublicSize is the length of a KE payload's data in bytes; 0 for a group
// that is not supported.
func (g GroupID) PublicSize() int {
	switch g {
	case GroupX25519:
		return 32
	case GroupECP256:
		return 64
	case GroupMODP2048:
		return modp2048Size
	}
	return 0
}

// NewKeyExchange makes a fresh secret.
func NewKeyExchange(g GroupID, rand io.Reader) (KeyExchange, error) {
	switch g {
	case GroupX25519:
		return newX25519(rand)
	case GroupECP256:
		return newECP256(rand)
	case GroupMODP2048:
		return newMODP(rand)
	}
	return nil, fmt.Errorf("%s is not supported", g)
}

type x25519 struct{ secret *ecdh.PrivateKey }

func newX25519(rand io.Reader) (KeyExchange, error) {
	var seed [32]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("random source: %w", err)
	}
	k, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		return nil, err
	}
	return x25519{k}, nil
}

func (k x25519) Public() []byte { return k.secret.PublicKey().Bytes() }

func (k x25519) Shared(peer []byte) ([]byte, error) {
	pub, err := ecdh.X25519().NewPublicKey(peer)
	if err != nil {
		return nil, ErrBadPublic
	}
	// ECDH refuses the all-zero result itself (RFC 7748 section 6.1).
	out, err := k.secret.ECDH(pub)
	if err != nil {
		return nil, ErrBadPublic
	}
	return out, nil
}

// ecp256 is group 19: on the wire x and y without the 0x04 in front, and the
// secret is x alone (RFC 5903 section 7).
type ecp256 struct{ secret *ecdh.PrivateKey }

const uncompressedPoint = 4

func newECP256(rand io.Reader) (KeyExchange, error) {
	// A random string is a valid scalar with all but negligible probability.
	for range 8 {
		var seed [32]byte
		if _, err := io.ReadFull(rand, seed[:]); err != nil {
			return nil, fmt.Errorf("random source: %w", err)
		}
		if k, err := ecdh.P256().NewPrivateKey(seed[:]); err == nil {
			return ecp256{k}, nil
		}
	}
	return nil, errors.New("the random source gives no valid P-256 key")
}

func (k ecp256) Public() []byte { return k.secret.PublicKey().Bytes()[1:] }

func (k ecp256) Shared(peer []byte) ([]byte, error) {
	if len(peer) != GroupECP256.PublicSize() {
		return nil, ErrBadPublic
	}
	// NewPublicKey checks that the point is on the curve and not infinity.
	pub, err := ecdh.P256().NewPublicKey(append([]byte{uncompressedPoint}, peer...))
	if err != nil {
		return nil, ErrBadPublic
	}
	out, err := k.secret.ECDH(pub)
	if err != nil {
		return nil, ErrBadPublic
	}
	return out, nil
}
