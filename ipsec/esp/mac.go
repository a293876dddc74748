package esp

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"gatehouse/ipsec/crypto"
)

// mac is an HMAC cut to the length that packets carry (RFC 2403, 2404, 4868).
type mac struct {
	hash hash.Hash
	size int // of the ICV, in bytes
	out  [sha512.Size]byte
	tail [4]byte
}

func newMAC(id crypto.IntegrityID, key []byte) (*mac, error) {
	i, known := id.Info()
	if !known || i.AH {
		return nil, fmt.Errorf("the userspace data plane cannot do %s", id)
	}
	if len(key) != i.Key {
		return nil, errors.New("the integrity key has the wrong length")
	}
	hashes := map[crypto.IntegrityID]func() hash.Hash{
		crypto.IntegrityHMACMD596: md5.New, crypto.IntegrityHMACSHA196: sha1.New, crypto.IntegrityHMACSHA256128: sha256.New,
		crypto.IntegrityHMACSHA384192: sha512.New384, crypto.IntegrityHMACSHA512256: sha512.New,
	}
	return &mac{hash: hmac.New(hashes[id], key), size: i.ICV}, nil
}

// sum is the ICV of data and, with extended sequence numbers, their upper half
// behind it (RFC 4303 section 2.8.1). It is good until the next call.
func (m *mac) sum(data []byte, high ...uint32) []byte {
	m.hash.Reset()
	m.hash.Write(data)
	for _, h := range high {
		binary.BigEndian.PutUint32(m.tail[:], h)
		m.hash.Write(m.tail[:])
	}
	return m.hash.Sum(m.out[:0])[:m.size]
}

// is compares two ICVs in constant time.
func (*mac) is(a, b []byte) bool { return hmac.Equal(a, b) }
