package esp

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// helped gives an engine helpers until the test ends.
func (e *Engine) helped(t testing.TB) {
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range e.crew.helpers {
		all.Go(func() { e.crew.help(ctx, lane(1+i)) })
	}
	t.Cleanup(func() { stop(); all.Wait() })
}

// TestNoFlowIsReorderedByHelpers sends numbered packets of many flows through both
// ends, each with helpers, and looks at the order of sequence numbers on the wire
// and of the packets in each flow at the end.
func TestNoFlowIsReorderedByHelpers(t *testing.T) {
	for _, suite := range []string{"aes256gcm16", "chacha20poly1305", "aes256ccm16", "aes256-sha256", "aes256ctr-sha256", "null-sha1", "aes256gmac"} {
		for _, esn := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, ESN %t", suite, esn), func(t *testing.T) {
				a, b, out, in := ends(t, suite, esn)
				a.helped(t)
				b.helped(t)
				s, r := a.newSender(batchSize), b.newReceiver(1, laneUDP4)
				r.out = (&device{}).writer()
				random := rand.New(rand.NewPCG(1, 1))
				const flows = 20
				var sent, got [flows]uint32
				for range 60 {
					n := 1 + random.IntN(batchSize)
					for i := range n {
						k := random.IntN(flows)
						ip := udp4("10.1.0.5", "10.2.0.9", 4+random.IntN(1300))
						binary.BigEndian.PutUint16(ip[20:], uint16(k))
						binary.BigEndian.PutUint32(ip[28:], sent[k])
						sent[k]++
						s.sizes[i] = copy(s.bufs[i][headroom:], ip)
					}
					before := out.seq.Load()
					s.protectAll(n)
					if len(s.batch) != n {
						t.Fatalf("%d packets of %d", len(s.batch), n)
					}
					for i := range s.batch {
						d := &s.batch[i]
						if seq := binary.BigEndian.Uint32(d.bytes()[4:]); !d.sealed || uint64(seq) != before+uint64(i)+1 {
							t.Fatalf("packet %d has number %d, sealed %t", i, seq, d.sealed)
						}
						r.inUDP(b.tables.Load(), arrival{packet: d.packet, from: from}, 1)
					}
					r.openAll(b.tables.Load(), 1)
					for _, o := range r.out.joiner.out {
						k := binary.BigEndian.Uint16(o.ip[20:])
						if number := binary.BigEndian.Uint32(o.ip[28:]); number != got[k] {
							t.Fatalf("flow %d: packet %d came where %d was due", k, number, got[k])
						}
						got[k]++
					}
					r.out.joiner.reset()
				}
				if got != sent {
					t.Errorf("sent %d, got %d; %+v", sent, got, in.read())
				}
			})
		}
	}
}

// TestADuplicateInOneBatchIsRefused: the window is looked at before decryption,
// when neither of both has been accepted.
func TestADuplicateInOneBatchIsRefused(t *testing.T) {
	a, b, _, in := pair(t, "aes256gcm16")
	sealed := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))
	r := b.newReceiver(1, laneUDP4)
	r.out = (&device{}).writer()
	for range 3 {
		r.inUDP(b.tables.Load(), arrival{packet: inBuffer(sealed), from: from}, 1)
	}
	r.openAll(b.tables.Load(), 1)
	if n := len(r.out.joiner.out); n != 1 || in.read().Replayed != 2 {
		t.Errorf("%d passed, %+v", n, in.read())
	}
}

// TestHelpersCarryRealTraffic is every link again, as on a machine with many
// cores.
func TestHelpersCarryRealTraffic(t *testing.T) {
	hosts := planetest.Two(t, [2]planetest.Kind{planeOf(6), planeOf(6)})
	for i, l := range planetest.Links() {
		t.Run(l.String(), func(t *testing.T) {
			l.Bind(t, hosts, sad.SPI(0x1000*(i+1)), nil)
			l.Carry(t, hosts, 4<<20)
		})
	}
}

// BenchmarkBatch is a full batch through one end, with helpers on machines that
// have the cores for them.
func BenchmarkBatch(b *testing.B) {
	for _, suite := range []string{"aes256gcm16", "aes256-sha256"} {
		b.Run(suite, func(b *testing.B) {
			a, _, _, _ := pair(b, suite)
			a.helped(b)
			s := a.newSender(batchSize)
			ip := udp4("10.1.0.5", "10.2.0.9", 1372)
			b.SetBytes(int64(len(ip) * batchSize))
			b.ReportAllocs()
			for b.Loop() {
				for i := range s.bufs {
					s.sizes[i] = copy(s.bufs[i][headroom:], ip)
				}
				s.protectAll(batchSize)
			}
		})
	}
}
