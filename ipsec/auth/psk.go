package auth

import (
	"crypto/hmac"

	"gatehouse/ipsec/crypto"
)

// SharedKey computes the AUTH value of a side that has this pre-shared key
// (RFC 7296 section 2.15).
func SharedKey(prf crypto.PRFID, psk, signedOctets []byte) []byte {
	return crypto.PSKAuth(prf, psk, signedOctets)
}

// VerifySharedKey compares in constant time. An empty key proves nothing and
// never verifies.
func VerifySharedKey(prf crypto.PRFID, psk, signedOctets, got []byte) bool {
	return len(psk) > 0 && hmac.Equal(got, SharedKey(prf, psk, signedOctets))
}
