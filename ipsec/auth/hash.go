package auth

import (
	"crypto"
	_ "crypto/sha1" // method 1 is fixed to it (RFC 7296 section 3.8)
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/binary"
	"slices"
)

// HashID is an IANA "IKEv2 Hash Algorithm" (RFC 7427 section 7, RFC 8420
// section 2), as in SIGNATURE_HASH_ALGORITHMS.
type HashID uint16

// The hash algorithms that signatures here may use. SHA-1 is not among them.
const (
	HashSHA256 HashID = 2
	HashSHA384 HashID = 3
	HashSHA512 HashID = 4
	// HashIdentity is that of signatures which hash by themselves: Ed25519.
	HashIdentity HashID = 5
)

// Hashes are all that we verify, in the order in which we would use them.
func Hashes() []HashID { return []HashID{HashSHA256, HashSHA384, HashSHA512, HashIdentity} }

var hashes = map[HashID]crypto.Hash{HashSHA256: crypto.SHA256, HashSHA384: crypto.SHA384, HashSHA512: crypto.SHA512}

// HashesToWire is the content of SIGNATURE_HASH_ALGORITHMS.
func HashesToWire(ids []HashID) []byte {
	var b []byte
	for _, id := range ids {
		b = binary.BigEndian.AppendUint16(b, uint16(id))
	}
	return b
}

// HashesFromWire reads SIGNATURE_HASH_ALGORITHMS. What we do not know is left
// out.
func HashesFromWire(b []byte) []HashID {
	var out []HashID
	for ; len(b) >= 2; b = b[2:] {
		if id := HashID(binary.BigEndian.Uint16(b)); slices.Contains(Hashes(), id) && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func digest(h crypto.Hash, octets []byte) []byte {
	w := h.New()
	w.Write(octets)
	return w.Sum(nil)
}
