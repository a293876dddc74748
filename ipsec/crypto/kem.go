package crypto

import (
	"crypto/mlkem"
	"fmt"
	"io"
)

// Key encapsulation: additional key exchanges (RFC 9370) whose two halves
// differ. The initiator's public value is an encapsulation key; the responder
// answers with a ciphertext, and has the secret by then.

// KEM says whether the method is a key encapsulation, which can only be an
// additional exchange here: alone it would rest on one young idea.
func (g GroupID) KEM() bool { return g == KEMML768 || g == KEMML1024 }

// kem is the initiator's half.
type kem struct {
	public []byte
	open   func(ciphertext []byte) ([]byte, error)
}

// NewKEM makes a fresh key pair (FIPS 203 section 7.1, from a seed of 64 bytes).
func NewKEM(g GroupID, rand io.Reader) (KeyExchange, error) {
	seed := make([]byte, mlkem.SeedSize)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, fmt.Errorf("random source: %w", err)
	}
	switch g {
	case KEMML768:
		k, err := mlkem.NewDecapsulationKey768(seed)
		if err != nil {
			return nil, err
		}
		return kem{k.EncapsulationKey().Bytes(), k.Decapsulate}, nil
	case KEMML1024:
		k, err := mlkem.NewDecapsulationKey1024(seed)
		if err != nil {
			return nil, err
		}
		return kem{k.EncapsulationKey().Bytes(), k.Decapsulate}, nil
	}
	return nil, fmt.Errorf("%s is no key encapsulation", g)
}

func (k kem) Public() []byte { return k.public }

// Shared opens the responder's ciphertext. One that was forged gives a secret
// that nobody else has, and fails at the first message protected by it.
func (k kem) Shared(ciphertext []byte) ([]byte, error) {
	out, err := k.open(ciphertext)
	if err != nil {
		return nil, ErrBadPublic
	}
	return out, nil
}

// Encapsulate is the responder's part. The standard library draws the
// randomness itself and checks the key (FIPS 203 section 7.2).
func Encapsulate(g GroupID, public []byte) (ciphertext, shared []byte, err error) {
	switch g {
	case KEMML768:
		if k, err := mlkem.NewEncapsulationKey768(public); err == nil {
			shared, ciphertext = k.Encapsulate()
			return ciphertext, shared, nil
		}
	case KEMML1024:
		if k, err := mlkem.NewEncapsulationKey1024(public); err == nil {
			shared, ciphertext = k.Encapsulate()
			return ciphertext, shared, nil
		}
	default:
		return nil, nil, fmt.Errorf("%s is no key encapsulation", g)
	}
	return nil, nil, ErrBadPublic
}
