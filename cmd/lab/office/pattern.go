package office

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// pattern writes n bytes that differ from place to place, so that a swapped or
// lost piece shows.
func pattern(w io.Writer, n int64) {
	var block [32 << 10]byte
	for i := uint64(0); n > 0; i++ {
		for j := 0; j < len(block); j += 8 {
			binary.BigEndian.PutUint64(block[j:], (i<<16+uint64(j))*0x9e3779b97f4a7c15)
		}
		part := min(n, int64(len(block)))
		if _, err := w.Write(block[:part]); err != nil {
			return
		}
		n -= part
	}
}

// patternSum is the hash of n bytes of it.
func patternSum(n int64) [sha256.Size]byte {
	h := sha256.New()
	pattern(h, n)
	return [sha256.Size]byte(h.Sum(nil))
}
