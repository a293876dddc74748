package wire

import (
	"runtime"
	"testing"
)

// hostile fills a message up with payloads of one body.
func hostile(t testing.TB, typ PayloadType, body string) []byte {
	t.Helper()
	one := chain(unhex(t, body))
	var bs []byte
	for n := 0; n < maxPayloads && HeaderLen+len(bs)+len(one) <= MaxMessage; n++ {
		one[0] = byte(typ)
		bs = append(bs, one...)
		one[0] = 0
	}
	// The last one ends the chain.
	bs[len(bs)-len(one)] = 0
	raw := unhex(t, goldenHeader)
	n := len(raw) + len(bs)
	raw[16], raw[26], raw[27] = byte(typ), byte(n>>8), byte(n)
	return append(raw, bs...)
}

// Whatever a stranger sends, reading it takes a bounded number of bytes for
// each of his, and never more than a mebibyte.
func TestHostileMessagesTakeLittleMemory(t *testing.T) {
	const (
		perByte = 26 // the worst: an SPI of one byte becomes a slice of 24
		most    = 1 << 20
	)
	transforms := repeat("03 00 0008 02 00 0005", 63) + "00 00 0008 02 00 0005"
	for name, raw := range map[string][]byte{
		"empty proposals":       hostile(t, TypeSA, repeat("02 00 0008 01 01 00 00", 31)+"00 00 0008 01 01 00 00"),
		"proposals all full":    hostile(t, TypeSA, "02 00 0208 01 01 00 40"+transforms+"00 00 0208 02 01 00 40"+transforms),
		"proposals that lie":    hostile(t, TypeSA, "00 00 0008 01 01 00 40"),
		"selectors of no kind":  hostile(t, TypeTSi, "40 000000"+repeat("09 00 0008 0000 0000", 64)),
		"selectors, all IPv4":   hostile(t, TypeTSi, "40 000000"+repeat(v4Selector, 64)),
		"SPIs of one byte":      hostile(t, TypeDelete, "03 01 0100"+repeat("aa", 256)),
		"SPIs of four bytes":    hostile(t, TypeDelete, "03 04 0100"+repeat("aabbccdd", 256)),
		"attributes of nothing": hostile(t, TypeConfig, "01 000000"+repeat("0001 0000", 64)),
		"notifies of nothing":   hostile(t, TypeNotify, "00 00 4006"),
		"one vendor ID":         hostile(t, TypeVendor, repeat("aa", 65000)),
		"unknown payloads":      hostile(t, 200, ""),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			const rounds = 20
			runtime.ReadMemStats(&before)
			for range rounds {
				if _, err := Parse(raw); err != nil {
					checkError(t, err)
				}
			}
			runtime.ReadMemStats(&after)
			took := (after.TotalAlloc - before.TotalAlloc) / rounds
			t.Logf("%d bytes took %d", len(raw), took)
			// The small messages need a little more than nothing.
			if limit := min(uint64(perByte*len(raw)+8192), most); took > limit {
				t.Errorf("%d bytes took %d of memory, more than %d", len(raw), took, limit)
			}
		})
	}
}
