package esp

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// plainSum adds words one after another, as RFC 1071 writes it.
func plainSum(b []byte) (sum uint32) {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return uint32(fold(sum))
}

func TestTheFastSumIsThePlainOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		b := make([]byte, n)
		for round := range 4 {
			for i := range b {
				b[i] = byte(random.Uint32())
				if round == 3 {
					b[i] = 0xff // carries everywhere
				}
			}
			if got, want := add16(b), plainSum(b); got != want {
				t.Fatalf("%d bytes: %04x, want %04x", n, got, want)
			}
			start := sum16(random.Uint64())
			if round == 3 {
				start = 1<<64 - 1
			}
			if got, want := start.add(b).value(), uint32(start.value())+plainSum(b); got != fold(want) {
				t.Fatalf("%d bytes added to %x: %04x, want %04x", n, uint64(start), got, fold(want))
			}
			cut := random.IntN(n+1) &^ 1
			if got := uint32(sum16(0).add(b[:cut]).add(b[cut:]).value()); got != plainSum(b) {
				t.Fatalf("%d bytes in two pieces: %04x, want %04x", n, got, plainSum(b))
			}
		}
	}
}

func BenchmarkSum(b *testing.B) {
	packet := make([]byte, 1400)
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		add16(packet)
	}
}
