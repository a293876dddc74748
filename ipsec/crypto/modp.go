package crypto

import (
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"sync"

	"filippo.io/bigmod"
)

// modp2048Size is the length of values of group 14 in bytes.
const modp2048Size = 256

// modp2048Prime is 2^2048 - 2^1984 - 1 + 2^64 * (floor(2^1918 pi) + 124476)
// (RFC 3526 section 3). The generator is 2.
const modp2048Prime = "" +
	"ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74" +
	"020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437" +
	"4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed" +
	"ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05" +
	"98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb" +
	"9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b" +
	"e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718" +
	"3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff"

// modp2048 parses the prime once; it is a constant.
var modp2048 = sync.OnceValue(func() *bigmod.Modulus {
	p, err := hex.DecodeString(modp2048Prime)
	if err != nil {
		panic(err)
	}
	m, err := bigmod.NewModulus(p)
	if err != nil {
		panic(err)
	}
	return m
})

// modp is group 14 with a short exponent of 256 bits, twice the 112 bits of
// strength that NIST gives the group and within the 220 to 320 that RFC 3526
// section 8 names. The exponentiation is constant time.
type modp struct{ exponent, public []byte }

func newMODP(rand io.Reader) (KeyExchange, error) {
	m := modp2048()
	e := make([]byte, 32)
	if _, err := io.ReadFull(rand, e); err != nil {
		return nil, fmt.Errorf("random source: %w", err)
	}
	e[0] |= 0x80 // never a tiny exponent
	base := make([]byte, modp2048Size)
	base[modp2048Size-1] = 2
	two, err := bigmod.NewNat().SetBytes(base, m)
	if err != nil {
		return nil, err
	}
	return modp{exponent: e, public: bigmod.NewNat().Exp(two, e, m).Bytes(m)}, nil
}

func (k modp) Public() []byte { return k.public }

func (k modp) Shared(peer []byte) ([]byte, error) {
	if len(peer) != modp2048Size {
		return nil, ErrBadPublic
	}
	m := modp2048()
	y, err := bigmod.NewNat().SetBytes(peer, m) // refuses values of p and above
	if err != nil {
		return nil, ErrBadPublic
	}
	// 0, 1 and p-1 would make the secret predictable (RFC 6989 section 2.1).
	if degenerate(peer) {
		return nil, ErrBadPublic
	}
	return bigmod.NewNat().Exp(y, k.exponent, m).Bytes(m), nil
}

// degenerate finds 0, 1 and p-1, given as 256 bytes.
func degenerate(y []byte) bool {
	small := make([]byte, modp2048Size)
	if subtle.ConstantTimeCompare(y, small) == 1 {
		return true
	}
	small[modp2048Size-1] = 1
	if subtle.ConstantTimeCompare(y, small) == 1 {
		return true
	}
	top, err := hex.DecodeString(modp2048Prime)
	if err != nil {
		return true
	}
	top[modp2048Size-1]-- // p is odd
	return subtle.ConstantTimeCompare(y, top) == 1
}
