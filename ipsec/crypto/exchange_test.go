package crypto

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

var groups = []GroupID{GroupX25519, GroupECP256, GroupMODP2048}

func TestBothSidesGetTheSameSecret(t *testing.T) {
	for _, g := range groups {
		t.Run(g.String(), func(t *testing.T) {
			a, b := newExchange(t, g), newExchange(t, g)
			if len(a.Public()) != g.PublicSize() {
				t.Errorf("public value of %d bytes, want %d", len(a.Public()), g.PublicSize())
			}
			if bytes.Equal(a.Public(), b.Public()) {
				t.Error("two exchanges have the same public value")
			}
			ab, err := a.Shared(b.Public())
			if err != nil {
				t.Fatal(err)
			}
			ba, err := b.Shared(a.Public())
			if err != nil {
				t.Fatal(err)
			}
			same(t, "the responder's secret", ba, ab)
		})
	}
}

// The private keys are the random bytes themselves, so that published vectors
// can go through the public constructor.
func TestPublishedVectors(t *testing.T) {
	rows := []struct {
		name                                       string
		group                                      GroupID
		secretA, publicA, secretB, publicB, shared string
	}{
		{
			name:    "RFC 5903 section 8.1, 256-bit random ECP group",
			group:   GroupECP256,
			secretA: "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
			publicA: "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180" +
				"5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
			secretB: "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
			publicB: "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63" +
				"56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
			// x alone: the RFC's y, 522b..., is no part of the secret.
			shared: "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
		},
		{
			name:    "RFC 7748 section 6.1",
			group:   GroupX25519,
			secretA: "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			publicA: "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
			secretB: "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			publicB: "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
			shared:  "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			a, err := NewKeyExchange(row.group, bytes.NewReader(unhex(t, row.secretA)))
			if err != nil {
				t.Fatal(err)
			}
			b, err := NewKeyExchange(row.group, bytes.NewReader(unhex(t, row.secretB)))
			if err != nil {
				t.Fatal(err)
			}
			same(t, "the initiator's public value", a.Public(), unhex(t, row.publicA))
			same(t, "the responder's public value", b.Public(), unhex(t, row.publicB))
			for _, side := range []struct {
				own, peer KeyExchange
			}{{a, b}, {b, a}} {
				shared, err := side.own.Shared(side.peer.Public())
				if err != nil {
					t.Fatal(err)
				}
				same(t, "the shared secret", shared, unhex(t, row.shared))
			}
		})
	}
}

func TestBadPublicValuesAreRefused(t *testing.T) {
	onCurve := newExchange(t, GroupECP256).Public()
	offCurve := bytes.Clone(onCurve)
	offCurve[63] ^= 1
	rows := []struct {
		name  string
		group GroupID
		value []byte
	}{
		{"an X25519 value of zero gives a zero secret", GroupX25519, make([]byte, 32)},
		{"an X25519 value of one gives a zero secret", GroupX25519, append([]byte{1}, make([]byte, 31)...)},
		{"an X25519 point of order eight gives a zero secret", GroupX25519,
			unhex(t, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")},
		{"an X25519 value is a byte short", GroupX25519, make([]byte, 31)},
		{"an X25519 value is a byte long", GroupX25519, make([]byte, 33)},
		{"no bytes at all for X25519", GroupX25519, nil},
		{"a P-256 point is off the curve", GroupECP256, offCurve},
		{"the P-256 origin is not on the curve", GroupECP256, make([]byte, 64)},
		{"P-256 coordinates are above the prime", GroupECP256, bytes.Repeat([]byte{0xff}, 64)},
		{"a P-256 point carries the SEC 1 prefix", GroupECP256, append([]byte{uncompressedPoint}, onCurve...)},
		{"a P-256 point is x only", GroupECP256, onCurve[:32]},
		{"no bytes at all for P-256", GroupECP256, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if _, err := newExchange(t, row.group).Shared(row.value); !errors.Is(err, ErrBadPublic) {
				t.Errorf("got %v, want %v", err, ErrBadPublic)
			}
		})
	}
}

func TestAGroupThatIsNotSupportedIsNamed(t *testing.T) {
	for _, g := range []GroupID{GroupNone, 2, 5, 99} {
		if g.PublicSize() != 0 {
			t.Errorf("%s has a public size", g)
		}
		if _, err := NewKeyExchange(g, rand.Reader); err == nil || !strings.Contains(err.Error(), g.String()) {
			t.Errorf("%s: got %v", g, err)
		}
	}
}

func TestARandomSourceThatFailsGivesNoKey(t *testing.T) {
	broken := errors.New("the source is dry")
	for _, g := range groups {
		if _, err := NewKeyExchange(g, iotest.ErrReader(broken)); !errors.Is(err, broken) {
			t.Errorf("%s: got %v", g, err)
		}
		if _, err := NewKeyExchange(g, io.LimitReader(rand.Reader, 31)); err == nil {
			t.Errorf("%s: made a key of 31 random bytes", g)
		}
	}
}

func TestAnInvalidP256ScalarIsDrawnAgain(t *testing.T) {
	zero, good := make([]byte, 32), bytes.Repeat([]byte{7}, 32)
	k, err := NewKeyExchange(GroupECP256, bytes.NewReader(append(zero, good...)))
	if err != nil {
		t.Fatal(err)
	}
	want, err := ecdh.P256().NewPrivateKey(good)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the public value", k.Public(), want.PublicKey().Bytes()[1:])
	if _, err := NewKeyExchange(GroupECP256, bytes.NewReader(make([]byte, 4096))); err == nil {
		t.Error("made a key of zeros")
	}
}

// FuzzShared feeds foreign public values: either an error, or a secret of the
// group's length that is not zero.
func FuzzShared(f *testing.F) {
	sizes := map[GroupID]int{GroupX25519: 32, GroupECP256: 32, GroupMODP2048: modp2048Size}
	own := map[GroupID]KeyExchange{}
	for _, g := range groups {
		own[g] = newExchange(f, g)
		f.Add(uint16(g), newExchange(f, g).Public())
		f.Add(uint16(g), make([]byte, g.PublicSize()))
		f.Add(uint16(g), bytes.Repeat([]byte{0xff}, g.PublicSize()))
		f.Add(uint16(g), []byte{})
	}
	f.Fuzz(func(t *testing.T, group uint16, peer []byte) {
		g := GroupID(group)
		k, ok := own[g]
		if !ok {
			return
		}
		shared, err := k.Shared(peer)
		if err != nil {
			if !errors.Is(err, ErrBadPublic) {
				t.Fatalf("a foreign value gave %v", err)
			}
			return
		}
		if len(shared) != sizes[g] || bytes.Equal(shared, make([]byte, len(shared))) {
			t.Fatalf("secret %x", shared)
		}
	})
}

func BenchmarkKeyExchange(b *testing.B) {
	for _, g := range groups {
		b.Run(g.String(), func(b *testing.B) {
			peer := newExchange(b, g).Public()
			for b.Loop() {
				if _, err := newExchange(b, g).Shared(peer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func newExchange(t testing.TB, g GroupID) KeyExchange {
	t.Helper()
	k, err := NewKeyExchange(g, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
