package esp

// window is the anti-replay window of one inbound SA (RFC 4303 section
// 3.4.3), a ring of bits. It has one writer.
type window struct {
	size uint32 // in packets
	top  uint32 // highest sequence number seen
	bits []uint64
}

func newWindow(size uint32) *window {
	// One word more than the size, so that the word at the top is never
	// shared with the word at the bottom.
	return &window{size: size, bits: make([]uint64, size/64+2)}
}

// fresh says whether a sequence number may still come: not seen, not too old,
// not zero, which no sender uses. It changes nothing, because the packet is
// not yet known to be genuine.
func (w *window) fresh(seq uint32) bool {
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

func (w *window) word(seq uint32) uint32 { return seq / 64 % uint32(len(w.bits)) }

// accept marks the sequence number of a genuine packet.
func (w *window) accept(seq uint32) {
	if seq > w.top {
		words := seq/64 - w.top/64
		for i := uint32(1); i <= min(words, uint32(len(w.bits))); i++ {
			w.bits[(w.top/64+i)%uint32(len(w.bits))] = 0
		}
		w.top = seq
	}
	w.bits[w.word(seq)] |= 1 << (seq % 64)
}
