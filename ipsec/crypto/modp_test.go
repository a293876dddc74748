package crypto

import (
	"errors"
	"math/big"
	"testing"
)

func prime(t testing.TB) *big.Int { return new(big.Int).SetBytes(unhex(t, modp2048Prime)) }

// number writes x as a KE payload's data.
func number(x *big.Int) []byte { return x.FillBytes(make([]byte, modp2048Size)) }

// TestThePrimeIsThatOfRFC3526 computes it by the RFC's formula,
// 2^2048 - 2^1984 - 1 + 2^64 * (floor(2^1918 pi) + 124476).
func TestThePrimeIsThatOfRFC3526(t *testing.T) {
	power := func(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }
	want := new(big.Int).Sub(power(2048), power(1984))
	want.Sub(want, big.NewInt(1))
	middle := new(big.Int).Add(scaledPi(1918), big.NewInt(124476))
	want.Add(want, middle.Lsh(middle, 64))
	p := prime(t)
	if p.Cmp(want) != 0 {
		t.Fatalf("the prime is\n%x, want\n%x", p, want)
	}
	// A safe prime: only 1 and p-1 have a small order, so that checking for
	// them is all that RFC 6989 section 2.1 asks.
	half := new(big.Int).Rsh(p, 1)
	if !p.ProbablyPrime(4) || !half.ProbablyPrime(4) {
		t.Error("not a safe prime")
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
	p := prime(t)
	own, ok := newExchange(t, GroupMODP2048).(modp)
	if !ok {
		t.Fatal("group 14 is not modp")
	}
	e := new(big.Int).SetBytes(own.exponent)
	if e.BitLen() != 256 {
		t.Errorf("an exponent of %d bits", e.BitLen())
	}
	same(t, "the public value", own.Public(), number(new(big.Int).Exp(big.NewInt(2), e, p)))
	peer := newExchange(t, GroupMODP2048).Public()
	shared, err := own.Shared(peer)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the secret", shared, number(new(big.Int).Exp(new(big.Int).SetBytes(peer), e, p)))
}

// A secret with leading zeros must keep them, or the keys differ in one of
// 256 exchanges (RFC 7296 section 2.14).
func TestASmallModpSecretIsPaddedOnTheLeft(t *testing.T) {
	shared, err := modp{exponent: []byte{5}}.Shared(number(big.NewInt(2)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "2^5", shared, number(big.NewInt(32)))
}

func TestModpValuesAtTheEdges(t *testing.T) {
	p := prime(t)
	minus := func(n int64) []byte { return number(new(big.Int).Sub(p, big.NewInt(n))) }
	top := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 2048), big.NewInt(1))
	rows := []struct {
		name  string
		value []byte
		good  bool
	}{
		{"zero is refused", number(big.NewInt(0)), false},
		{"one is refused", number(big.NewInt(1)), false},
		{"two, the generator, is in the group", number(big.NewInt(2)), true},
		{"p-2 is in the group", minus(2), true},
		{"p-1 has order two and is refused", minus(1), false},
		{"p is zero again and is refused", minus(0), false},
		{"p+1 is one again and is refused", minus(-1), false},
		{"p+2 is not reduced and is refused", minus(-2), false},
		{"all ones are above p and refused", number(top), false},
		{"a value a byte short is refused", number(big.NewInt(9))[1:], false},
		{"a value with a zero in front is refused", append([]byte{0}, number(big.NewInt(9))...), false},
		{"no value at all is refused", nil, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			shared, err := newExchange(t, GroupMODP2048).Shared(row.value)
			switch {
			case row.good && (err != nil || len(shared) != modp2048Size):
				t.Errorf("got %d bytes, %v", len(shared), err)
			case !row.good && !errors.Is(err, ErrBadPublic):
				t.Errorf("got %v, want %v", err, ErrBadPublic)
			}
		})
	}
}
