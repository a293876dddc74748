package crypto

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"
)

var kems = map[GroupID]struct{ public, ciphertext int }{KEMML768: {1184, 1088}, KEMML1024: {1568, 1568}}

func TestBothSidesOfAKEMGetTheSameSecret(t *testing.T) {
	for g, want := range kems {
		a, err := NewKEM(g, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		ciphertext, there, err := Encapsulate(g, a.Public())
		if err != nil || len(ciphertext) != want.ciphertext || len(a.Public()) != want.public {
			t.Fatalf("%s: %d and %d bytes, %v", g, len(a.Public()), len(ciphertext), err)
		}
		here, err := a.Shared(ciphertext)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the initiator's secret", here, there)
		// Forged ones give another secret, and none says why.
		ciphertext[0] ^= 1
		if forged, err := a.Shared(ciphertext); err != nil || bytes.Equal(forged, there) {
			t.Errorf("%s: a forged ciphertext gave %x, %v", g, forged, err)
		}
		if !g.KEM() || g.Known() || g.PublicSize() != 0 {
			t.Errorf("%s counts as a group", g)
		}
	}
}

func TestBadValuesOfKEMsAreRefused(t *testing.T) {
	for g, want := range kems {
		for _, n := range []int{0, 1, want.public - 1, want.public + 1} {
			if _, _, err := Encapsulate(g, make([]byte, n)); !errors.Is(err, ErrBadPublic) {
				t.Errorf("%s: a key of %d bytes: %v", g, n, err)
			}
		}
		// Coefficients of 12 ones are not below q (FIPS 203 section 7.2).
		if _, _, err := Encapsulate(g, bytes.Repeat([]byte{0xff}, want.public)); !errors.Is(err, ErrBadPublic) {
			t.Errorf("%s: a key that is not reduced: %v", g, err)
		}
		a, err := NewKEM(g, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, want.ciphertext - 1, want.ciphertext + 1} {
			if _, err := a.Shared(make([]byte, n)); !errors.Is(err, ErrBadPublic) {
				t.Errorf("%s: a ciphertext of %d bytes: %v", g, n, err)
			}
		}
		if _, err := NewKEM(g, io.LimitReader(rand.Reader, 63)); err == nil {
			t.Errorf("%s: a key of too little randomness", g)
		}
	}
	if _, err := NewKEM(GroupX25519, rand.Reader); err == nil {
		t.Error("x25519 is a KEM")
	}
	if _, _, err := Encapsulate(GroupX25519, nil); err == nil {
		t.Error("x25519 is a KEM")
	}
	if _, err := NewKeyExchange(KEMML768, rand.Reader); err == nil {
		t.Error("ML-KEM is a group")
	}
}
