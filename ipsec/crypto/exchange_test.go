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

// groups are all there are.
var groups = []GroupID{
	GroupX25519, GroupX448, GroupECP256, GroupECP384, GroupECP521,
	GroupMODP1024, GroupMODP1536, GroupMODP2048, GroupMODP3072, GroupMODP4096, GroupMODP6144, GroupMODP8192,
}

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
		{
			name:    "RFC 7748 section 6.2",
			group:   GroupX448,
			secretA: "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
			publicA: "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0",
			secretB: "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d",
			publicB: "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
			shared:  "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a5037514a879d",
		},
		{
			name:    "RFC 5903 section 8.2, 384-bit random ECP group",
			group:   GroupECP384,
			secretA: "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
			publicA: "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa" +
				"9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
			secretB: "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
			publicB: "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571" +
				"dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
			shared: "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746",
		},
		{
			name:  "RFC 5903 section 8.3, 521-bit random ECP group",
			group: GroupECP521,
			secretA: "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a0" +
				"95aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
			publicA: "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbe" +
				"e1e3bf42e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176ced3e" +
				"017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4a10a" +
				"d8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582",
			secretB: "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e" +
				"9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
			publicB: "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a21" +
				"9b97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f" +
				"015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87" +
				"220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a",
			shared: "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04" +
				"d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea",
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
		{"a P-256 point carries the SEC 1 prefix", GroupECP256, append([]byte{4}, onCurve...)},
		{"a P-256 point is x only", GroupECP256, onCurve[:32]},
		{"no bytes at all for P-256", GroupECP256, nil},
		{"the P-384 origin is not on the curve", GroupECP384, make([]byte, 96)},
		{"a P-384 point of ones is off the curve", GroupECP384, bytes.Repeat([]byte{1}, 96)},
		{"the P-521 origin is not on the curve", GroupECP521, make([]byte, 132)},
		{"a P-256 point for P-521", GroupECP521, onCurve},
		{"an X448 value of zero gives a zero secret", GroupX448, make([]byte, 56)},
		{"an X448 value of one gives a zero secret", GroupX448, append([]byte{1}, make([]byte, 55)...)},
		{"an X448 value is a byte short", GroupX448, make([]byte, 55)},
		{"an X448 value is a byte long", GroupX448, make([]byte, 57)},
		{"no bytes at all for X448", GroupX448, nil},
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
	for _, g := range []GroupID{GroupNone, 1, 22, 99} {
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
	sizes := map[GroupID]int{GroupX25519: 32, GroupX448: 56, GroupECP256: 32, GroupECP384: 48, GroupECP521: 66}
	for g, m := range modpGroups {
		sizes[g] = m.bits / 8
	}
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
