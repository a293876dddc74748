package crypto

import (
	"crypto/subtle"
	"fmt"
	"io"
	"math/big"
	"sync"

	"filippo.io/bigmod"
)

// modpGroup is a group of RFC 2409 or RFC 3526 with the generator 2. Its prime
// is 2^bits - 2^(bits-64) - 1 + 2^64 * (floor(2^(bits-130) pi) + offset).
type modpGroup struct {
	bits   int
	offset int64
	// exponent is the length of our secrets in bytes: within what RFC 3526
	// section 8 names for the group's strength, and at least twice that of NIST.
	exponent int
	modulus  func() *bigmod.Modulus
}

var modpGroups = map[GroupID]modpGroup{
	GroupMODP1024: modpOf(1024, 129093, 32),
	GroupMODP1536: modpOf(1536, 741804, 32),
	GroupMODP2048: modpOf(2048, 124476, 32),
	GroupMODP3072: modpOf(3072, 1690314, 40),
	GroupMODP4096: modpOf(4096, 240904, 48),
	GroupMODP6144: modpOf(6144, 929484, 56),
	GroupMODP8192: modpOf(8192, 4743158, 64),
}

func modpOf(bits int, offset int64, exponent int) modpGroup {
	m := modpGroup{bits: bits, offset: offset, exponent: exponent}
	m.modulus = sync.OnceValue(func() *bigmod.Modulus {
		n, err := bigmod.NewModulus(m.prime())
		if err != nil {
			panic(err) // it is a constant
		}
		return n
	})
	return m
}

// prime computes the prime, which is no secret, by the formula of the RFCs.
func (m modpGroup) prime() []byte {
	pi, ok := new(big.Int).SetString(piTo8062, 16)
	if !ok {
		panic("pi is not a number")
	}
	p := pi.Rsh(pi, uint(8192-m.bits))
	p.Add(p, big.NewInt(m.offset)).Lsh(p, 64)
	one := big.NewInt(1)
	p.Add(p, new(big.Int).Lsh(one, uint(m.bits)))
	p.Sub(p, new(big.Int).Lsh(one, uint(m.bits-64)))
	return p.Sub(p, one).Bytes()
}

// modp is one exchange. The exponentiation is constant time.
type modp struct {
	group            modpGroup
	exponent, public []byte
}

func newMODP(m modpGroup, rand io.Reader) (KeyExchange, error) {
	e := make([]byte, m.exponent)
	if _, err := io.ReadFull(rand, e); err != nil {
		return nil, fmt.Errorf("random source: %w", err)
	}
	e[0] |= 0x80 // never a tiny exponent
	base := make([]byte, m.bits/8)
	base[len(base)-1] = 2
	n := m.modulus()
	two, err := bigmod.NewNat().SetBytes(base, n)
	if err != nil {
		return nil, err
	}
	return modp{group: m, exponent: e, public: bigmod.NewNat().Exp(two, e, n).Bytes(n)}, nil
}

func (k modp) Public() []byte { return k.public }

func (k modp) Shared(peer []byte) ([]byte, error) {
	if len(peer) != k.group.bits/8 {
		return nil, ErrBadPublic
	}
	n := k.group.modulus()
	y, err := bigmod.NewNat().SetBytes(peer, n) // refuses values of p and above
	if err != nil {
		return nil, ErrBadPublic
	}
	// 0, 1 and p-1 would make the secret predictable (RFC 6989 section 2.1).
	if k.group.degenerate(peer) {
		return nil, ErrBadPublic
	}
	// Bytes is as long as the modulus: the secret keeps zeros in front (RFC 7296
	// section 2.14).
	return bigmod.NewNat().Exp(y, k.exponent, n).Bytes(n), nil
}

// degenerate finds 0, 1 and p-1, given at the length of the prime.
func (m modpGroup) degenerate(y []byte) bool {
	small := make([]byte, len(y))
	if subtle.ConstantTimeCompare(y, small) == 1 {
		return true
	}
	small[len(small)-1] = 1
	if subtle.ConstantTimeCompare(y, small) == 1 {
		return true
	}
	one := bigmod.NewNat()
	if _, err := one.SetBytes(small, m.modulus()); err != nil {
		return true
	}
	top := bigmod.NewNat()
	if _, err := top.SetBytes(make([]byte, len(y)), m.modulus()); err != nil {
		return true
	}
	return subtle.ConstantTimeCompare(y, top.Sub(one, m.modulus()).Bytes(m.modulus())) == 1
}

// piTo8062 is floor(2^8062 pi) in hexadecimal.
const piTo8062 = "" +
	"c90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a0879" +
	"8e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6" +
	"f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651" +
	"ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad96" +
	"1c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e46" +
	"2e36ce3be39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718" +
	"3995497cea956ae515d2261898fa051015728e5a8aaac42dad33170d04507a33a85521ab" +
	"df1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7abf5ae8cdb0933d7" +
	"1e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18" +
	"177b200cbbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e" +
	"4b82d120a92108011a723c12a787e6d788719a10bdba5b2699c327186af4e23c1a946834" +
	"b6150bda2583e9ca2ad44ce8dbbbc2db04de8ef92e8efc141fbecaa6287c59474e6bc05d" +
	"99b2964fa090c3a2233ba186515be7ed1f612970cee2d7afb81bdd762170481cd0069127" +
	"d5b05aa993b4ea988d8fddc186ffb7dc90a6c08f4df435c93402849236c3fab4d27c7026" +
	"c1d4dcb2602646dec9751e763dba37bdf8ff9406ad9e530ee5db382f413001aeb06a53ed" +
	"9027d831179727b0865a8918da3edbebcf9b14ed44ce6cbaced4bb1bdb7f1447e6cc254b" +
	"332051512bd7af426fb8f401378cd2bf5983ca01c64b92ecf032ea15d1721d03f482d7ce" +
	"6e74fef6d55e702f46980c82b5a84031900b1c9e59e7c97fbec7e8f323a97a7e36cc88be" +
	"0f1d45b7ff585ac54bd407b22b4154aacc8f6d7ebf48e1d814cc5ed20f8037e0a79715ee" +
	"f29be32806a1d58bb7c5da76f550aa3d8a1fbff0eb19ccb1a313d55cda56c9ec2ef29632" +
	"387fe8d76e3c0468043e8f663f4860ee12bf2d5b0b7474d6e694f91e6dbe115974a3926f" +
	"12fee5e438777cb6a932df8cd8bec4d073b931ba3bc832b68d9dd300741fa7bf8afc47ed" +
	"2576f6936ba424663aab639c5ae4f5683423b4742bf1c978238f16cbe39d652de3fdb8be" +
	"fc848ad922222e04a4037c0713eb57a81a23f0c73473fc646cea306b4bcbc8862f8385dd" +
	"fa9d4b7fa2c087e879683303ed5bdd3a062b3cf5b3a278a66d2a13f83f44f82ddf310ee0" +
	"74ab6a364597e899a0255dc164f31cc50846851df9ab48195ded7ea1b1d510bd7ee74d73" +
	"faf36bc31ecfa268359046f4eb879f924009438b481c6cd7889a002ed5ee382bc9190da6" +
	"fc026e479558e4475677e9aa9e3050e2765694dfc81f56e880b96e7160c980dd98a573ea"
