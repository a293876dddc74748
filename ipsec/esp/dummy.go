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
	d := departure{packet: packet{buf: make([]byte, headroom+maxDummy+tailroom), start: headroom, end: headroom + int(n%maxDummy)}, bundle: []*outbound{sa}}
	// The header of an empty IPv4 packet stands for the one there is not.
	d.shape = sa.shapeOf(emptyIPv4[:])
	tr := sa.at(&sa.SA, e.dummyLane()).transform
	seq, ok := sa.next(e)
	d.sealed = ok && sa.seal(e, tr, &d, 0, 0, nextNone, seq)
	sa.busy.Lock()
	if !sa.life.over.Load() {
		sa.dummies.Reset(every/2 + time.Duration(n)%every)
	}
	sa.busy.Unlock()
	if d.sealed {
		e.sendOne(&d)
	}
}

// sendOne sends a packet that is no part of a batch.
func (e *Engine) sendOne(d *departure) {
	sa := d.bundle[len(d.bundle)-1]
	if sa.Encap == nil {
		e.sendRaw(sa, [][]byte{d.bytes()})
		return
	}
	if socket := e.udp(sa.Remote); socket != nil {
		out := socket.outbox(1)
		out.add(e, sa, d.bytes(), d.shape)
		out.flush(e)
	}
}

// emptyIPv4 is as much of an IPv4 header as shapeOf looks at.
var emptyIPv4 = [ipv4Header]byte{0x45}

// maxDummy is how long a dummy packet can be inside, in bytes.
const maxDummy = 1024
