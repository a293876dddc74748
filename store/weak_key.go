package store

import (
	"bytes"
	"encoding/hex"
	"math/bits"
)

// weakness says why a key of the right length is no secret; empty if nothing
// is known against it.
func weakness(algorithm string, key []byte) string {
	if len(key) < 2 {
		return ""
	}
	step, regular := key[1]-key[0], true
	for i := range key[1:] {
		regular = regular && key[i+1]-key[i] == step
	}
	switch {
	case regular && step == 0 && key[0] == 0:
		return "it is all zeros"
	case regular && step == 0:
		return "it is one byte again and again"
	case regular:
		return "its bytes only count"
	case len(key) >= 16 && repeats(key):
		return "it repeats itself"
	case algorithm == "des-cbc" && weakDES(key):
		return "it is one of DES's weak keys (RFC 2405 section 2.3)"
	case algorithm == "3des-cbc" && (sameDES(key[:8], key[8:16]) || sameDES(key[8:16], key[16:])):
		return "two of the three keys of 3DES are the same, which leaves DES (RFC 2451 section 2.3)"
	case algorithm == "3des-cbc" && (weakDES(key[:8]) || weakDES(key[8:16]) || weakDES(key[16:])):
		return "one of its three keys is a weak key of DES (RFC 2451 section 2.3)"
	}
	return ""
}

// repeats says whether a key is a shorter one several times.
func repeats(key []byte) bool {
	for n := 2; n <= len(key)/2; n++ {
		if len(key)%n == 0 && bytes.Equal(key, bytes.Repeat(key[:n], len(key)/n)) {
			return true
		}
	}
	return false
}

// weakDESKeys are the weak and the semi-weak keys of DES, with odd parity.
var weakDESKeys = []string{
	"0101010101010101", "fefefefefefefefe", "1f1f1f1f0e0e0e0e", "e0e0e0e0f1f1f1f1",
	"011f011f010e010e", "1f011f010e010e01", "01e001e001f101f1", "e001e001f101f101",
	"01fe01fe01fe01fe", "fe01fe01fe01fe01", "1fe01fe00ef10ef1", "e01fe01ff10ef10e",
	"1ffe1ffe0efe0efe", "fe1ffe1ffe0efe0e", "e0fee0fef1fef1fe", "fee0fee0fef1fef1",
}

func weakDES(key []byte) bool {
	for _, weak := range weakDESKeys {
		if w, err := hex.DecodeString(weak); err == nil && sameDES(w, key) {
			return true
		}
	}
	return false
}

// sameDES compares keys without the lowest bits, which DES does not use.
func sameDES(a, b []byte) bool {
	for i := range a {
		if bits.Len8((a[i]^b[i])&0xfe) > 0 {
			return false
		}
	}
	return true
}
