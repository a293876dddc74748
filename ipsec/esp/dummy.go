package esp

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// dummy sends an ESP packet with nothing in it (RFC 4303 section 2.6), again and
// again at random times around every, so that silence cannot be seen. It stands
// beside the packet path and shares the SA with it.
func (e *Engine) dummy(sa *outbound, every time.Duration) {
	var random [4]byte
	rand.Read(random[:]) // never fails
	n := binary.BigEndian.Uint32(random[:])
	p := packet{buf: make([]byte, headroom+maxDummy+tailroom), start: headroom, end: headroom + int(n%maxDummy)}
	sa.busy.Lock()
	seq, ok := sa.next(e)
	// The header of an empty IPv4 packet stands for the one there is not.
	ok = ok && sa.seal(e, &p, 0, 0, nextNone, firstBytes{0x45}, seq)
	if !sa.life.over.Load() {
		sa.dummies.Reset(every/2 + time.Duration(n)%every)
	}
	sa.busy.Unlock()
	if ok {
		e.send(sa, [][]byte{p.bytes()})
	}
}

// maxDummy is how long a dummy packet can be inside, in bytes.
const maxDummy = 1024
