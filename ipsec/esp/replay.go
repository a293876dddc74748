package esp

// window is the anti-replay window of one inbound SA (RFC 4303 section
// 3.4.3), a ring of bits. It has one writer.
type window struct {
	size uint64 // in packets
	top  uint64 // highest sequence number seen
	bits []uint64
}

func newWindow(size uint32) *window {
	// One word more than the size, so that the word at the top is never
	// shared with the word at the bottom.
	return &window{size: uint64(size), bits: make([]uint64, size/64+2)}
}

// extend is the whole sequence number of a packet that carries the lower half
// of it (RFC 4303 appendix A2.1): the one that is nearest to the window. It is
// a guess until the ICV, which covers the whole, has been checked.
func (w *window) extend(low uint32) (seq uint64, ok bool) {
	high, top := w.top>>32, uint64(uint32(w.top))
	bottom := uint32(top - w.size + 1) // of the window, and may be below zero
	switch {
	case top >= w.size-1 && low < bottom:
		high++
	case top < w.size-1 && low >= bottom:
		high-- // of the numbers before the lower half began anew
	}
	return high<<32 | uint64(low), high <= maxHigh
}

// maxHigh is the largest upper half of a sequence number.
const maxHigh = 1<<32 - 1

// begin makes everything up to a sequence number seen.
func (w *window) begin(seen uint64) {
	w.top = seen
	for i := range w.bits {
		w.bits[i] = 1<<64 - 1
	}
	// Those of the word at the top that are still to come.
	w.bits[w.word(seen)] &= 1<<(seen%64) - 1 | 1<<(seen%64)
	if seen == 0 {
		clear(w.bits)
	}
}

// fresh says whether a sequence number may still come: not seen, not too old,
// not zero, which no sender uses. It changes nothing, because the packet is
// not yet known to be genuine.
func (w *window) fresh(seq uint64) bool {
	if seq == 0 {
		return false
	}
	if seq > w.top {
		return true
	}
	if w.top-seq >= w.size {
		return false
	}
	return w.bits[w.word(seq)]&(1<<(seq%64)) == 0
}

func (w *window) word(seq uint64) uint64 { return seq / 64 % uint64(len(w.bits)) }

// accept marks the sequence number of a genuine packet.
func (w *window) accept(seq uint64) {
	if seq > w.top {
		words := seq/64 - w.top/64
		for i := uint64(1); i <= min(words, uint64(len(w.bits))); i++ {
			w.bits[(w.top/64+i)%uint64(len(w.bits))] = 0
		}
		w.top = seq
	}
	w.bits[w.word(seq)] |= 1 << (seq % 64)
}
