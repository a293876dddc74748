package crypto

import (
	"errors"
	"math/big"
	"testing"
)

func prime(t testing.TB, g GroupID) *big.Int {
	t.Helper()
	return new(big.Int).SetBytes(modpGroups[g].prime())
}

// number writes x as a KE payload's data.
func number(g GroupID, x *big.Int) []byte { return x.FillBytes(make([]byte, g.PublicSize())) }

// The primes are made of a long constant: that it is pi, that the one of group
// 14 is the RFC's in full, and that all are safe primes, shows the constant and
// the offsets. Of a safe prime only 1 and p-1 have a small order, so that
// checking for them is all that RFC 6989 section 2.1 asks.
func TestThePrimesAreThoseOfRFC3526(t *testing.T) {
	if got := scaledPi(8062).Text(16); got != piTo8062 {
		t.Fatalf("pi is not\n%s", got)
	}
	published := "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74" +
		"020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437" +
		"4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed" +
		"ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05" +
		"98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb" +
		"9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b" +
		"e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718" +
		"3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff"
	same(t, "the prime of group 14", modpGroups[GroupMODP2048].prime(), unhex(t, published))
	for g, m := range modpGroups {
		p := prime(t, g)
		half := new(big.Int).Rsh(p, 1)
		if p.BitLen() != m.bits || !p.ProbablyPrime(0) || m.bits <= 4096 && !half.ProbablyPrime(0) {
			t.Errorf("%s is not of a safe prime", g)
		}
	}
}

// scaledPi is floor(2^bits * pi) by Machin's 16 atan(1/5) - 4 atan(1/239).
func scaledPi(bits uint) *big.Int {
	const guard = 64
	atan := func(x int64) *big.Int {
		term := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), bits+guard), big.NewInt(x))
		sum := new(big.Int)
		for n, sign := int64(1), int64(1); term.Sign() > 0; n, sign = n+2, -sign {
			sum.Add(sum, new(big.Int).Div(term, big.NewInt(sign*n)))
			term.Div(term, big.NewInt(x*x))
		}
		return sum
	}
	pi := new(big.Int).Mul(big.NewInt(16), atan(5))
	pi.Sub(pi, new(big.Int).Mul(big.NewInt(4), atan(239)))
	return pi.Rsh(pi, guard)
}

func TestModpAgreesWithBigIntegers(t *testing.T) {
	for g, m := range modpGroups {
		p := prime(t, g)
		own, ok := newExchange(t, g).(modp)
		if !ok {
			t.Fatalf("%s is not modp", g)
		}
		e := new(big.Int).SetBytes(own.exponent)
		if e.BitLen() != 8*m.exponent {
			t.Errorf("an exponent of %d bits", e.BitLen())
		}
		same(t, "the public value", own.Public(), number(g, new(big.Int).Exp(big.NewInt(2), e, p)))
		peer := newExchange(t, g).Public()
		shared, err := own.Shared(peer)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the secret", shared, number(g, new(big.Int).Exp(new(big.Int).SetBytes(peer), e, p)))
	}
}

// A secret with leading zeros must keep them, or the keys differ in one of
// 256 exchanges (RFC 7296 section 2.14).
func TestASmallModpSecretIsPaddedOnTheLeft(t *testing.T) {
	for g, m := range modpGroups {
		shared, err := modp{group: m, exponent: []byte{5}}.Shared(number(g, big.NewInt(2)))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "2^5", shared, number(g, big.NewInt(32)))
	}
}

func TestModpValuesAtTheEdges(t *testing.T) {
	for _, g := range []GroupID{GroupMODP1024, GroupMODP2048, GroupMODP3072} {
		modpEdges(t, g)
	}
}

func modpEdges(t *testing.T, g GroupID) {
	p := prime(t, g)
	minus := func(n int64) []byte { return number(g, new(big.Int).Sub(p, big.NewInt(n))) }
	small := func(n int64) []byte { return number(g, big.NewInt(n)) }
	top := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*g.PublicSize())), big.NewInt(1))
	for _, row := range []struct {
		name  string
		value []byte
		good  bool
	}{
		{"zero is refused", small(0), false},
		{"one is refused", small(1), false},
		{"two, the generator, is in the group", small(2), true},
		{"p-2 is in the group", minus(2), true},
		{"p-1 has order two and is refused", minus(1), false},
		{"p is zero again and is refused", minus(0), false},
		{"p+1 is one again and is refused", minus(-1), false},
		{"p+2 is not reduced and is refused", minus(-2), false},
		{"all ones are above p and refused", number(g, top), false},
		{"a value a byte short is refused", small(9)[1:], false},
		{"a value with a zero in front is refused", append([]byte{0}, small(9)...), false},
		{"no value at all is refused", nil, false},
	} {
		t.Run(g.String()+": "+row.name, func(t *testing.T) {
			shared, err := newExchange(t, g).Shared(row.value)
			switch {
			case row.good && (err != nil || len(shared) != g.PublicSize()):
				t.Errorf("got %d bytes, %v", len(shared), err)
			case !row.good && !errors.Is(err, ErrBadPublic):
				t.Errorf("got %v, want %v", err, ErrBadPublic)
			}
		})
	}
}
