package crypto

import (
	"crypto/hmac"
	"crypto/sha256"
)

// NonceSize is the length of our nonces in bytes: twice the least of RFC 7296
// section 2.10, and half of no PRF key here.
const NonceSize = 32

// Size is the output and preferred key length in bytes.
func (p PRFID) Size() int { return sha256.Size }

// Sum is prf(key, parts...), the parts joined.
func (p PRFID) Sum(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
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
