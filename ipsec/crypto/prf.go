package crypto

import (
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// NonceSize is the length of our nonces in bytes: half of the longest PRF key
// here, and twice the least of RFC 7296 section 2.10.
const NonceSize = 32

// hashes are those of the PRFs that are HMACs.
var hashes = map[PRFID]func() hash.Hash{
	PRFHMACSHA1: sha1.New, PRFHMACSHA256: sha256.New, PRFHMACSHA384: sha512.New384, PRFHMACSHA512: sha512.New,
}

// Known says whether this package has the PRF.
func (p PRFID) Known() bool { return p.Size() > 0 }

// Size is the output and preferred key length in bytes; 0 for a PRF that is
// not known.
func (p PRFID) Size() int {
	switch p {
	case PRFAESXCBC, PRFAESCMAC:
		return aes.BlockSize
	}
	if h := hashes[p]; h != nil {
		return h().Size()
	}
	return 0
}

// Sum is prf(key, parts...), the parts joined.
func (p PRFID) Sum(key []byte, parts ...[]byte) []byte {
	return sum(p.keyed(key), parts...)
}

// mac is what a keyed function of bytes does.
type mac interface {
	Write([]byte) (int, error)
	Sum([]byte) []byte
}

func sum(m mac, parts ...[]byte) []byte {
	for _, part := range parts {
		m.Write(part)
	}
	return m.Sum(nil)
}

func (p PRFID) keyed(key []byte) mac {
	switch p {
	case PRFAESXCBC:
		return newXCBC(p.fit(key))
	case PRFAESCMAC:
		return newCMAC(p.fit(key))
	}
	return hmac.New(hashes[p], key)
}

// fit makes a key of any length one of 16 bytes (RFC 4434 section 2, RFC 4615
// section 3).
func (p PRFID) fit(key []byte) []byte {
	switch zero := make([]byte, aes.BlockSize); {
	case len(key) == aes.BlockSize:
		return key
	case p == PRFAESCMAC:
		return sum(newCMAC(zero), key)
	case len(key) > aes.BlockSize:
		return sum(newXCBC(zero), key)
	default:
		copy(zero, key)
		return zero
	}
}

// seedKey is the key of SKEYSEED. The two PRFs made of AES take the first half
// of their key from each nonce (RFC 7296 section 2.14).
func (p PRFID) seedKey(ni, nr []byte) []byte {
	if half := aes.BlockSize / 2; (p == PRFAESXCBC || p == PRFAESCMAC) && len(ni) >= half && len(nr) >= half {
		ni, nr = ni[:half], nr[:half]
	}
	return append(append([]byte(nil), ni...), nr...)
}

// Plus is prf+ (RFC 7296 section 2.13): n bytes, at most 255 outputs long.
func (p PRFID) Plus(key, seed []byte, n int) []byte {
	if n > 255*p.Size() {
		panic("prf+ cannot give so many bytes") // a fixed sum of key lengths, never from the wire
	}
	var out, t []byte
	for i := byte(1); len(out) < n; i++ {
		t = p.Sum(key, t, seed, []byte{i})
		out = append(out, t...)
	}
	return out[:n]
}
